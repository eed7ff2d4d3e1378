// The page's copy of the ward as signals; load.ts fills it, the views read it. The server's clock rules all ages.
import { batch, computed, signal, type Signal } from "@preact/signals";
import type { Alert, Bed, BedUpdate, Fault, Me, Silence, Wall } from "./types";

const SPARK_POINTS = 40;
const LOST_AFTER_MS = 5000;
const FORGET = 500;
const RANK = { high: 3, medium: 2, low: 1, info: 0 } as const;
const ORDER = { raised: 0, claimed: 1, arrived: 1, cleared: 2, resolved: 3 } as const;

export const me = signal<Me | null>(null);
export const walls = signal<readonly Wall[]>([]); // one per site that is shown
export const faults = signal<readonly Fault[]>([]);
export const alerts = signal<ReadonlyMap<string, Alert>>(new Map());
export const silences = signal<readonly Silence[]>([]); // of rules, in force
export const deskChanges = signal(0); // grows when somebody hands over, takes over, or silences
export const site = signal<string | null>(null); // null = all of the person's sites
export const zone = signal<string | null>(null);
export const clockOffsetMs = signal(0);
export const now = signal(Date.now());
export const heardAt = signal(Date.now());
const beds = new Map<string, Signal<Bed>>();

// In whole seconds: a wall of a hundred beds is drawn once per second, not with every message.
export const serverNow = computed(() => Math.floor((now.value + clockOffsetMs.value) / 1000) * 1000);
export const connected = computed(() => now.value - heardAt.value < LOST_AFTER_MS);
export const tz = computed(() => (me.value?.sites.find((s) => s.id === site.value) ?? me.value?.sites[0])?.tz ?? "Asia/Shanghai");

setInterval(() => (now.value = Date.now()), 500);

export function heard(tMs?: number): void {
  heardAt.value = Date.now();
  now.value = heardAt.value;
  if (tMs !== undefined) clockOffsetMs.value = tMs - heardAt.value;
}

// --- alerts ---------------------------------------------------------------------------------------------------------

export function isOpen(alert: Alert): boolean {
  return alert.state !== "resolved" && alert.folded_into === null;
}

// Unclaimed > priority > oldest, as the server lists them; what is only unseen comes last.
export function ordered(list: Iterable<Alert>): Alert[] {
  return [...list].sort(
    (a, b) => ORDER[a.state] - ORDER[b.state] || RANK[b.priority] - RANK[a.priority] || a.raised_ms - b.raised_ms || (a.id < b.id ? -1 : 1),
  );
}

function inView(alert: Alert): boolean {
  if (alert.site_id === null) return true; // of no site we know: better shown everywhere than nowhere
  return (site.value === null || alert.site_id === site.value) && (zone.value === null || alert.zone_id === zone.value);
}

const open = computed(() => ordered([...alerts.value.values()].filter(isOpen)));
export const queue = computed(() => open.value.filter(inView));
export const elsewhere = computed(() => open.value.filter((a) => !inView(a) && a.state === "raised" && a.kind !== "technical"));

export const ofResident = computed(() => {
  const found = new Map<string, Alert[]>();
  for (const alert of queue.value) {
    const key = alert.resident?.id ?? alert.resident_id ?? `place:${alert.place}`;
    found.set(key, [...(found.get(key) ?? []), alert]);
  }
  return found;
});

const gone = new Map<string, number>(); // versions of what has ended, so that a late echo does not bring it back

export function put(alert: Alert): void {
  const known = alerts.value.get(alert.id)?.version ?? gone.get(alert.id) ?? -1;
  if (known > alert.version) return;
  const next = new Map(alerts.value);
  if (isOpen(alert)) {
    next.set(alert.id, alert);
    gone.delete(alert.id);
  } else {
    next.delete(alert.id);
    gone.set(alert.id, alert.version);
    const oldest = gone.size > FORGET ? gone.keys().next().value : undefined;
    if (oldest !== undefined) gone.delete(oldest);
  }
  alerts.value = next;
}

// What the server lists now, and on top of it what the stream said while the list was on its way.
export function replaceAlerts(listed: readonly Alert[], meanwhile: readonly Alert[]): void {
  batch(() => {
    alerts.value = new Map(listed.filter(isOpen).map((alert) => [alert.id, alert]));
    for (const alert of meanwhile) put(alert);
  });
}

// --- beds -----------------------------------------------------------------------------------------------------------

export function bedOf(id: string): Signal<Bed> | undefined {
  return beds.get(id);
}

export function replaceWalls(fresh: readonly Wall[]): void {
  batch(() => {
    const seen = new Set<string>();
    for (const bed of fresh.flatMap((wall) => wall.beds)) {
      seen.add(bed.bed_id);
      const known = beds.get(bed.bed_id);
      if (known === undefined) beds.set(bed.bed_id, signal(bed));
      else known.value = bed;
    }
    for (const id of [...beds.keys()]) if (!seen.has(id)) beds.delete(id);
    walls.value = fresh;
    faults.value = fresh[0]?.faults ?? [];
  });
}

export function merge(update: BedUpdate): void {
  const bed = beds.get(update.bed_id);
  if (bed === undefined) return;
  const spark = { ...bed.value.spark };
  for (const [key, tail] of Object.entries(update.spark_tail)) spark[key] = [...(spark[key] ?? []), ...tail].slice(-SPARK_POINTS);
  bed.value = {
    ...bed.value, spark, vitals: update.vitals, monitoring: update.monitoring, monitoring_since_ms: update.monitoring_since_ms,
  };
}
