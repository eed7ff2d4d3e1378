// One bed on the wall. A number stands in normal style only while the server calls it live and the connection holds.
import type { Signal } from "@preact/signals";
import { toneOf, wordOf } from "./alert-card";
import { ago, figure, span, t, tCode } from "./i18n";
import { riskOf, RiskWord } from "./risk";
import { Sparkline } from "./sparkline";
import { connected, serverNow, silences } from "./state";
import type { Alert, Bed, Vital, VitalState } from "./types";

const MAIN = ["hr", "pulse", "spo2"] as const;
const MORE = ["resp", "temp", "glucose", "glucose_cgm"] as const;
const OLD_MS = 5 * 60_000; // a spot value carries its own age from here on

function stateOf(vital: Vital): VitalState {
  return connected.value || vital.state !== "live" ? vital.state : "stale";
}

function Figure({ name, vital, text }: { name: string; vital: Vital; text?: string }) {
  const state = stateOf(vital);
  const age = vital.t_ms === null ? null : serverNow.value - vital.t_ms;
  const value = text ?? (vital.value === null ? null : figure(vital.value));
  const empty = value === null || state === "warming" || state === "no_value";
  return (
    <span class={`number v-${state}`} data-vital={name} data-vital-state={state} title={tCode(`quantity.${name}`)}>
      <span class="label">{name === "sbp" ? t("ui.bp") : tCode(`short.${name}`)}</span>{" "}
      {empty ? <span class="value">{t("value.none")}</span> : state === "live" ? <span class="value">{value}</span> : <s class="value">{value}</s>}
      {state !== "live" && <span class="word">{tCode(`vital.${state}`)}</span>}
      {state === "live" && age !== null && age > OLD_MS && <span class="word">{ago(age)}</span>}
    </span>
  );
}

function Pressure({ bed }: { bed: Bed }) {
  const { sbp, dbp } = bed.vitals;
  if (sbp === undefined || sbp.t_ms === null) return null;
  const whole = sbp.value !== null && dbp?.value != null && dbp.t_ms === sbp.t_ms;
  return <Figure name="sbp" vital={sbp} {...(whole ? { text: `${figure(sbp.value ?? 0)}/${figure(dbp?.value ?? 0)}` } : {})} />;
}

// The age of the big numbers: of the oldest one that stands there as live.
function ageOfMain(bed: Bed): number | null {
  const times = MAIN.map((name) => bed.vitals[name]).filter((v) => v?.state === "live").map((v) => v?.t_ms ?? null).filter((ms) => ms !== null);
  return times.length === 0 ? null : Math.min(...times);
}

function Foot({ bed, state }: { bed: Bed; state: Bed["monitoring"] }) {
  const at = serverNow.value;
  if (bed.resident === null) return <footer>{"\u00a0"}</footer>;
  if (state === "none") return <footer>{t("monitoring.none")}</footer>;
  if (state === "lost") {
    const since = bed.monitoring_since_ms;
    return <footer data-lost>{since === null ? t("ui.no_data_yet") : t("ui.signal_lost", { age: span(at - since) })}</footer>;
  }
  const oldest = ageOfMain(bed);
  const age = oldest === null ? bed.monitoring_since_ms : oldest;
  const word = state === "live" ? "" : `${t("monitoring.stale")} `;
  return <footer>{age === null ? t("vital.warming") : `${word}${ago(at - age)}`}</footer>;
}

function Badge({ alert }: { alert: Alert }) {
  const owned = alert.state === "claimed" || alert.state === "arrived";
  const word = alert.state === "cleared" ? t(alert.params.not_applicable ? "transition.not_applicable" : "ui.over") : wordOf(alert);
  return <span class={owned ? "badge going" : "badge"}>{owned ? `→ ${alert.claimed_name ?? alert.claimed_by ?? ""}` : word}</span>;
}

// Sound that is off is never hidden: of the alert, or of a rule about this resident, whichever lasts longer.
function Hushed({ bed, alert }: { bed: Bed; alert: Alert | undefined }) {
  const now = serverNow.value;
  const rules = silences.value.filter((row) => row.resident_id === bed.resident?.id).map((row) => row.until_ms);
  const until = Math.max(0, alert?.silenced_until_ms ?? 0, ...rules);
  if (until <= now) return null;
  return <span class="hushed" data-hushed>{t("ui.silence.tile", { span: span(until - now) })}</span>;
}

export function Tile({ bed: source, open, risk = false }: { bed: Signal<Bed>; open: readonly Alert[]; risk?: boolean }) {
  const bed = source.value;
  const alert = open[0];
  const state = connected.value || bed.monitoring !== "live" ? bed.monitoring : "stale";
  const hatched = state === "lost" || !connected.value;
  const classes = ["tile", `m-${state}`, hatched ? "hatched" : "", bed.resident === null ? "empty" : "", alert ? `${toneOf(alert)} state-${alert.state}` : ""];
  const spark = bed.spark.hr !== undefined ? "hr" : "pulse";
  return (
    <li class={classes.join(" ")} data-bed={bed.bed_id} data-state={state}>
      <header>
        <b>{bed.label}</b> <span class="who">{bed.resident?.name ?? t("ui.bed_empty")}</span>
        {alert !== undefined && <Badge alert={alert} />}
      </header>
      <Hushed bed={bed} alert={alert} />
      {risk && bed.resident !== null && <RiskWord risk={riskOf(bed.resident.id)} />}
      {bed.resident !== null && bed.monitoring !== "none" && (
        <>
          <div class="numbers">{MAIN.map((name) => bed.vitals[name] && <Figure key={name} name={name} vital={bed.vitals[name]} />)}</div>
          <Sparkline values={bed.spark[spark] ?? []} quantity={spark} width={200} height={30} label={`${tCode(`quantity.${spark}`)} ${bed.label}`} />
          <div class="numbers more">
            {MORE.map((name) => bed.vitals[name]?.t_ms != null && <Figure key={name} name={name} vital={bed.vitals[name]} />)}
            <Pressure bed={bed} />
          </div>
        </>
      )}
      <Foot bed={bed} state={state} />
    </li>
  );
}
