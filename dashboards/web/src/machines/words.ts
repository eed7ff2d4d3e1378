// The words of these pages, fetched with them: whoever watches the wall does not pay for them.
import { effect, signal } from "@preact/signals";
import type zh from "../../../i18n/machines/zh.json";
import { fill, lang, type Lang } from "../i18n";
import type { Params } from "../types";

type Texts = typeof zh;
export type Word = keyof Texts;
const TEXTS: Record<Lang, () => Promise<{ default: Texts }>> = { zh: () => import("../../../i18n/machines/zh.json"), en: () => import("../../../i18n/machines/en.json") };
const spoken = signal<Record<string, string>>({});

// Resolves when there are words to show; they follow the language from then on.
export const ready = new Promise<void>((done) => {
  effect(() => {
    const wanted = lang.value;
    void TEXTS[wanted]().then((texts) => {
      if (wanted === lang.value) spoken.value = texts.default;
      done();
    });
  });
});

export function w(key: Word, params: Params = {}): string {
  return fill(spoken.value[key] ?? key, params);
}

// For words that the server sends: one that we do not know is shown as it is.
export function wCode(prefix: string, code: string): string {
  return spoken.value[`${prefix}.${code}`] ?? code;
}
