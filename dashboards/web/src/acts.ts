// What a person does to an alert; whoever was second hears who was first.
import { signal } from "@preact/signals";
import { api, Problem } from "./api";
import { t, tCode } from "./i18n";
import { say } from "./notice";
import { deskChanges, me, put } from "./state";
import type { Action, Alert, Params } from "./types";

// The next button appears where the last one was: a double tap must not press it.
const REST_MS = 700;
export const busy = signal<ReadonlySet<string>>(new Set());

function setBusy(id: string, on: boolean): void {
  const next = new Set(busy.value);
  if (on) next.add(id);
  else next.delete(id);
  busy.value = next;
}

export async function act(alert: Alert, action: Action, more: Params = {}): Promise<void> {
  if (action !== "reopen" && busy.value.has(alert.id)) return;
  setBusy(alert.id, true);
  try {
    // Who goes to a resident goes for everything that calls from there.
    const after = (await api.act(alert, action, action === "claim" ? { incident: true, ...more } : more)).alert;
    put(after);
    if (action === "note" || action === "dispatch") deskChanges.value += 1; // a word more in the history, though the alert is as it was
    if (action === "resolve" || action === "seen") {
      const text = after.outcome === null ? t("state.resolved") : t("standing.resolved_as", { outcome: after.outcome });
      say({ text: `${after.place} ${text}`.trim(), undo: { label: t("action.reopen"), run: () => void act(after, "reopen") } });
    } else if (action === "note") say({ text: t("said.noted") });
    else if (action === "dispatch") say({ text: t("said.dispatched") });
    else if (action === "support" && (alert.claimed_by === null || alert.claimed_by === me.value?.id)) say({ text: t("ui.support_asked") });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    explain(error);
  } finally {
    setTimeout(() => setBusy(alert.id, false), REST_MS);
    requestAnimationFrame(() => keepFocus(alert.id));
  }
}

function explain(problem: Problem): void {
  const current = problem.current;
  if (current !== null) put(current);
  if (current !== null && current.claimed_name !== null && current.claimed_by !== me.value?.id && current.state !== "resolved") {
    say({ text: t("ui.someone_was_first", { who: current.claimed_name }) });
  } else say({ text: tCode(`error.${problem.code}`, problem.params) });
}

// The pressed button is gone now; who works by keyboard goes on from the same card.
function keepFocus(id: string): void {
  if (document.activeElement !== null && document.activeElement !== document.body) return;
  document.querySelector<HTMLElement>(`[data-alert="${CSS.escape(id)}"]`)?.focus({ preventScroll: true });
}
