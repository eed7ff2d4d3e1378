// Both languages come from the JSON that the server uses too; a key that misses in one is a compile error.
import { signal } from "@preact/signals";
import en from "../../i18n/en.json";
import zh from "../../i18n/zh.json";

export type Key = keyof typeof zh;
export type Lang = "zh" | "en";
const TEXTS: Record<Lang, typeof zh> = { zh, en };

function initial(): Lang {
  const asked = new URLSearchParams(location.search).get("lang") ?? localStorage.getItem("anxin.lang");
  return asked === "en" ? "en" : "zh";
}

export const lang = signal<Lang>(initial());

export function setLang(next: Lang): void {
  localStorage.setItem("anxin.lang", next);
  lang.value = next;
  applyLang();
}

export function applyLang(): void {
  document.documentElement.lang = lang.value === "zh" ? "zh-CN" : "en";
  document.title = t("ui.product");
}

export function t(key: Key, params: Record<string, unknown> = {}): string {
  return fill(TEXTS[lang.value][key], params);
}

// For codes that the server sends: an unknown one is shown as it is rather than hidden.
export function tCode(code: string, params: Record<string, unknown> = {}): string {
  const text = (TEXTS[lang.value] as Record<string, string>)[code];
  return text === undefined ? code : fill(text, params);
}

function fill(text: string, params: Record<string, unknown>): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined || value === null) return "–";
    if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Math.round(value * 10) / 10);
    const known = (TEXTS[lang.value] as Record<string, string>)[`${name}.${String(value)}`];
    return known ?? String(value);
  });
}

export function age(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return t("ui.age.s", { n: s });
  if (s < 3600) return t("ui.age.min", { n: Math.floor(s / 60), s: s % 60 });
  if (s < 86_400) return t("ui.age.h", { n: Math.floor(s / 3600), m: Math.floor((s % 3600) / 60) });
  return t("ui.age.d", { n: Math.floor(s / 86_400) });
}
