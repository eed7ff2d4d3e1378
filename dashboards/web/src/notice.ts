// One short message over the page, with at most one thing to do about it; goes by itself.
import { signal } from "@preact/signals";
import { elder } from "./ui/prefs";

export interface Notice {
  text: string;
  undo?: { label: string; run: () => void };
}

export const notice = signal<Notice | null>(null);
const STAYS_MS = 8000;
const STAYS_LARGE_MS = 30_000; // who reads slowly has the time to
let timer: ReturnType<typeof setTimeout> | undefined;

export function say(next: Notice): void {
  notice.value = next;
  clearTimeout(timer);
  timer = setTimeout(() => (notice.value = null), elder.value || next.undo !== undefined ? STAYS_LARGE_MS : STAYS_MS);
}
