// What the API sends; times are UTC milliseconds.

export type Priority = "info" | "low" | "medium" | "high";
export type AlertState = "raised" | "claimed" | "arrived" | "resolved" | "cleared";
export type Action = "claim" | "release" | "arrive" | "resolve" | "support" | "silence" | "unsilence" | "reopen" | "seen" | "note" | "dispatch";
export const OUTCOMES = ["helped", "false_alarm", "test", "device", "refused", "hospital", "other"] as const;
export type Outcome = (typeof OUTCOMES)[number];
export type Role = "caregiver" | "family" | "clinician" | "operator" | "admin" | "supervisor" | "display";
export type Params = Record<string, unknown>;

export interface Person {
  id: string;
  name: string;
  initials: string;
  status: string;
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
  params: Params;
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
  origin: "live" | "sim" | "replay" | "import" | "test";
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
  folded_into: string | null;
  incident_id: string | null; // the first of the resident's alerts that are one matter
  wearer_ok_ms: number | null;
  stale: boolean; // its data are no longer live
}

export interface Silence {
  id: string;
  resident_id: string;
  cause: string;
  reason: string;
  author_name: string;
  until_ms: number;
}

export type VitalState = "live" | "stale" | "lost" | "no_value" | "warming";
export type Monitoring = "live" | "stale" | "lost" | "none";
export type Points = (number | null)[];

export interface Vital {
  value: number | null;
  unit: string;
  t_ms: number | null;
  state: VitalState;
}

export interface BedUpdate {
  bed_id: string;
  vitals: Record<string, Vital>;
  spark_tail: Record<string, Points>;
  monitoring: Monitoring;
  monitoring_since_ms: number | null;
}

export interface Bed {
  bed_id: string; // "resident:<id>" for somebody who has no bed
  label: string;
  zone_id: string | null;
  resident: Person | null;
  vitals: Record<string, Vital>;
  spark: Record<string, Points>;
  monitoring: Monitoring;
  monitoring_since_ms: number | null;
  alert_ids: string[];
}

export interface Named {
  id: string;
  name: string;
}

export interface Site extends Named {
  tz: string;
}

export interface Fault {
  code: string;
  subject: string;
  params: Params;
}

export interface Wall {
  t_ms: number;
  cursor: string;
  site: Site;
  zones: Named[];
  beds: Bed[];
  alerts: Alert[];
  duty: { name: string; initials: string }[];
  my_zones: string[]; // where the person who looks is on duty now
  faults: Fault[];
}

export interface Alerts {
  t_ms: number;
  cursor: string;
  alerts: Alert[];
}

export interface Me {
  id: string;
  name: string;
  role: Role;
  lang: string | null;
  elder: boolean | null; // the large version; null = never chosen
  must_change_password: boolean;
  must_set_factor: boolean;
  sites: Site[];
  residents: Person[];
}

export interface Detail {
  t_ms: number;
  alert: Alert;
  vitals: Record<string, Vital>;
  trend: Record<string, { t_ms: number[]; value: Points }>;
}

export interface Status {
  t_ms: number;
  faults: Fault[];
}
