import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { api, Problem } from "./api";
import { age, t, tCode } from "./i18n";
import { Sparkline } from "./sparkline";
import { me, notice, put, serverNow } from "./state";
import { OUTCOMES, type Action, type Alert, type Detail } from "./types";

const MARK = { high: "■■■", medium: "■■", low: "■", info: "·" } as const;

async function act(alert: Alert, action: Action, more: Record<string, unknown> = {}): Promise<void> {
  try {
    put((await api.act(alert, action, more)).alert);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.current !== null) put(error.current);
    const name = error.current?.claimed_name;
    notice.value = name ? t("ui.someone_was_first", { name }) : tCode(`error.${error.code}`);
    setTimeout(() => (notice.value = null), 6000);
  }
}

export function describe(alert: Alert): string {
  return tCode(alert.code, { ...alert.params, device: alert.device_id });
}

function Where({ alert }: { alert: Alert }) {
  const who = alert.resident?.name ?? (alert.resident_id === null ? alert.device_id : null);
  return <strong class="where">{[alert.place || t("ui.place_unknown"), who].filter(Boolean).join("  ")}</strong>;
}

function Standing({ alert }: { alert: Alert }) {
  const t0 = serverNow.value;
  const by = alert.claimed_name ?? alert.claimed_by;
  if (alert.state === "claimed") return <p>{t("ui.claimed_by", { name: by, age: age(t0 - (alert.claimed_ms ?? t0)) })}</p>;
  if (alert.state === "arrived") return <p>{t("ui.arrived_by", { name: by, age: age(t0 - (alert.arrived_ms ?? t0)) })}</p>;
  if (alert.state === "cleared") return <p>{t("ui.cleared_unseen")}</p>;
  const next = alert.next_step_ms === null ? "" : t("ui.next_step", { age: age(alert.next_step_ms - t0) });
  return <p><b>{t("ui.nobody_yet")}</b> {next}</p>;
}

function Buttons({ alert, big }: { alert: Alert; big: boolean }) {
  const note = useSignal("");
  const mine = alert.claimed_by === me.value?.id;
  const canAct = me.value?.role === "caregiver" || me.value?.role === "clinician";
  if (!canAct) return null;
  const resolve = (outcome: string) => void act(alert, "resolve", { outcome, note: note.value });
  return (
    <div class={big ? "buttons big" : "buttons"}>
      {alert.state === "raised" && <button class="primary" data-act="claim" onClick={() => void act(alert, "claim")}>{t("ui.act.claim")}</button>}
      {alert.state === "claimed" && mine && <button class="primary" data-act="arrive" onClick={() => void act(alert, "arrive")}>{t("ui.act.arrive")}</button>}
      {(alert.state === "claimed" || alert.state === "arrived") && !mine && (
        <button data-act="support" onClick={() => void act(alert, "support")}>{t("ui.act.support")}</button>
      )}
      {alert.state === "claimed" && mine && <button data-act="release" onClick={() => void act(alert, "release")}>{t("ui.act.release")}</button>}
      {alert.state === "cleared" && <button data-act="seen" onClick={() => void act(alert, "seen")}>{t("ui.act.seen")}</button>}
      {alert.state === "arrived" && mine && (
        <fieldset class="outcomes">
          <legend>{t("ui.how_did_it_end")}</legend>
          <label class="note">
            {t("ui.note")}
            <input maxLength={500} value={note.value} onInput={(e) => (note.value = e.currentTarget.value)} />
          </label>
          {OUTCOMES.map((o) => <button key={o} data-outcome={o} onClick={() => resolve(o)}>{t(`outcome.${o}`)}</button>)}
        </fieldset>
      )}
    </div>
  );
}

function Trend({ id }: { id: string }) {
  const detail = useSignal<Detail | null>(null);
  const failed = useSignal(false);
  useEffect(() => {
    api.detail(id).then((d) => (detail.value = d), () => (failed.value = true));
  }, [id]);
  if (failed.value) return <p class="fine">{t("ui.trend_unavailable")}</p>;
  if (detail.value === null) return <p class="fine">{t("ui.loading")}</p>;
  const rows = Object.entries(detail.value.trend).filter(([, s]) => s.value.some((v) => v !== null));
  if (rows.length === 0) return <p class="fine">{t("ui.no_trend")}</p>;
  return (
    <div class="trend">
      {rows.map(([key, s]) => (
        <figure key={key}>
          <figcaption>{tCode(`quantity.${key}`)} <b>{s.value.findLast((v) => v !== null) ?? "–"}</b></figcaption>
          <Sparkline values={s.value} width={260} height={36} label={t("ui.last_30_min")} />
        </figure>
      ))}
    </div>
  );
}

export function AlertCard({ alert, big = false }: { alert: Alert; big?: boolean }) {
  const t0 = serverNow.value;
  const tone = alert.kind === "technical" ? "technical" : alert.priority;
  const mine = alert.claimed_by === me.value?.id;
  return (
    <article class={`alert ${tone} state-${alert.state}`} data-alert={alert.id} data-state={alert.state} data-priority={alert.priority} data-kind={alert.kind}>
      <header>
        <span class="mark" aria-hidden="true">{MARK[alert.priority]}</span>
        <span class="word">{alert.kind === "technical" ? t("ui.technical") : t(`priority.${alert.priority}`)}</span>
        <Where alert={alert} />
        {alert.origin !== "live" && <span class="drill">{t("ui.drill")}</span>}
      </header>
      <p class="what">{describe(alert)}{alert.count > 1 && <span class="count"> ×{alert.count}</span>}</p>
      <p class="since" data-age={t0 - alert.raised_ms}>
        {t("ui.since", { age: age(t0 - alert.raised_ms) })}
        {alert.late_s >= 60 && <b> {t("ui.late_by", { n: Math.round(alert.late_s / 60) })}</b>}
        {alert.condition_over && alert.state !== "cleared" && <span> · {t("ui.condition_over")}</span>}
      </p>
      <Standing alert={alert} />
      {alert.supported_by.length > 0 && <p class="fine">{t("ui.supported", { n: alert.supported_by.length })}</p>}
      {big && mine && alert.resident_id !== null && <Trend id={alert.id} />}
      <Buttons alert={alert} big={big} />
    </article>
  );
}
