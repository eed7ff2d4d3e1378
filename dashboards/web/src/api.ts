// The one place that calls the server; a failed call throws a Problem with the server's machine word.
import type { Action, Alert, Detail, Me, Wall } from "./types";

export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly current: Alert | null,
  ) {
    super(code);
  }
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, headers: { Accept: "application/json" }, credentials: "same-origin" };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { Accept: "application/json", "Content-Type": "application/json" };
  }
  let answer: Response;
  try {
    answer = await fetch(`/api/v1${path}`, init);
  } catch {
    throw new Problem(0, "unreachable", null);
  }
  const text = await answer.text();
  const data: unknown = text ? JSON.parse(text) : null;
  if (!answer.ok) {
    const problem = (data ?? {}) as { code?: string; current?: Alert };
    throw new Problem(answer.status, problem.code ?? `http_${answer.status}`, problem.current ?? null);
  }
  return data as T;
}

export const api = {
  me: () => call<Me>("GET", "/me"),
  signIn: (user: string, password: string) => call<{ me: Me }>("POST", "/session", { user, password }),
  signOut: () => call<unknown>("DELETE", "/session"),
  wall: (site: string, zone: string | null) =>
    call<Wall>("GET", `/wall?site=${encodeURIComponent(site)}${zone ? `&zone=${encodeURIComponent(zone)}` : ""}`),
  detail: (id: string) => call<Detail>("GET", `/alerts/${encodeURIComponent(id)}`),
  act: (alert: Alert, action: Action, more: Record<string, unknown> = {}) =>
    call<{ alert: Alert }>("POST", `/alerts/${encodeURIComponent(alert.id)}/${action}`, { version: alert.version, ...more }),
};
