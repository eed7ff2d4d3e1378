// What the clinic's reads answer, and how columns of whole numbers become what a chart draws.
import type { Monitoring, Params, Person, Vital } from "./types";

export interface Score {
  total: number;
  single3: boolean;
  known: number;
  partial: boolean;
  missing: string[];
}

export interface Patient extends Person {
  place: string;
  age: number | null;
  sex: string | null;
  news2: Score | null;
  change: number | null;
  monitoring: Monitoring;
  monitoring_since_ms: number | null;
  vitals: Record<string, Vital>;
}

export interface Ward {
  t_ms: number;
  history: boolean;
  residents: Patient[];
}

export type Edges = [number, number] | null;

export interface Gap {
  from_ms: number;
  to_ms: number;
  reason: string;
}

export interface Strip {
  quantity: string;
  unit: string;
  kind: "raw" | "envelope" | "points";
  raw: boolean;
  bucket_ms: number;
  decimals: number;
  dt_ms: number[];
  mean: (number | null)[];
  low?: (number | null)[];
  high?: (number | null)[];
  usual: Edges[]; // by local hour of the day
  gaps: Gap[];
  summary: { n: number; last: number; last_ms: number; low: number; median: number; high: number } | null;
  covered: number | null;
}

export interface Happening {
  id: string;
  t_ms: number;
  code: string;
  params: Params;
  priority: string;
  kind: string;
  state: string;
  claimed_name: string | null;
  claimed_ms: number | null;
  arrived_ms: number | null;
  resolved_ms: number | null;
  drill: boolean;
}

export interface Bar extends Score {
  t_ms: number;
  until_ms: number;
}

export const RANGES = ["24h", "7d", "30d"] as const;
export type Range = (typeof RANGES)[number];

export interface Page {
  t_ms: number;
  range: Range;
  from_ms: number;
  to_ms: number;
  tz: string;
  resident: Person & { place: string; age: number | null; sex: string | null; spo2_scale: number };
  monitoring: Monitoring;
  monitoring_since_ms: number | null;
  news2: Score | null;
  news2_trend: Bar[];
  events: Happening[];
  strips: Strip[];
}

type Column = (number | null)[];

// Times and values with a break wherever nothing was told: a line must not cross a gap.
export function columns(strip: Strip, fromMs: number): { t: number[]; mean: Column; low: Column; high: Column } {
  const scale = 10 ** strip.decimals;
  const out = { t: [] as number[], mean: [] as Column, low: [] as Column, high: [] as Column };
  const value = (list: Column | undefined, i: number) => {
    const whole = list?.[i];
    return whole === undefined || whole === null ? null : whole / scale;
  };
  let at = fromMs;
  let gap = 0;
  for (let i = 0; i < strip.dt_ms.length; i++) {
    at += strip.dt_ms[i] ?? 0;
    const hole = strip.gaps[gap];
    if (hole !== undefined && at >= hole.to_ms) {
      out.t.push(hole.from_ms + 1);
      out.mean.push(null);
      out.low.push(null);
      out.high.push(null);
      while ((strip.gaps[gap]?.to_ms ?? Infinity) <= at) gap++;
    }
    out.t.push(at);
    out.mean.push(value(strip.mean, i));
    out.low.push(value(strip.low, i));
    out.high.push(value(strip.high, i));
  }
  return out;
}

// Whole local hours at which an axis is labelled, whatever the zone does with its clocks.
export function ticks(fromMs: number, toMs: number, hour: (ms: number) => number, range: Range): number[] {
  const found: number[] = [];
  const each = range === "24h" ? 3 : 24;
  const quarter = 900_000; // some zones are off by quarters of an hour
  let before = -1;
  for (let ms = Math.ceil(fromMs / quarter) * quarter; ms <= toMs; ms += quarter) {
    const now = hour(ms);
    if (now !== before && now % each === 0 && before !== -1) found.push(ms);
    before = now;
  }
  return range === "30d" ? found.filter((_, i) => i % 3 === 0) : found;
}
