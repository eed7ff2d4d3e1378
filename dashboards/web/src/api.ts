// The one place that calls the server; a failed call throws a Problem with the server's machine word.
import { bring, has, lang } from "./i18n";
import type { Action, Alert, Alerts, Detail, Me, Params, Silence, Status, Wall } from "./types";

const PATIENCE_MS = 15_000; // a frozen server must not leave a button waiting for ever

export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly current: Alert | null = null,
    readonly params: Params = {},
  ) {
    super(code);
  }
}

interface ProblemDocument {
  code?: string;
  current?: Alert;
  params?: Params;
}

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = {
    method, headers: { Accept: "application/json" }, credentials: "same-origin", signal: AbortSignal.timeout(PATIENCE_MS),
  };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { Accept: "application/json", "Content-Type": "application/json" };
  }
  let status: number;
  let data: unknown;
  try {
    const answer = await fetch(`/api/v1${path}`, init);
    status = answer.status;
    const text = await answer.text();
    data = text ? JSON.parse(text) : null;
  } catch {
    throw new Problem(0, "unreachable");
  }
  if (status < 200 || status > 299) {
    const problem = (data ?? {}) as ProblemDocument;
    // Whoever catches it says it at once, so its words have to be here; without them it is said as the code that it is.
    if (!has(`error.${problem.code}`)) await bring(lang.value, "rest").catch(() => undefined);
    throw new Problem(status, problem.code ?? "internal", problem.current ?? null, problem.params ?? {});
  }
  return data as T;
}

const id = encodeURIComponent;

export const api = {
  me: () => call<Me>("GET", "/me"),
  signIn: (user: string, password: string, code: string) => call<{ me: Me }>("POST", "/session", { user, password, code }),
  signOut: () => call<unknown>("DELETE", "/session"),
  changePassword: (old: string, fresh: string) => call<unknown>("POST", "/me/password", { old, new: fresh }),
  language: (lang: string) => call<unknown>("POST", "/me/lang", { lang }),
  wall: (site: string, zone: string | null) => call<Wall>("GET", `/wall?site=${id(site)}${zone === null ? "" : `&zone=${id(zone)}`}`),
  alerts: () => call<Alerts>("GET", "/alerts?limit=500"),
  detail: (alert: string) => call<Detail>("GET", `/alerts/${id(alert)}`),
  silences: () => call<{ silences: Silence[] }>("GET", "/silences"),
  status: () => call<Status>("GET", "/status"),
  devices: () => call<{ devices: unknown[] }>("GET", "/devices"),
  inbox: () => call<{ devices: unknown[] }>("GET", "/inbox"),
  act: (alert: Alert, action: Action, more: Params = {}) =>
    call<{ alert: Alert }>("POST", `/alerts/${id(alert.id)}/${action}`, { version: alert.version, ...more }),
};
