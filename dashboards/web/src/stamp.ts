// Day and time of day at the site, as lists have them (11-25 07:58), and lists of words.
import { lang } from "./i18n";
import { tz } from "./state";

export function stamp(ms: number): string {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: tz.value, dateStyle: "short", timeStyle: "short" }).format(ms).slice(5);
}

export function listed(words: readonly string[]): string {
  return words.join(lang.value === "zh" ? "、" : ", ");
}
