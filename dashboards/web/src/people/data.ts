// What the API says about the house; times are UTC milliseconds.
import { call } from "../api";
import { lang } from "../i18n";

export interface Place { site_id: string; zone_id: string | null; room_id: string | null; bed_id: string | null; label: string }
export interface Resident {
  id: string; name: string; initials: string; status: string; code: string; birth_date: string | null; sex: string | null; place: Place; site: string;
  back_ms: number | null; overdue: boolean;
}
export interface Residents { t_ms: number; residents: Resident[] }
export interface Contact { id: string; name: string; kind: "family" | "responder"; relation: string; phone: string; order: number }
export interface Home { address: string; door_code: string; medical: string }
export interface Step { step: string; at_ms: number; by: string; place: string; reason: string; back_ms: number | null; into: string }
export interface Detail { t_ms: number; resident: Resident; home: Home; contacts: Contact[]; devices: { id: string; kind: string }[]; steps: Step[] }
export interface Bed {
  id: string; label: string; site_id: string; zone_id: string | null; room_id: string | null; zone: string; room: string; code: string; taken: boolean; occupant: string;
}
export interface MergePreview {
  from: Resident; into: Resident; refused: string | null; devices: string[]; limits: string[]; limits_left: string[]; contacts: number; consents: number;
}
export interface ImportReport {
  written: boolean; ok: boolean; counts: Record<string, { created: number; changed: number; unchanged: number }>;
  errors: { file: string; line: number; column: string; message: string }[]; rows: { file: string; line: number; fate: string }[]; omitted: number;
}
export interface Registry {
  sites: { id: string; name: string; tz: string; kind: string; code: string }[];
  zones: { id: string; site_id: string; name: string; code: string }[];
  rooms: { id: string; site_id: string; zone_id: string | null; name: string; code: string }[];
  beds: { id: string; site_id: string; zone_id: string | null; room_id: string | null; label: string; code: string }[];
  staff: { id: string; name: string; initials: string; role: string; status: string; code: string }[];
  rota: RotaRow[];
}
export interface RotaRow {
  id: string; site_id: string; staff_id: string; role: string; weekdays: number[]; start: string; end: string; zone_id: string | null;
  valid_from: string | null; valid_to: string | null;
}
export interface Person { id: string; name: string; initials: string; role: string; status: string; code: string; channels: Record<string, string>; user_id: string | null; login: string }
export interface Stretch { from_ms: number; until_ms: number; serving: { id: string; name: string; role: string }[] }
export interface Week {
  tz: string; site_id: string; days_ms: number[]; roles: string[]; called: string[]; zones: { id: string; name: string }[]; stretches: Stretch[];
  gaps: { zone_id: string | null; role: string; from_ms: number; until_ms: number }[]; t_ms: number;
}
export interface Duty {
  overrides: { id: string; staff_id: string; kind: string; from_ms: number; until_ms: number; role: string; for_staff_id: string | null; reason: string }[];
  groups: { id: string; name: string; staff_ids: string[] }[];
  quiet: { start: string; end: string; up_to: string } | null;
}
export interface Target { kind: string; id: string }
export interface Rung { delay_s: number; targets: Target[]; channels: string[] }
export interface Policy {
  id: string; version: number; lane: string; site_id: string | null; zone_id: string | null; hours: { start: string; end: string; weekdays: number[] } | null;
  steps: Rung[]; arrive_s: number; resolve_s: number; repeat_s: number; ack_timeout_s: number; recheck_s: number; silence_max_s: number; flap_s: number;
  by_shift: boolean; fallback_to_desk: boolean; cancel_window_s: number; confirm_s: number;
}
export interface Hole { site_id: string; step: number; target: string; from_ms: number; until_ms: number }
export interface Report { ok: boolean; errors: string[]; dead_ends: Hole[]; holes: Hole[]; unstaffed: string[] }
export interface Choices {
  channels: string[]; roles: string[]; staff: { id: string; name: string }[]; groups: { id: string; name: string; site_id: string }[];
}
export interface Version { at_ms: number; by: string; ended: boolean; policy: Policy }
export interface Account { id: string; login: string; name: string; role: string; site_ids: string[]; resident_ids: string[]; status: string; lang: string }
export interface ConsentRow {
  id: string; resident_id: string; grantee_id: string; grantee_name: string; resident_name: string; classes: string[]; from_ms: number; until_ms: number;
  standing: "live" | "over" | "future" | "withdrawn"; giver: string; legal_basis: string; guardian: boolean; emergency: boolean; text_version: string;
  recorded_by_name: string; recorded_ms: number; withdrawn_ms: number | null; reason: string;
}
export interface Grantees { grantees: { id: string; name: string; login: string; residents: string[] }[] }
export interface AuditRow {
  n: number; t_ms: number; actor: string; name: string; role: string; action: string; subject: string; resident: string | null; code: string; purpose: string;
  outcome: string;
}
export interface AuditPage { rows: AuditRow[]; next: number | null; people: { id: string; name: string; role: string }[] }
export interface Verdict { ok: boolean; rows: number; first_bad: number | null; fault: string | null; t_ms: number }
export interface Share { of: number; n: number; share: number | null }
export interface Answered { calls: number; answered: number; share: number | null; goal: number; met: boolean | null }
export interface Figures {
  resident_days: number; alarms: number; of_residents: number; per_resident_day: number | null; within_60_s: Answered; within_180_s: Answered; false: Share;
  reraised: Share; coverage: Share | null; wearing: Share | null;
}
export interface Cell extends Figures {
  site: string; name: string; from_ms: number; until_ms: number; suppressed: boolean; claim_p50_s: number | null; wearing_withheld: boolean;
  by_rule: { rule: string; alarms: number; per_resident_day: number | null }[] | null;
}
export interface Supervision { k: number; sites: { id: string; name: string; tz: string }[]; cells: Cell[]; total: Figures & { cells: number; withheld: number } }

