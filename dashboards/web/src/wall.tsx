import type { Signal } from "@preact/signals";
import { AlertCard } from "./alert-card";
import { Clock, Connection, LangSwitch, SignOut, SiteSwitch, Sound } from "./header";
import { age, lang, t, tCode } from "./i18n";
import { Sparkline } from "./sparkline";
import { alerts, beds, connected, notice, queue, serverNow, wall } from "./state";
import type { Alert, Bed, Vital } from "./types";

const MAIN = ["hr", "spo2"] as const;
const MORE = ["resp", "temp", "sbp", "glucose"] as const;
const PER_PAGE = 108;

function show(vital: Vital | undefined): string {
  if (vital === undefined || vital.value === null) return "–";
  return String(Math.round(vital.value * 10) / 10);
}

function newest(bed: Bed): number | null {
  const times = Object.values(bed.vitals).map((v) => v.t_ms).filter((ms): ms is number => ms !== null);
  return times.length === 0 ? null : Math.max(...times);
}

function worstOf(list: Alert[]): Alert | undefined {
  return list[0];
}

function Number_({ bed, name }: { bed: Bed; name: string }) {
  const vital = bed.vitals[name];
  const state = vital === undefined ? "none" : connected.value ? vital.state : "stale";
  return (
    <span class={`number v-${state}`} data-vital={name} data-vital-state={state}>
      <span class="value">{show(vital)}</span>
      <span class="label">{tCode(`short.${name}`)}</span>
    </span>
  );
}

function Tile({ bed: source, open }: { bed: Signal<Bed>; open: Alert[] }) {
  const bed = source.value;
  const alert = worstOf(open);
  const tone = alert === undefined ? "" : alert.kind === "technical" ? "technical" : alert.priority;
  const t_ms = newest(bed);
  const state = connected.value ? bed.monitoring : "stale";
  return (
    <li class={`tile ${tone} m-${state} ${alert ? `state-${alert.state}` : ""}`} data-bed={bed.bed_id} data-state={state}>
      <header>
        <b>{bed.label}</b> <span class="who">{bed.resident?.name ?? t("ui.bed_empty")}</span>
        {alert !== undefined && <span class="badge">{alert.claimed_name ?? (alert.kind === "technical" ? t("ui.technical") : t(`priority.${alert.priority}`))}</span>}
      </header>
      {bed.resident !== null && bed.monitoring !== "none" && (
        <>
          <div class="numbers">{MAIN.map((name) => <Number_ key={name} bed={bed} name={name} />)}</div>
          <Sparkline values={bed.spark.hr ?? []} width={140} height={22} label={`${tCode("quantity.hr")} ${bed.label}`} />
          <div class="numbers small">{MORE.filter((n) => bed.vitals[n]).map((name) => <Number_ key={name} bed={bed} name={name} />)}</div>
        </>
      )}
      <footer>
        {bed.resident === null ? "" : bed.monitoring === "none" ? t("ui.not_monitored")
          : state === "lost" ? t("ui.signal_lost", { age: age(serverNow.value - (bed.monitoring_since_ms ?? t_ms ?? serverNow.value)) })
          : t_ms === null ? t("ui.no_data_yet") : t("ui.ago", { age: age(serverNow.value - t_ms) })}
      </footer>
    </li>
  );
}

function Counts() {
  const list = queue.value;
  const help = list.filter((a) => a.state === "raised" && a.kind !== "technical").length;
  const going = list.filter((a) => a.state === "claimed" || a.state === "arrived").length;
  const devices = list.filter((a) => a.kind === "technical").length;
  return <p class="counts">{t("ui.counts", { help, going, devices })}</p>;
}

export function WallPage() {
  void lang.value;
  const ward = wall.value;
  if (ward === null) return <main><p>{t("ui.loading")}</p></main>;
  const byId = alerts.value;
  const all = [...beds.values()];
  const openOf = (bed: Bed): Alert[] =>
    queue.value.filter((a) => byId.has(a.id) && bed.resident !== null && a.resident_id === bed.resident.id);
  return (
    <div class={`wall ${connected.value ? "" : "disconnected"}`}>
      <header class="bar">
        <h1>{t("ui.wall_title", { site: ward.site.name })}</h1>
        <Connection /> <Sound /> <SiteSwitch />
        <span class="duty">{ward.duty.length > 0 ? t("ui.on_duty", { names: ward.duty.map((d) => d.name).join("、") }) : t("ui.nobody_on_duty")}</span>
        <LangSwitch /> <SignOut /> <Clock />
      </header>
      <main class="wall-main">
        <section class="queue" aria-label={t("ui.queue")}>
          <Counts />
          {notice.value !== null && <p class="notice" role="alert">{notice.value}</p>}
          {queue.value.length === 0 && <p class="calm">{t("ui.calm")}</p>}
          {queue.value.slice(0, 40).map((a) => <AlertCard key={a.id} alert={a} />)}
        </section>
        <section aria-label={t("ui.beds")}>
          <ul class={`beds ${all.length <= 24 ? "roomy" : ""}`}>
            {all.slice(0, PER_PAGE).map((bed) => <Tile key={bed.value.bed_id} bed={bed} open={openOf(bed.value)} />)}
          </ul>
          {all.length === 0 && <p class="calm">{t("ui.no_beds")}</p>}
          {all.length > PER_PAGE && <p class="notice">{t("ui.more_beds", { n: all.length - PER_PAGE })}</p>}
        </section>
      </main>
      <footer class="fine">{t("ui.not_a_medical_device")}</footer>
    </div>
  );
}
