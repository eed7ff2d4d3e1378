// The page's copy of the ward: loaded once, then kept up to date by the stream; the server's clock rules all ages.
import { batch, computed, signal, type Signal } from "@preact/signals";
import { api, Problem } from "./api";
import { Relay, type LiveMessage } from "./relay";
import type { Alert, Bed, BedUpdate, Me, Wall } from "./types";

export const me = signal<Me | null>(null);
export const wall = signal<Wall | null>(null);
export const beds = new Map<string, Signal<Bed>>();
export const alerts = signal<ReadonlyMap<string, Alert>>(new Map());
export const clockOffsetMs = signal(0);
export const now = signal(Date.now());
export const heardAt = signal(Date.now());
export const notice = signal<string | null>(null);
const SPARK_POINTS = 40;
const LOST_AFTER_MS = 5000;

export const serverNow = computed(() => now.value + clockOffsetMs.value);
export const connected = computed(() => now.value - heardAt.value < LOST_AFTER_MS);
const RANK = { high: 3, medium: 2, low: 1, info: 0 } as const;

export function isOpen(alert: Alert): boolean {
  return alert.state !== "resolved";
}

export function ordered(list: Iterable<Alert>): Alert[] {
  const unclaimed = (a: Alert) => (a.state === "raised" ? 1 : 0);
  return [...list].sort(
    (a, b) => unclaimed(b) - unclaimed(a) || RANK[b.priority] - RANK[a.priority] || a.raised_ms - b.raised_ms,
  );
}

export const queue = computed(() => ordered([...alerts.value.values()].filter(isOpen)));

setInterval(() => (now.value = Date.now()), 500);

export function put(alert: Alert): void {
  const known = alerts.value.get(alert.id);
  if (known !== undefined && known.version > alert.version) return; // a late echo never undoes what is newer
  const next = new Map(alerts.value);
  if (alert.site_id !== null && wall.value !== null && alert.site_id !== wall.value.site.id) next.delete(alert.id);
  else if (isOpen(alert)) next.set(alert.id, alert);
  else next.delete(alert.id);
  alerts.value = next;
}

function heard(tMs?: number): void {
  heardAt.value = Date.now();
  if (tMs !== undefined) clockOffsetMs.value = tMs - Date.now();
}

function take(message: LiveMessage): void {
  batch(() => {
    if (message.event === "heartbeat") heard((JSON.parse(message.data) as { t_ms: number }).t_ms);
    else if (message.event === "alert") {
      heard();
      put((JSON.parse(message.data) as { alert: Alert }).alert);
    } else if (message.event === "vitals") {
      const data = JSON.parse(message.data) as { t_ms: number; beds: BedUpdate[] };
      heard(data.t_ms);
      for (const update of data.beds) merge(update);
    } else if (message.event === "snapshot" || message.event === "registry") {
      heard();
      void load();
    } else if (message.event === "denied") void checkSession();
  });
}

function merge(update: BedUpdate): void {
  const bed = beds.get(update.bed_id);
  if (bed === undefined) return;
  const spark = { ...bed.value.spark };
  for (const [key, tail] of Object.entries(update.spark_tail)) spark[key] = [...(spark[key] ?? []), ...tail].slice(-SPARK_POINTS);
  bed.value = {
    ...bed.value, spark, vitals: { ...bed.value.vitals, ...update.vitals },
    monitoring: update.monitoring, monitoring_since_ms: update.monitoring_since_ms,
  };
}

async function checkSession(): Promise<void> {
  try {
    await api.me();
  } catch (error) {
    if (error instanceof Problem && error.status === 401) location.assign("/login");
  }
}

let site = "";
let zone: string | null = null;
let loading = false;
let again = false;

async function load(): Promise<void> {
  if (loading) {
    again = true;
    return;
  }
  loading = true;
  try {
    const fresh = await api.wall(site, zone);
    batch(() => {
      heard(fresh.t_ms);
      beds.clear();
      for (const bed of fresh.beds) beds.set(bed.bed_id, signal(bed));
      wall.value = fresh;
      alerts.value = new Map(fresh.alerts.map((alert) => [alert.id, alert]));
    });
  } catch (error) {
    if (error instanceof Problem && error.status === 401) location.assign("/login");
    else setTimeout(() => void load(), 2000);
  } finally {
    loading = false;
    if (again) {
      again = false;
      void load();
    }
  }
}

export async function open(siteId: string, zoneId: string | null): Promise<void> {
  site = siteId;
  zone = zoneId;
  await load();
  const cursor = wall.value?.cursor ?? "";
  if (typeof SharedWorker === "undefined") {
    new Relay().add(take, cursor);
    return;
  }
  const worker = new SharedWorker(new URL("./live.worker.ts", import.meta.url), { type: "module", name: "anxin-live" });
  worker.port.onmessage = (event: MessageEvent<LiveMessage>) => take(event.data);
  worker.port.postMessage({ cursor });
  window.addEventListener("pagehide", () => worker.port.postMessage({ cursor, bye: true }));
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) worker.port.postMessage({ cursor: wall.value?.cursor ?? "" });
  });
}
