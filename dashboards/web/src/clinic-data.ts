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

export interface Worn {
  id: string;
  name: string;
  from_ms: number;
  to_ms: number;
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
  devices: Worn[]; // which told the line, and from when until when they were the person's
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

export interface Fact {
  id: string;
  kind: NoteKind;
  text: string;
  author_name: string;
  t_ms: number;
}

export interface Page {
  t_ms: number;
  live: boolean; // false: up to a moment in the past
  version: string;
  letterhead: { site: string; organisation: string };
  facts: Fact[];
  may_export: boolean;
  covered: number | null;
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

// --- glucose, pressures, two spans, notes, limits ----------------------------------------------------------------------

export const BANDS = ["very_low", "low", "in_range", "high", "very_high"] as const;
export type Band = (typeof BANDS)[number];

export interface Sugar {
  t_ms: number;
  range: string;
  from_ms: number;
  to_ms: number;
  tz: string;
  unit: string;
  goals: "older" | "standard";
  count: number;
  days: number;
  active: number | null;
  enough: boolean;
  mean: number | null;
  sd: number | null;
  cv: number | null;
  gmi: number | null;
  lbgi: number | null;
  lbgi_band: string;
  bands: Record<Band, number | null>; // `low` holds very low, `high` holds very high
  edges: Record<"very_low" | "low" | "high" | "very_high", number>;
  targets: { band: Band; least: number | null; most: number | null; met: boolean | null }[];
  profile: { slot_min: number; percentiles: number[]; rows: (number[] | null)[] };
  daily: { t_ms: number; minute: number[]; value: number[] }[];
}

export interface Part {
  count: number;
  needs: number;
  missing: number;
  valid: boolean;
  sbp: number | null;
  dbp: number | null;
  pulse: number | null;
  threshold: [number, number];
  high: boolean | null;
}

export interface Pressures {
  from_ms: number;
  to_ms: number;
  tz: string;
  rule: "ambulatory" | "home";
  count: number;
  tried: number;
  days: number;
  parts: Record<string, Part>;
  dipping: number | null;
  rows: { t_ms: number; sbp: number; dbp: number; pulse: number | null; part: string }[];
  left_out: number;
}

export interface Side {
  hours: number;
  share: number;
  low: number | null;
  median: number | null;
  high: number | null;
  by_hour: (number | null)[];
}

export interface Compared {
  t_ms: number;
  days: number;
  tz: string;
  now: { from_ms: number; to_ms: number };
  before: { from_ms: number; to_ms: number };
  quantities: { quantity: string; unit: string; now: Side; before: Side; comparable: boolean; change: number | null }[];
  news2: Record<"now" | "before", { count: number; high: number | null; median: number | null; partial: number }>;
  alarms: Record<"now" | "before", Record<string, number>> | null;
}

export const NOTE_KINDS = ["note", "diagnosis", "medication", "allergy"] as const;
export type NoteKind = (typeof NOTE_KINDS)[number];

export interface Note {
  id: string;
  kind: NoteKind;
  text: string;
  author_name: string;
  t_ms: number;
  withdrawn_ms: number | null;
  withdrawn_name: string | null;
  withdrawn_reason: string | null;
}

export const SIDES = ["low", "high", "low_extreme", "high_extreme"] as const;

export interface Limit {
  id: string;
  low: number | null;
  high: number | null;
  low_extreme: number | null;
  high_extreme: number | null;
  duration_s: number;
  author_name: string;
  reason: string;
  expires_ms: number | null;
  from_local: string | null;
  to_local: string | null;
}

export interface LimitRow {
  quantity: string;
  unit: string;
  step: number;
  least: number;
  most: number;
  low: number | null;
  high: number | null;
  low_extreme: number | null;
  high_extreme: number | null;
  duration_s: number;
  source: "default" | "house" | "site" | "resident";
  limits: Limit[];
}

export interface Limits {
  t_ms: number;
  may_set: boolean;
  quantities: LimitRow[];
}

export interface Preview {
  id: string;
  done: number;
  total: number;
  result: null | {
    days: number;
    readings: number;
    covered: number;
    minutes: boolean;
    now: Record<"low" | "high" | "all", number>;
    then: Record<"low" | "high" | "all", number>;
    raised: number;
  };
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
  const first = Math.ceil(fromMs / quarter) * quarter;
  let before = hour(first - quarter);
  for (let ms = first; ms <= toMs; ms += quarter) {
    const now = hour(ms);
    if (now !== before && now % each === 0) found.push(ms);
    before = now;
  }
  return range === "30d" ? found.filter((_, i) => i % 3 === 0) : found;
}
