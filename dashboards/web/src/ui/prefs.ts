// How a screen looks: theme and large version. What somebody chose on this screen counts first, then the account, then the role.
import { effect, signal } from "@preact/signals";
import type { Me } from "../types";

export type Theme = "dark" | "light";
const THEME = "anxin.theme";
const ELDER = "anxin.elder";

function wanted(name: string, kept: string): string | null {
  return new URLSearchParams(location.search).get(name) ?? localStorage.getItem(kept);
}

function keptTheme(): Theme | null {
  const word = wanted("theme", THEME);
  return word === "dark" || word === "light" ? word : null;
}

function keptElder(): boolean | null {
  const word = wanted("elder", ELDER);
  return word === "1" ? true : word === "0" ? false : null;
}

export const theme = signal<Theme>(keptTheme() ?? "dark");
export const elder = signal<boolean>(keptElder() ?? false);

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});
effect(() => {
  document.documentElement.toggleAttribute("data-elder", elder.value);
});

// Dark for those who look at it at 3 a.m., light for daylight work; a family reads large unless it chose otherwise.
export function fit(who: Me): void {
  theme.value = keptTheme() ?? (who.role === "caregiver" ? "dark" : "light");
  elder.value = keptElder() ?? who.elder ?? who.role === "family";
}

export function setTheme(next: Theme): void {
  localStorage.setItem(THEME, next);
  theme.value = next;
}

export function setElder(next: boolean): void {
  localStorage.setItem(ELDER, next ? "1" : "0");
  elder.value = next;
}

// Another window of this screen was switched.
addEventListener("storage", () => {
  theme.value = keptTheme() ?? theme.value;
  elder.value = keptElder() ?? elder.value;
});
