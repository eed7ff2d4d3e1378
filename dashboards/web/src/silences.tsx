// Silences: visible wherever one looks, with who, why and how long still; and how one is set.
import { useSignal } from "@preact/signals";
import { act, busy } from "./acts";
import { Problem } from "./api";
import { care } from "./care-data";
import { span, t, tCode } from "./i18n";
import { refreshSilences } from "./load";
import { say } from "./notice";
import { me, serverNow, silences, walls } from "./state";
import type { Alert, Silence } from "./types";

const MAY = new Set(["caregiver", "clinician"]); // who may silence a rule
const REASONS = ["ui.silence.care", "ui.silence.device", "ui.silence.known"] as const;
const HIGH_S = [60, 120] as const; // what the server allows at high priority
const OTHER_S = [120, 600, 1800] as const;

// Fall and calls cannot be silenced, only claimed.
export function silenceable(alert: Alert): boolean {
  return alert.kind !== "call" && !alert.cause.startsWith("fall") && !alert.cause.startsWith("call.");
}

function failed(error: unknown): void {
  if (!(error instanceof Problem)) throw error;
  say({ text: tCode(`error.${error.code}`, error.params) });
}

function whose(row: Silence): string {
  const bed = walls.value.flatMap((wall) => wall.beds).find((one) => one.resident?.id === row.resident_id);
  return bed === undefined ? row.resident_id : `${bed.label} ${bed.resident?.name ?? ""}`;
}

export function causeWord(cause: string): string {
  const [quantity = "", side = ""] = cause.split(".");
  return `${tCode(`quantity.${quantity}`)} ${side === "" ? "" : tCode(`side.${side}`)}`.trim();
}

export function SilenceRow({ row }: { row: Silence }) {
  const left = row.until_ms - serverNow.value;
  if (left <= 0) return null;
  return (
    <li data-rule-silence={row.id}>
      <span><b>{whose(row)}</b> {causeWord(row.cause)} · {t("ui.silence.left", { span: span(left) })} · {row.reason} · {row.author_name}</span>
      {MAY.has(me.value?.role ?? "") && <button type="button" class="no-print" onClick={() => void care.unsilence(row.id).then(refreshSilences, failed)}>{t("action.unsilence")}</button>}
    </li>
  );
}

export function RuleSilences() {
  const now = serverNow.value;
  const rows = silences.value.filter((row) => row.until_ms > now);
  if (rows.length === 0) return null;
  return <ul class="rows silences" aria-label={t("handover.silenced")} data-silences>{rows.map((row) => <SilenceRow key={row.id} row={row} />)}</ul>;
}

// Two questions, the second answers both: how long (the shortest is chosen) and why. A reason of one's own goes as well.
function Ask({ alert, done }: { alert: Alert; done: () => void }) {
  const spans: readonly number[] = alert.priority === "high" ? HIGH_S : OTHER_S;
  const chosen = useSignal(spans[0] ?? 60);
  const rule = useSignal(false);
  const own = useSignal("");
  const set = (reason: string) => {
    const resident = alert.resident?.id;
    const work = rule.value && resident !== undefined
      ? care.silence(resident, alert.cause, reason, chosen.value).then(refreshSilences).catch(failed)
      : act(alert, "silence", { until_s: chosen.value, reason });
    void work.then(done);
  };
  return (
    <fieldset class="outcomes" data-silence-dialog>
      <legend>{t("ui.silence.how_long")}</legend>
      <div class="buttons">
        {spans.map((s) => (
          <button key={s} type="button" data-span={s} aria-pressed={chosen.value === s} onClick={() => (chosen.value = s)}>{t("ui.silence.minutes", { n: s / 60 })}</button>
        ))}
      </div>
      {alert.kind === "physiological" && alert.resident !== null && MAY.has(me.value?.role ?? "") && (
        <label class="tick"><input type="checkbox" checked={rule.value} onChange={(e) => (rule.value = e.currentTarget.checked)} /> {t("ui.silence.rule")}</label>
      )}
      <p class="ask"><b>{t("ui.silence.why")}</b></p>
      <div class="buttons">
        {REASONS.map((key) => <button key={key} type="button" data-reason={key} disabled={busy.value.has(alert.id)} onClick={() => set(t(key))}>{t(key)}</button>)}
      </div>
      <div class="buttons say">
        <label class="note">{t("ui.silence.other")}<input maxLength={200} value={own.value} onInput={(e) => (own.value = e.currentTarget.value)} /></label>
        <button type="button" disabled={own.value.trim() === ""} onClick={() => set(own.value.trim())}>{t("action.silence")}</button>
        <button type="button" class="plain" onClick={done}>{t("ui.cancel")}</button>
      </div>
    </fieldset>
  );
}

export function SilenceOf({ alert }: { alert: Alert }) {
  const asked = useSignal(false);
  if (!silenceable(alert)) return null;
  if ((alert.silenced_until_ms ?? 0) > serverNow.value) {
    return <button type="button" data-act="unsilence" disabled={busy.value.has(alert.id)} onClick={() => void act(alert, "unsilence")}>{t("action.unsilence")}</button>;
  }
  if (asked.value) return <Ask alert={alert} done={() => (asked.value = false)} />;
  return <button type="button" data-silence="ask" onClick={() => (asked.value = true)}>{t("ui.silence.ask")}</button>;
}
