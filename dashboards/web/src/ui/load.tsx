// One way to fetch what a page shows, with every state that can come of it: loading, there, old, offline, refused, over, failed.
import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useRef } from "preact/hooks";
import { batch, useSignal, type ReadonlySignal } from "@preact/signals";
import { call, Problem } from "../api";
import { clock } from "../i18n";
import { tz } from "../state";
import { ErrorState, Expired, Forbidden, Loading, OfflineBanner } from "./states";

const AGAIN_MS = 5000; // while the server cannot be reached

export interface Loaded<T> {
  data: ReadonlySignal<T | null>;
  problem: ReadonlySignal<Problem | null>;
  at: ReadonlySignal<number | null>; // when `data` was fetched
  reload: () => void;
}

export function asProblem(caught: unknown): Problem {
  if (caught instanceof Problem) return caught;
  throw caught;
}

// Fetches `path` (null: not yet), again when it changes, every `everyMs`, and by itself as long as the server cannot be reached.
export function useLoad<T>(path: string | null, everyMs = 0): Loaded<T> {
  const data = useSignal<T | null>(null);
  const problem = useSignal<Problem | null>(null);
  const at = useSignal<number | null>(null);
  const turn = useRef(0);
  const load = useCallback(async () => {
    if (path === null) return;
    const mine = ++turn.current; // an answer that was overtaken does not count
    try {
      const fresh = await call<T>("GET", path);
      if (mine !== turn.current) return;
      batch(() => {
        data.value = fresh;
        problem.value = null;
        at.value = Date.now();
      });
    } catch (caught) {
      if (mine !== turn.current) return;
      const found = asProblem(caught);
      batch(() => {
        problem.value = found;
        if ([401, 403, 404].includes(found.status)) data.value = null; // what one may not see any more goes from the screen at once
      });
      if (found.status === 0) setTimeout(() => mine === turn.current && void load(), AGAIN_MS);
    }
  }, [path]);
  useEffect(() => {
    data.value = null;
    problem.value = null;
    void load();
    const timer = everyMs > 0 ? setInterval(() => void load(), everyMs) : undefined;
    return () => {
      turn.current += 1;
      clearInterval(timer);
    };
  }, [load, everyMs]);
  return { data, problem, at, reload: () => void load() };
}

// The state that there is, or what the children make of the data; data that could not be renewed stays, under a banner that says so.
export function Show<T>({ of, children }: { of: Loaded<T>; children: (data: T) => ComponentChildren }) {
  const data = of.data.value;
  const problem = of.problem.value;
  if (problem?.status === 401) return <Expired />;
  if (problem?.status === 403 || problem?.status === 404) return <Forbidden />;
  if (data === null) return problem === null ? <Loading /> : <ErrorState problem={problem} onRetry={of.reload} />;
  return (
    <>
      {problem !== null && <OfflineBanner problem={problem} at={of.at.value === null ? null : clock(of.at.value, tz.value)} onRetry={of.reload} />}
      {children(data)}
    </>
  );
}
