// What the API sends; times are UTC milliseconds.

export type Priority = "info" | "low" | "medium" | "high";
export type AlertState = "raised" | "claimed" | "arrived" | "resolved" | "cleared";
export type Action = "claim" | "release" | "arrive" | "resolve" | "support" | "silence" | "unsilence" | "reopen" | "seen";
export const OUTCOMES = ["helped", "false_alarm", "test", "device", "refused", "hospital", "other"] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface Person {
  id: string;
  name: string;
  initials: string;
  status?: string;
}

export interface Alert {
  id: string;
  version: number;
  state: AlertState;
  priority: Priority;
  kind: "physiological" | "technical" | "call";
  rule: string;
  cause: string;
  code: string;
  params: Record<string, unknown>;
  resident: Person | null;
  resident_id: string | null;
  device_id: string | null;
  site_id: string | null;
  zone_id: string | null;
  place: string;
  raised_ms: number;
  last_ms: number;
  count: number;
  latched: boolean;
  condition_over: boolean;
  late_s: number;
  origin: string;
  step: number;
  next_step_ms: number | null;
  claimed_by: string | null;
  claimed_name: string | null;
  claimed_ms: number | null;
  arrived_ms: number | null;
  resolved_ms: number | null;
  outcome: Outcome | null;
  note: string;
  silenced_until_ms: number | null;
  supported_by: string[];
}

export type VitalState = "live" | "stale" | "lost" | "no_value" | "warming";

export interface Vital {
  value: number | null;
  unit: string;
  t_ms: number | null;
  state: VitalState;
}

export interface Bed {
  bed_id: string;
  label: string;
  zone_id: string | null;
  resident: Person | null;
  vitals: Record<string, Vital>;
  spark: Record<string, (number | null)[]>;
  monitoring: "live" | "stale" | "lost" | "none";
  monitoring_since_ms: number | null;
  alert_ids: string[];
}

export interface BedUpdate {
  bed_id: string;
  vitals: Record<string, Vital>;
  spark_tail: Record<string, (number | null)[]>;
  monitoring: Bed["monitoring"];
  monitoring_since_ms: number | null;
}

export interface Named {
  id: string;
  name: string;
}

export interface Wall {
  t_ms: number;
  cursor: string;
  site: Named & { tz: string };
  zones: Named[];
  beds: Bed[];
  alerts: Alert[];
  duty: { name: string; initials: string }[];
  faults: { code: string; subject: string; params: Record<string, unknown> }[];
}

export interface Me {
  id: string;
  name: string;
  role: string;
  lang: string | null;
  sites: Named[];
  residents: Named[];
}

export interface Detail {
  alert: Alert;
  history: { t_ms: number; kind: string; actor: string; actor_name: string; body: Record<string, unknown> }[];
  trend: Record<string, { t_ms: number[]; value: (number | null)[] }>;
}
