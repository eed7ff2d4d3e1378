// Alarm tones by priority; browsers stay mute until a person has tapped, so being armed is a visible state.
import { effect, signal } from "@preact/signals";
import { clock } from "./i18n";
import { me, queue, serverNow, tz } from "./state";
import type { Alert, Priority } from "./types";

const PULSES: Record<Priority, number> = { high: 5, medium: 3, low: 1, info: 0 };
const REPEAT_MS: Record<Priority, number> = { high: 10_000, medium: 25_000, low: Infinity, info: Infinity };
const TONE_HZ: Record<Priority, number> = { high: 880, medium: 660, low: 520, info: 520 };
const RANK: Record<Priority, number> = { high: 3, medium: 2, low: 1, info: 0 };
const PULSE_S = 0.32;
const PAUSE_MS = 2500; // between two bursts, so that they can be told apart

export const PAUSE_LONGEST_MS = 120_000;
const KEPT = "anxin.sound.pause";

// While one works at the bed: this screen says nothing for at most two minutes, unless something worse than what calls now comes.
export interface SoundPause {
  until: number; // server time, ms
  rank: number; // of what called when it began
}

function keptPause(): SoundPause | null {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null") as SoundPause | null;
    return kept !== null && typeof kept.until === "number" && typeof kept.rank === "number" ? kept : null;
  } catch {
    return null;
  }
}

export const pause = signal<SoundPause | null>(keptPause());

function setPause(next: SoundPause | null): void {
  pause.value = next;
  if (next === null) sessionStorage.removeItem(KEPT);
  else sessionStorage.setItem(KEPT, JSON.stringify(next)); // a reload is no way out of it, nor a way to prolong it
}

export function pauseSound(): void {
  const t = serverNow.value;
  setPause({ until: t + PAUSE_LONGEST_MS, rank: RANK[worst(waiting(t).map((a) => toneOf(a, t)))] });
}

export function endPause(): void {
  setPause(null);
}

export const armedAt = signal<number | null>(null); // server time of the last self-test
export const bursts = signal(0); // how often a tone was due, whether or not it could be heard
let context: AudioContext | null = null;

function watch(): AudioContext {
  if (context === null) {
    const made = new AudioContext();
    made.onstatechange = () => {
      if (made.state !== "running") armedAt.value = null;
      else armedAt.value ??= serverNow.value;
    };
    context = made;
  }
  return context;
}

// At load: a kiosk that allows sound without a tap is armed from the start.
export function tryArm(): void {
  if (watch().state === "running") armedAt.value ??= serverNow.value;
}

export async function arm(): Promise<void> {
  const made = watch();
  await made.resume();
  armedAt.value = made.state === "running" ? serverNow.value : null;
  if (armedAt.value === null) return;
  beep("low");
  lastMs = -Infinity; // what calls already has not been heard yet
}

function beep(priority: Priority): void {
  if (context === null || context.state !== "running") return;
  for (let pulse = 0; pulse < PULSES[priority]; pulse++) {
    const start = context.currentTime + pulse * PULSE_S;
    const tone = context.createOscillator();
    const gain = context.createGain();
    tone.frequency.value = TONE_HZ[priority];
    gain.gain.setValueAtTime(0.0001, start);
    gain.gain.exponentialRampToValueAtTime(0.4, start + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.0001, start + 0.2);
    tone.connect(gain).connect(context.destination);
    tone.start(start);
    tone.stop(start + 0.22);
  }
}

// Devices that need attention may wait for the morning, unless somebody made it urgent.
function night(ms: number): boolean {
  const hour = Number(clock(ms, tz.value).slice(0, 2));
  return hour >= 22 || hour < 7;
}

function toneOf(alert: Alert, t: number): Priority {
  if (alert.kind !== "technical" || alert.priority === "high") return alert.priority;
  return night(t) ? "info" : "low";
}

const heard = new Map<string, number>(); // alert -> repetitions that were announced
let lastMs = -Infinity;
let lastRank = 0;

function worst(list: Priority[]): Priority {
  return list.reduce<Priority>((a, b) => (RANK[b] > RANK[a] ? b : a), "info");
}

function waiting(t: number): Alert[] {
  return queue.value.filter((a) => a.state === "raised" && (a.silenced_until_ms ?? 0) < t);
}

// Whether the pause holds against what calls now; what is worse than what was paused ends it for good.
function isPaused(t: number, tone: Priority): boolean {
  const now = pause.peek();
  if (now === null) return false;
  if (t < now.until && t >= now.until - PAUSE_LONGEST_MS - 1000 && RANK[tone] <= now.rank) return true;
  setPause(null);
  lastMs = -Infinity; // what still calls is heard at once
  return false;
}

function announce(t: number): void {
  const open = queue.value;
  for (const id of [...heard.keys()]) if (!open.some((a) => a.id === id)) heard.delete(id);
  const waits = waiting(t);
  // A call that is repeated sounds again to its owner.
  const again = open.filter((a) => a.claimed_by === me.value?.id && a.kind === "call" && (heard.get(a.id) ?? a.count) < a.count);
  const fresh = [...waits.filter((a) => (heard.get(a.id) ?? 0) < a.count), ...again];
  const tone = worst((fresh.length > 0 ? [...fresh, ...waits] : waits).map((a) => toneOf(a, t)));
  if (isPaused(t, tone)) return;
  const due = fresh.length > 0 ? t - lastMs >= PAUSE_MS || RANK[tone] > lastRank : t - lastMs >= REPEAT_MS[tone];
  for (const a of open) if (!heard.has(a.id) && a.state !== "raised") heard.set(a.id, a.count);
  if (!due || tone === "info") return;
  for (const a of fresh) heard.set(a.id, a.count);
  lastMs = t;
  lastRank = RANK[tone];
  bursts.value = bursts.peek() + 1;
  beep(tone);
}

effect(() => announce(serverNow.value));
