// Loads the ward once and keeps it up to date by the stream; any doubt (a cut, another lineage, a changed registry) ends in a new load.
import { batch } from "@preact/signals";
import { api, Problem } from "./api";
import { Relay, type LiveMessage } from "./relay";
import { deskChanges, faults, heard, me, merge, put, replaceAlerts, replaceWalls, silences, site, zone } from "./state";
import type { Alert, BedUpdate, Fault } from "./types";
import { toLogin } from "./ui/session";

const RETRY_MS = 2000;
const ANEW_MS = 30 * 60_000; // duty and whatever else has no event of its own

let withBeds = false;
let loading = false;
let again = false;
let meanwhile: Alert[] = [];

export { toLogin };

function take(message: LiveMessage): void {
  batch(() => {
    if (message.event === "heartbeat") {
      const beat = JSON.parse(message.data) as { t_ms: number; faults?: Fault[] };
      heard(beat.t_ms);
      if (beat.faults !== undefined) faults.value = beat.faults;
    } else if (message.event === "alert") {
      heard();
      const alert = (JSON.parse(message.data) as { alert: Alert }).alert;
      if (loading) meanwhile.push(alert);
      put(alert);
    } else if (message.event === "vitals") {
      const data = JSON.parse(message.data) as { t_ms: number; beds: BedUpdate[] };
      heard(data.t_ms);
      for (const update of data.beds) merge(update);
    } else if (message.event === "desk") {
      heard();
      deskChanges.value += 1;
      refreshSilences();
    } else if (message.event === "denied") void checkSession();
    else if (message.event === "closed") {
      if ((JSON.parse(message.data) as { code: string }).code === "session.ended") void checkSession();
    } else void load(); // snapshot, registry, reopened
  });
}

async function checkSession(): Promise<void> {
  try {
    await api.me();
  } catch (error) {
    if (error instanceof Problem && error.status === 401) toLogin();
  }
}

// Never worth a reload: what cannot be read now comes with the next change or the next load.
export function refreshSilences(): void {
  api.silences().then((found) => (silences.value = found.silences), () => undefined);
}

// For what is shown only when somebody asks for it: the beds on a phone.
export function wantBeds(): void {
  if (withBeds) return;
  withBeds = true;
  void load();
}

export function refresh(): void {
  void load();
}

async function load(retry = true): Promise<string> {
  if (loading) {
    again = true;
    return "";
  }
  loading = true;
  meanwhile = [];
  let cursor = "";
  try {
    const listed = await api.alerts();
    refreshSilences();
    const ids = !withBeds ? [] : site.value !== null ? [site.value] : (me.value?.sites ?? []).map((s) => s.id);
    const fresh = await Promise.all(ids.map((id) => api.wall(id, zone.value)));
    cursor = listed.cursor;
    batch(() => {
      heard(fresh[0]?.t_ms ?? listed.t_ms);
      replaceAlerts(listed.alerts, meanwhile);
      if (withBeds) replaceWalls(fresh);
    });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) toLogin();
    else if (error.status === 404 && zone.value !== null) {
      zone.value = null; // no such zone any more
      again = true;
    } else if (error.status === 403 || error.status === 404) setTimeout(() => location.reload(), RETRY_MS); // the person's reach has changed
    else if (retry) setTimeout(() => void load(), RETRY_MS);
  } finally {
    loading = false;
    if (again) {
      again = false;
      setTimeout(() => void load(), 200); // many changes at once need one new load
    }
  }
  return cursor;
}

// The first load has to succeed before the stream is opened, since its cursor is where the stream goes on.
export async function open(beds: boolean): Promise<void> {
  withBeds = beds;
  let cursor = await load(false);
  while (cursor === "") {
    await new Promise((done) => setTimeout(done, RETRY_MS));
    cursor = await load(false);
  }
  setInterval(() => void load(), ANEW_MS);
  if (typeof SharedWorker === "undefined") {
    new Relay().add(take, cursor);
    return;
  }
  const worker = new SharedWorker(new URL("./live.worker.ts", import.meta.url), { type: "module", name: "anxin-live" });
  worker.port.onmessage = (event: MessageEvent<LiveMessage>) => take(event.data);
  worker.port.postMessage({ cursor });
  window.addEventListener("pagehide", () => worker.port.postMessage({ cursor, bye: true }));
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    void load().then((fresh) => worker.port.postMessage({ cursor: fresh || cursor }));
  });
}
