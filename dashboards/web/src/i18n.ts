// Both languages come from the JSON that the server uses too; a key that misses in one is a compile error. Only the one that is spoken is fetched.
// The names of quantities come from devices/codes.py: the build writes them into ../generated.
import { batch, signal } from "@preact/signals";
import type zh from "../../i18n/zh.json";
import type { Params } from "./types";

type Texts = typeof zh;
export type Key = keyof Texts;
export type Lang = "zh" | "en";
const TEXTS: Record<Lang, () => Promise<{ default: Texts }>> = { zh: () => import("../../i18n/zh.json"), en: () => import("../../i18n/en.json") };
const NAMES: Record<Lang, () => Promise<{ default: Record<string, string> }>> = {
  zh: () => import("../generated/quantities.zh.json"), en: () => import("../generated/quantities.en.json"),
};
const KEPT = "anxin.lang";

function asLang(word: string | null): Lang | null {
  return word === "zh" || word === "en" ? word : null;
}

// What this screen was set to; null = nobody chose, the account's own language counts.
export function chosen(): Lang | null {
  return asLang(new URLSearchParams(location.search).get("lang")) ?? asLang(localStorage.getItem(KEPT));
}

export const lang = signal<Lang>(chosen() ?? (navigator.language.startsWith("en") ? "en" : "zh"));

const spoken = signal<Record<string, string>>({});

// Resolves when the words are there; the page keeps its former language until then.
export async function setLang(next: Lang, keep = true): Promise<void> {
  if (keep) localStorage.setItem(KEPT, next);
  const [texts, names] = await Promise.all([TEXTS[next](), NAMES[next]()]);
  batch(() => {
    spoken.value = { ...names.default, ...texts.default };
    lang.value = next;
  });
}

export function t(key: Key, params: Params = {}): string {
  return fill(look(key) ?? key, params);
}

function look(key: string): string | undefined {
  return spoken.value[key];
}

// For codes that the server sends: one without words is shown as the code that it is rather than hidden.
export function tCode(code: string, params: Params = {}): string {
  const text = look(code);
  return text === undefined ? t("unknown", { code }) : fill(text, params);
}

export function has(code: string): boolean {
  return look(code) !== undefined;
}

export function figure(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function fill(text: string, params: Params): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined || value === null) return look("value.none") ?? "";
    if (typeof value === "number") return figure(value);
    return look(`${name.replace(/[23]$/, "")}.${String(value)}`) ?? String(value);
  });
}

// A span in the two largest units that matter; never negative, since clocks of browser and server need not agree.
export function span(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return t("duration.s", { s });
  if (s < 3600) return t("duration.m_s", { m: Math.floor(s / 60), s: s % 60 });
  if (s < 86_400) return t("duration.h_m", { h: Math.floor(s / 3600), m: Math.floor((s % 3600) / 60) });
  return t("duration.d_h", { d: Math.floor(s / 86_400), h: Math.floor((s % 86_400) / 3600) });
}

export function ago(ms: number): string {
  return t("age.ago", { age: span(ms) });
}

// Time of day at the site, 24 hours, whatever zone the browser is in.
export function clock(ms: number, tz: string): string {
  return new Intl.DateTimeFormat("en-GB", { timeZone: tz, hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(ms);
}
