import { useSignal } from "@preact/signals";
import { act, busy } from "./acts";
import { t, type Key } from "./i18n";
import { to } from "./route";
import { SilenceOf } from "./silences";
import { me } from "./state";
import { OUTCOMES, type Action, type Alert } from "./types";

const ACTING = new Set(["caregiver", "clinician", "operator"]);

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

// `full` adds what one needs less often; a short card keeps to the one next step. The sheet is where "more" leads.
export function Buttons({ alert, full, sheet = false }: { alert: Alert; full: boolean; sheet?: boolean }) {
  if (!ACTING.has(me.value?.role ?? "")) return null;
  const mine = alert.claimed_by === me.value?.id;
  const owned = alert.state === "claimed" || alert.state === "arrived";
  const ask = alert.state === "raised" || (owned && mine);
  return (
    <div class="buttons">
      {alert.state === "raised" && <Act alert={alert} action="claim" word="action.claim" main />}
      {alert.state === "cleared" && <Act alert={alert} action="seen" word="action.seen" main />}
      {alert.state === "cleared" && full && <Act alert={alert} action="claim" word="action.claim" />}
      {alert.state === "claimed" && mine && <Act alert={alert} action="arrive" word="action.arrive" main />}
      {alert.state === "arrived" && mine && <Outcomes alert={alert} />}
      {owned && !mine && !alert.supported_by.includes(me.value?.id ?? "") && <Act alert={alert} action="support" word="ui.join" />}
      {full && ask && <Act alert={alert} action="support" word={mine ? "ui.call_people" : "action.support"} />}
      {full && mine && owned && alert.kind !== "technical" && !sheet && <a class="button danger" href={to("alert", alert.id)} data-open="120">120</a>}
      {full && mine && alert.state === "claimed" && <Act alert={alert} action="release" word="ui.cannot_go" />}
      {full && (alert.state === "raised" || (owned && mine)) && <SilenceOf alert={alert} />}
      {alert.state === "resolved" && sheet && <Act alert={alert} action="reopen" word="action.reopen" />}
      {full && !sheet && <a class="button plain more" href={to("alert", alert.id)} data-open="sheet">{t("ui.more")}</a>}
    </div>
  );
}
