// What has just been said or done, with the way back; see ../notice.ts for how long it stays.
import { t } from "../i18n";
import { notice, say } from "../notice";

export function Said() {
  const said = notice.value;
  return (
    <div class="said" role="status" aria-live="assertive">
      {said !== null && (
        <p class="notice">
          {said.text}
          {said.undo !== undefined && <button type="button" onClick={said.undo.run}>{said.undo.label}</button>}
        </p>
      )}
    </div>
  );
}

// Says what was done and offers to take it back.
export function sayUndo(text: string, run: () => void): void {
  say({ text, undo: { label: t("ui.undo"), run: () => { notice.value = null; run(); } } });
}
