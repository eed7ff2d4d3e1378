// What the server says of devices and the house, and what may be asked of it; times are UTC milliseconds.
import { call } from "../api";

export type Need = "battery" | "offline" | "reception" | "clock" | "never_heard";
export const NEEDS: readonly Need[] = ["offline", "battery", "reception", "clock", "never_heard"];

export interface Place {
  site_id: string;
  zone_id: string | null;
  room_id: string | null;
  bed_id: string | null;
  label: string;
}

export interface DeviceRow {
  id: string;
  model: string;
  kind: string;
  status: "inbox" | "active" | "retired";
  site_id: string | null;
  place: Place | null;
  resident_id: string | null;
  firmware: string | null;
  habit: string;
  availability: { state: string; said: boolean; since_ms: number | null };
  last_seen_ms: number | null;
  battery: { percent: number | null; t_ms: number | null; days_left: number | null; course?: [number, number][] };
  rssi: { dbm: number | null; t_ms: number | null; low_dbm: number | null };
  heard: { per_h: number | null; expected_per_h: number | null; messages_per_h: number | null };
  clock: { offset_s: number | null; state: string };
  needs: Need[];
  course?: { slot_s: number; t_ms: number[]; messages: number[]; rssi_dbm: (number | null)[] };
}

export interface Devices {
  t_ms: number;
  counts: { devices: number; visit: number };
  devices: DeviceRow[];
}

export interface Whose {
  id: string;
  from_ms: number;
  to_ms?: number | null;
  resident: { id: string; name: string } | null;
  place: string;
}

export interface Message {
  t_ms: number;
  channel: string;
  topic: string;
  bytes: number;
  hex: string | null;
  values: { quantity: string; unit: string; value: number | null; t_ms: number; quality: string[]; marks: string[] }[];
  count: number;
  hidden: boolean;
}

export interface Detail {
  t_ms: number;
  device: { id: string; model: string; kind: string; status: string; quantities: string[]; facts: Record<string, string>; secret_facts: string[]; cadence_s: Record<string, number> };
  bindings: Whose[];
  messages: Message[];
}

export interface Heard {
  address: string;
  name: string;
  kind: string;
  model: string;
  rssi_dbm: number | null;
  age_s: number;
  count: number;
  device_id: string | null;
  status: "stranger" | "inbox" | "active" | "retired" | "foreign";
  binding?: Whose | null;
}

export interface Search {
  open: boolean;
  left_s: number;
  heard: Heard[];
}

export interface Entered {
  id: string;
  kind: string;
  model: string;
  quantities: string[];
  status: string;
}

export interface Pairing {
  step: "none" | "waiting" | "connecting" | "passkey" | "pairing" | "proving" | "paired" | "failed" | "cancelled";
  cause: string;
  over: boolean;
}

export interface First {
  since_ms: number;
  readings: { quantity: string; unit: string; value: number | null; t_ms: number; received_ms: number; plausible: boolean }[];
}

export interface Signal {
  walking: boolean;
  samples: number[];
  adapter: string;
  age_s: number | null;
}

export interface Assigned {
  binding: { id: string };
  former: Whose | null;
}

export interface ResidentRow {
  id: string;
  name: string;
  status: string;
  place?: Place | null;
}

export interface RegistryRows {
  sites: { id: string; name: string }[];
  zones: { id: string; site_id: string; name: string }[];
}

export interface Letter {
  id: number;
  t_ms: number;
  reason: string;
  detail: string;
  channel: string;
  topic: string;
  device: string | null;
  size: number;
  retried_ms: number | null;
  complete: boolean;
}

export interface Letters {
  t_ms: number;
  counts: Record<string, number>;
  kept: Record<string, number>;
  may_see_bytes: boolean;
  letters: Letter[];
}

export interface BackupState {
  folder: string;
  every_s: number;
  newest_ms: number | null;
  age_s: number | null;
  run: { state: "running" | "done" | "failed"; since_ms: number; file: string; done: number; of: number; archive: string } | null;
}

export interface Archive {
  name: string;
  bytes: number;
  created_ms: number | null;
  files: { name: string; bytes: number }[];
  readable: boolean;
}

export interface House {
  t_ms: number;
  faults: { code: string; subject: string; params: Record<string, unknown> }[];
  inbox: number;
  letters: { kept: number; day: number };
  backup: BackupState | null;
  certificates: { name: string; days: number | null }[];
}

const id = encodeURIComponent;

export const machines = {
  search: () => call<Search>("POST", "/setup/search"),
  found: () => call<Search>("GET", "/setup/search"),
  stop: () => call<unknown>("DELETE", "/setup/search"),
  show: (address: string) => call<{ state: string }>("POST", "/setup/show", { address }),
  showing: (address: string) => call<{ state: string }>("GET", `/setup/show?address=${id(address)}`),
  enter: (address: string) => call<{ device: Entered }>("POST", "/setup/devices", { address }),
  assign: (device: string, body: Record<string, unknown>) => call<Assigned>("POST", `/devices/${id(device)}/assign`, body),
  undo: (binding: string) => call<{ again: Whose | null }>("POST", `/bindings/${id(binding)}/undo`),
  end: (binding: string) => call<unknown>("POST", `/bindings/${id(binding)}/end`),
  retire: (device: string, reason: string) => call<unknown>("POST", `/devices/${id(device)}/retire`, { reason }),
  pair: (device: string, address: string) => call<{ pairing: Pairing }>("POST", `/devices/${id(device)}/pairing`, { address }),
  pairing: (device: string) => call<{ pairing: Pairing }>("GET", `/devices/${id(device)}/pairing`),
  passkey: (device: string, passkey: number) => call<{ pairing: Pairing }>("POST", `/devices/${id(device)}/pairing/passkey`, { passkey }),
  cancelPairing: (device: string) => call<{ pairing: Pairing }>("DELETE", `/devices/${id(device)}/pairing`),
  dropKeys: (device: string) => call<{ dropped: boolean }>("DELETE", `/devices/${id(device)}/bond`),
  first: (device: string) => call<First>("GET", `/devices/${id(device)}/first`),
  walk: (device: string) => call<Signal>("POST", `/devices/${id(device)}/walk`),
  signal: (device: string) => call<Signal>("GET", `/devices/${id(device)}/walk`),
  keepWalk: (device: string, spots: { name: string; rssi_dbm: number | null }[]) => call<Signal>("PUT", `/devices/${id(device)}/walk`, { spots }),
  endWalk: (device: string) => call<Signal>("DELETE", `/devices/${id(device)}/walk`),
  label: (device: string) => `/api/v1/devices/${id(device)}/label.svg`,
  residents: () => call<{ residents: ResidentRow[] }>("GET", "/residents"),
  letter: (letter: number) => call<{ letter: Letter & { payload_base64: string } }>("GET", `/deadletters/${letter}`),
  retry: (letter: number) => call<{ fate: string }>("POST", `/deadletters/${letter}/retry`),
  retryAll: (reason: string) => call<{ tried: number; fates: Record<string, number>; left: number }>("POST", "/deadletters/retry", { reason }),
  backUp: (history: boolean | null) => call<BackupState>("POST", "/backups", { history }),
};
