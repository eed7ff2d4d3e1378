import { useSignal } from "@preact/signals";
import { act, busy } from "./acts";
import { t, type Key } from "./i18n";
import { me } from "./state";
import { OUTCOMES, type Action, type Alert } from "./types";

const ACTING = new Set(["caregiver", "clinician", "operator"]);
const SILENCE_S = 120;
const REASONS = ["ui.silence.care", "ui.silence.device", "ui.silence.known"] as const;

function Act({ alert, action, word, main = false }: { alert: Alert; action: Action; word: Key; main?: boolean }) {
  return (
    <button
      type="button" class={main ? "primary" : ""} data-act={action} disabled={busy.value.has(alert.id)}
      aria-label={[t(word), alert.place].filter(Boolean).join(" · ")} onClick={() => void act(alert, action)}
    >
      {t(word)}
    </button>
  );
}

function Outcomes({ alert }: { alert: Alert }) {
  const note = useSignal("");
  return (
    <fieldset class="outcomes">
      <legend>{t("alert.how_it_ended")}</legend>
      <label class="note">
        {t("alert.note")}
        <input maxLength={500} autocomplete="off" value={note.value} onInput={(e) => (note.value = e.currentTarget.value)} />
      </label>
      <div class="buttons">
        {OUTCOMES.map((outcome) => (
          <button
            key={outcome} type="button" data-outcome={outcome} disabled={busy.value.has(alert.id)}
            onClick={() => void act(alert, "resolve", { outcome, note: note.value })}
          >
            {t(`outcome.${outcome}`)}
          </button>
        ))}
      </div>
    </fieldset>
  );
}

// Fall and calls cannot be silenced, only claimed; every other silence has a reason and ends by itself.
function Silence({ alert }: { alert: Alert }) {
  const asked = useSignal(false);
  if (alert.kind === "call" || alert.cause.startsWith("fall")) return null;
  if (alert.silenced_until_ms !== null) return <Act alert={alert} action="unsilence" word="action.unsilence" />;
  if (!asked.value) return <button type="button" data-silence="ask" onClick={() => (asked.value = true)}>{t("ui.silence.two_minutes")}</button>;
  return (
    <fieldset class="outcomes">
      <legend>{t("ui.silence.why")}</legend>
      <div class="buttons">
        {REASONS.map((key) => (
          <button key={key} type="button" onClick={() => void act(alert, "silence", { until_s: SILENCE_S, reason: t(key) }).then(() => (asked.value = false))}>
            {t(key)}
          </button>
        ))}
      </div>
    </fieldset>
  );
}

// `full` adds what one needs less often; a short card keeps to the one next step.
export function Buttons({ alert, full }: { alert: Alert; full: boolean }) {
  if (!ACTING.has(me.value?.role ?? "")) return null;
  const mine = alert.claimed_by === me.value?.id;
  const owned = alert.state === "claimed" || alert.state === "arrived";
  return (
    <div class="buttons">
      {alert.state === "raised" && <Act alert={alert} action="claim" word="action.claim" main />}
      {alert.state === "cleared" && <Act alert={alert} action="seen" word="action.seen" main />}
      {alert.state === "cleared" && full && <Act alert={alert} action="claim" word="action.claim" />}
      {alert.state === "claimed" && mine && <Act alert={alert} action="arrive" word="action.arrive" main />}
      {alert.state === "arrived" && mine && <Outcomes alert={alert} />}
      {owned && !mine && !alert.supported_by.includes(me.value?.id ?? "") && <Act alert={alert} action="support" word="ui.join" />}
      {full && (alert.state === "raised" || (owned && mine)) && <Act alert={alert} action="support" word="action.support" />}
      {full && mine && alert.state === "claimed" && <Act alert={alert} action="release" word="ui.cannot_go" />}
      {full && mine && alert.kind !== "technical" && <a class="button" href="tel:120">{t("ui.call_120")}</a>}
      {full && alert.state === "raised" && <Silence alert={alert} />}
    </div>
  );
}
