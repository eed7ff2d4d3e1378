// What the ward's panels read beside the live copy: the card for 120, why, hand-over, calls, residents; and what they write.
import { call } from "./api";
import type { Alert, Monitoring, Params, Person, Silence, Vital } from "./types";

const id = encodeURIComponent;

export interface Contact {
  name: string;
  kind: "family" | "responder";
  relation: string;
  phone: string;
}

// What may not be seen is absent.
export interface Dispatch {
  t_ms: number;
  alert: Alert;
  place: string;
  last_room?: { t_ms: number; place: string } | null;
  address?: string;
  door_code?: string;
  medical?: string;
  contacts?: Contact[];
}

export interface Told {
  n: number;
  transition: string;
  t_ms: number;
  recipient: string;
  name: string;
  channels: string[];
  told: boolean;
  reason: string;
  page: { state: string; reason: string; channel: string; attempts: number; done_ms: number | null } | null;
}

export interface Step {
  n: number;
  t_ms: number;
  kind: string;
  why: string;
  actor: string;
  actor_name: string;
  body: Params;
}

export interface Shift {
  open: string[];
  unseen: string[];
  claims: string[];
  devices: string[];
  scores: string[];
  silenced: string[];
  silences: string[];
}

export interface Handover {
  id: string;
  site_id: string;
  zone_id: string | null;
  giver: string;
  giver_name: string;
  receiver: string | null;
  receiver_name: string;
  given_ms: number;
  accepted_ms: number | null;
  accepted_by: string | null;
  accepted_name: string;
  note: string;
  body: Shift;
}

export interface Receiver {
  id: string;
  name: string;
  role: string;
  on_duty: boolean;
}

export interface Handing {
  t_ms: number;
  now: Shift;
  handovers: Handover[];
  receivers: Receiver[];
}

export interface Score {
  total: number;
  single3: boolean;
  known: number;
  partial: boolean;
  missing: string[];
}

export interface Changed {
  resident: Person;
  place: string;
  news2: Score;
  change: number;
}

export interface CallRow {
  alert: Alert;
  answered_ms: number | null;
  answered_s: number | null;
  answered_by: string | null;
  said: { t_ms: number; kind: string; actor_name: string; note?: string; reason?: string }[];
}

export interface CallFigures {
  calls: number;
  waiting: number;
  within_60_s: number | null;
  within_180_s: number | null;
  target_60_s: number;
  target_180_s: number;
  met: boolean | null;
  longest_s: number;
  outcomes: Record<string, number>;
}

export interface Calls {
  t_ms: number;
  figures: Record<string, CallFigures>;
  held: Record<string, number>;
  calls: CallRow[];
}

export interface Device {
  id: string;
  model: string;
  kind: string;
  status: string;
  quantities: string[];
}

export interface Limit {
  id: string;
  quantity: string;
  low: number | null;
  high: number | null;
  low_extreme: number | null;
  high_extreme: number | null;
  reason: string;
  expires_ms: number | null;
}

export interface ResidentDetail extends Person {
  place?: { label: string };
  birth_date?: string | null;
  on_oxygen?: boolean | null;
  consciousness?: string | null;
  devices?: Device[];
  limits?: Limit[];
  vitals?: Record<string, Vital>;
  monitoring?: Monitoring;
  monitoring_since_ms?: number | null;
}

export interface Minute {
  from_ms: number;
  until_ms: number;
  status: string | null;
  quiet_hours?: boolean;
  on_duty?: { name: string; role: string }[];
  alerts: { id: string; view: Alert; happened: Step[]; told: Told[] }[];
  silences: Silence[];
}

export const care = {
  dispatch: (alert: string) => call<Dispatch>("GET", `/alerts/${id(alert)}/dispatch`),
  why: (alert: string) => call<{ told: Told[] }>("GET", `/alerts/${id(alert)}/why`),
  whole: (alert: string) => call<{ alert: Alert; history: Step[] }>("GET", `/alerts/${id(alert)}`),
  silence: (resident: string, cause: string, reason: string, until_s: number) =>
    call<{ silence: Silence }>("POST", "/silences", { resident, cause, reason, until_s }),
  unsilence: (silence: string) => call<unknown>("POST", `/silences/${id(silence)}/end`),
  handing: (site: string) => call<Handing>("GET", `/handover?site=${id(site)}`),
  changed: (site: string) => call<{ changed: Changed[] }>("GET", `/handover/scores?site=${id(site)}`),
  give: (site: string, receiver: string | null, note: string) => call<{ handover: Handover }>("POST", "/handover", { site, receiver, note }),
  accept: (row: string) => call<{ handover: Handover }>("POST", `/handover/${id(row)}/accept`),
  calls: () => call<Calls>("GET", "/calls?limit=200"),
  resident: (who: string) => call<{ resident: ResidentDetail }>("GET", `/residents/${id(who)}`),
  minute: (who: string, at_ms: number) => call<Minute>("GET", `/residents/${id(who)}/why?at_ms=${at_ms}`),
};