export const post = <T>(path: string, body: unknown = {}): Promise<T> => call<T>("POST", path, body);
export const put = <T>(path: string, body: unknown): Promise<T> => call<T>("PUT", path, body);
export const id = encodeURIComponent;

// Only what was filled in is sent: the server takes an empty text for a text.
export function filled(fields: Record<string, string | null>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter((pair): pair is [string, string] => pair[1] !== null && pair[1].trim() !== "").map(([k, v]) => [k, v.trim()]));
}

// --- times on the site's own clock ------------------------------------------------------------------------------------

const locale = (): string => (lang.value === "zh" ? "zh-CN" : "en-GB");

export function when(ms: number, tz: string): string {
  return new Intl.DateTimeFormat(locale(), { timeZone: tz, month: "numeric", day: "numeric", weekday: "short", hour: "2-digit", minute: "2-digit", hour12: false }).format(ms);
}

export function day(ms: number, tz: string, weekday = false): string {
  const more = weekday ? { weekday: "short" as const, month: "numeric" as const, day: "numeric" as const } : { dateStyle: "medium" as const };
  return new Intl.DateTimeFormat(locale(), { timeZone: tz, ...more }).format(ms);
}

export function hour(ms: number, tz: string): string {
  return new Intl.DateTimeFormat("en-GB", { timeZone: tz, hour: "2-digit", minute: "2-digit" }).format(ms);
}

function offsetMs(ms: number, tz: string): number {
  const parts = Object.fromEntries(
    new Intl.DateTimeFormat("en-GB", { timeZone: tz, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false })
      .formatToParts(ms).map((part) => [part.type, Number(part.value)]),
  ) as Record<string, number>;
  const local = Date.UTC(parts.year ?? 0, (parts.month ?? 1) - 1, parts.day ?? 1, (parts.hour ?? 0) % 24, parts.minute ?? 0, parts.second ?? 0);
  return local - Math.floor(ms / 1000) * 1000;
}

// "2026-11-25T14:00" on the clock of the site, whatever zone the browser is in; null where nothing was chosen.
export function toMs(text: string, tz: string): number | null {
  if (text === "") return null;
  const wall = Date.parse(`${text.length === 10 ? `${text}T00:00` : text}:00Z`);
  if (Number.isNaN(wall)) return null;
  const first = wall - offsetMs(wall, tz);
  return wall - offsetMs(first, tz);
}

export function toLocal(ms: number, tz: string): string {
  return new Date(ms + offsetMs(ms, tz)).toISOString().slice(0, 16);
}
