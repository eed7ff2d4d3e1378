// Words of one language come in two files that the build makes of ../../i18n: what the queue needs, and the rest when somebody asks for it.
// The types come from the JSON itself, so that a key that misses in one language is a compile error.
import { signal } from "@preact/signals";
import type enWords from "../../i18n/en.json";
import type zhWords from "../../i18n/zh.json";
import type { Params } from "./types";

export type Key = keyof typeof zhWords;
export type Lang = "zh" | "en";
type None<T extends never> = T;
export type Complete = None<Exclude<Key, keyof typeof enWords> | Exclude<keyof typeof enWords, Key>>;
export type Part = "core" | "rest";
type Words = Record<string, string>;

const KEPT = "anxin.lang";
const FILES: Record<Lang, Record<Part, () => Promise<{ default: Words }>>> = {
  zh: { core: () => import("../generated/words.zh.core.json"), rest: () => import("../generated/words.zh.rest.json") },
  en: { core: () => import("../generated/words.en.core.json"), rest: () => import("../generated/words.en.rest.json") },
};
const words: Record<Lang, Words> = { zh: {}, en: {} };
const coming = new Map<string, Promise<void>>();
const arrived = new Set<string>();
const held = signal(0); // grows with each file that has come: whoever drew without it draws again

// Fetches a part once; a failure may be tried again.
export function bring(which: Lang, part: Part): Promise<void> {
  const name = `${which}.${part}`;
  const known = coming.get(name);
  if (known !== undefined) return known;
  const fresh = FILES[which][part]().then(
    (file) => {
      Object.assign(words[which], file.default);
      arrived.add(name);
      held.value += 1;
    },
    (error: unknown) => {
      coming.delete(name);
      throw error;
    },
  );
  coming.set(name, fresh);
  return fresh;
}

function asLang(word: string | null): Lang | null {
  return word === "zh" || word === "en" ? word : null;
}

// What this screen was set to; null = nobody chose, the account's own language counts.
export function chosen(): Lang | null {
  return asLang(new URLSearchParams(location.search).get("lang")) ?? asLang(localStorage.getItem(KEPT));
}

export const lang = signal<Lang>(chosen() ?? (navigator.language.startsWith("en") ? "en" : "zh"));

// The words first, then the switch, so that nothing is drawn without them.
export async function setLang(next: Lang, keep = true): Promise<void> {
  await bring(next, "core");
  if (coming.has(`${lang.value}.rest`)) await bring(next, "rest");
  if (keep) localStorage.setItem(KEPT, next);
  lang.value = next;
}

// What a parameter may be called; most are names and times that no file has, and nothing is fetched for them.
function known(key: string): string | undefined {
  return held.value >= 0 ? words[lang.value][key] : undefined;
}

function look(key: string): string | undefined {
  const now = held.value >= 0 ? lang.value : "zh";
  const found = words[now][key];
  if (found === undefined && arrived.has(`${now}.core`) && !coming.has(`${now}.rest`)) bring(now, "rest").catch(() => undefined); // the code stands there meanwhile
  return found;
}

export function t(key: Key, params: Params = {}): string {
  return fill(look(key) ?? "", params);
}

// For codes that the server sends: one without words is shown as the code that it is rather than hidden.
export function tCode(code: string, params: Params = {}): string {
  const text = look(code);
  if (text !== undefined) return fill(text, params);
  return whole() ? t("unknown", { code }) : "";
}

function whole(): boolean {
  return arrived.has(`${lang.value}.rest`);
}

export function has(code: string): boolean {
  return look(code) !== undefined;
}

export function figure(value: number): string {
  return String(Math.round(value * 10) / 10);
}

export function fill(text: string, params: Params): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined || value === null) return look("value.none") ?? "";
    if (typeof value === "number") return figure(value);
    return known(`${name.replace(/[23]$/, "")}.${String(value)}`) ?? String(value);
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
