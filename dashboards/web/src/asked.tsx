// A question to the server with its three endings: still asked, failed (and asked again by hand), answered.
import type { ComponentChild } from "preact";
import { useEffect } from "preact/hooks";
import { useSignal, type Signal } from "@preact/signals";
import { Problem } from "./api";
import { t, tCode } from "./i18n";
import { toLogin } from "./load";

export interface Question<T> {
  answer: Signal<T | null>;
  problem: Signal<Problem | null>;
  again: () => void;
}

// Asks when the page appears and whenever `about` changes; an answer that somebody no longer waits for is dropped.
export function useAsked<T>(ask: () => Promise<T>, about: string): Question<T> {
  const answer = useSignal<T | null>(null);
  const problem = useSignal<Problem | null>(null);
  const round = useSignal(0);
  useEffect(() => {
    let wanted = true;
    ask().then(
      (found) => {
        if (!wanted) return;
        answer.value = found;
        problem.value = null;
      },
      (error: unknown) => {
        if (!(error instanceof Problem)) throw error;
        if (error.status === 401) toLogin();
        else if (wanted) problem.value = error;
      },
    );
    return () => {
      wanted = false;
    };
  }, [about, round.value]);
  return { answer, problem, again: () => (round.value += 1) };
}

export function Asked<T>({ of, children }: { of: Question<T>; children: (found: T) => ComponentChild }) {
  const problem = of.problem.value;
  const found = of.answer.value;
  return (
    <>
      {problem !== null && (
        <p class="notice" role="alert" data-problem={problem.code}>
          {tCode(`error.${problem.code}`, problem.params)} <button type="button" onClick={of.again}>{t("ui.again")}</button>
        </p>
      )}
      {found !== null ? children(found) : problem === null && <p class="fine" role="status">{t("ui.loading")}</p>}
    </>
  );
}
