// What the family page shows: one document, asked for again and again; what is not shared any more leaves the screen at once.
import { batch, signal } from "@preact/signals";
import { call, Problem } from "./api";
import { lang } from "./i18n";
import { clockOffsetMs } from "./state";
import { toLogin } from "./ui/session";
import type { Picture } from "./week";

export interface Figure {
  quantity: string;
  value: number;
  unit: string;
  t_ms: number;
  count: number;
}

export interface Grant {
  classes: string[];
  giver: string;
  guardian: boolean;
  relation: string;
  until_ms: number;
  emergency: boolean;
}

export interface Step {
  stage: "told" | "coming" | "there" | "done";
  t_ms: number;
  emergency: boolean;
  outcome: string | null;
}

export interface Letter {
  id: string;
  t_ms: number;
  name: string;
  text: string;
  from_family: boolean;
  mine: boolean;
  withdrawn: boolean;
}

export interface Thread {
  id: string;
  waiting_ms: number | null;
  letters: Letter[];
}

export interface Visit {
  id: string;
  kind: string;
  at_ms: number;
  note: string;
  status: "planned" | "held" | "cancelled";
  result: string;
  name: string;
}

export interface Paper {
  id: string;
  title: string;
  kind: string;
  day: string;
  media_type: string;
  size: number;
  entered_ms: number;
}

export interface FamilyDoc {
  t_ms: number;
  tz: string;
  resident: { id: string; name: string };
  scope: { classes: string[]; consents: Grant[]; emergency: boolean };
  desk: { site: string; phone: string; questions: Thread[] };
  place?: { label: string; status: string };
  state?: "steady" | "changed" | "handled" | "no_data";
  contact_ms?: number | null;
  missing?: string[];
  handling?: Step[];
  today?: Figure[];
  week?: Picture[];
  notes?: Letter[];
  visits?: Visit[];
  documents?: Paper[];
}

export interface Look {
  name: string;
  role: string;
  what: string;
  day: string;
  times: number;
}

export const doc = signal<FamilyDoc | null>(null);
export const ended = signal(false);
export const gotAt = signal(Date.now());
export const chosen = signal<string | null>(null);
export const looks = signal<Look[] | null>(null);
let asking = false;

export async function load(): Promise<void> {
  const who = chosen.value;
  if (who === null || asking) return;
  asking = true;
  try {
    const fresh = await call<FamilyDoc>("GET", `/family/${encodeURIComponent(who)}`);
    if (who === chosen.value) {
      batch(() => {
        doc.value = fresh;
        ended.value = false;
        gotAt.value = Date.now();
        clockOffsetMs.value = fresh.t_ms - Date.now();
        if (!fresh.scope.classes.includes("looks")) looks.value = null;
      });
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) toLogin();
    else if (error.status === 404 || error.status === 403) {
      batch(() => {
        doc.value = null; // what was shared is not kept on the screen either
        looks.value = null;
        ended.value = true;
        gotAt.value = Date.now();
      });
    }
  } finally {
    asking = false;
  }
}

export async function loadLooks(): Promise<void> {
  const who = chosen.value;
  if (who === null) return;
  try {
    looks.value = (await call<{ looks: Look[] }>("GET", `/residents/${encodeURIComponent(who)}/looks`)).looks;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
}

export function pick(id: string | null): void {
  batch(() => {
    chosen.value = id;
    doc.value = null;
    looks.value = null;
    ended.value = false;
  });
  void load();
}

export function at(ms: number, tz: string, day = false): string {
  const shape: Intl.DateTimeFormatOptions = day
    ? { timeZone: tz, year: "numeric", month: "numeric", day: "numeric" }
    : { timeZone: tz, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(lang.value === "zh" ? "zh-CN" : "en-GB", shape).format(ms);
}

// "11月25日 14:05": which day it was, and when.
export function moment(ms: number, tz: string): string {
  const shape: Intl.DateTimeFormatOptions = { timeZone: tz, month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(lang.value === "zh" ? "zh-CN" : "en-GB", shape).format(ms);
}

export function list(words: readonly string[]): string {
  return words.join(lang.value === "zh" ? "、" : ", ");
}
