// Alarm tones by priority; browsers stay mute until a person has tapped, so being armed is a visible state.
import { effect, signal } from "@preact/signals";
import { queue, serverNow } from "./state";
import type { Priority } from "./types";

export const armed = signal(false);
const PULSES: Record<Priority, number> = { high: 5, medium: 3, low: 1, info: 0 };
const REPEAT_MS: Record<Priority, number> = { high: 10_000, medium: 25_000, low: Infinity, info: Infinity };
let context: AudioContext | null = null;

export async function arm(): Promise<void> {
  context ??= new AudioContext();
  await context.resume();
  armed.value = context.state === "running";
  if (armed.value) beep("low");
}

export function beep(priority: Priority): void {
  if (context === null || context.state !== "running") return;
  for (let pulse = 0; pulse < PULSES[priority]; pulse++) {
    const start = context.currentTime + pulse * 0.32;
    const tone = context.createOscillator();
    const gain = context.createGain();
    tone.frequency.value = priority === "high" ? 880 : priority === "medium" ? 660 : 520;
    gain.gain.setValueAtTime(0.0001, start);
    gain.gain.exponentialRampToValueAtTime(0.4, start + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.0001, start + 0.2);
    tone.connect(gain).connect(context.destination);
    tone.start(start);
    tone.stop(start + 0.22);
  }
}

const sounded = new Map<string, number>();

effect(() => {
  const t = serverNow.value;
  const loud = queue.value.filter((a) => a.state === "raised" && (a.silenced_until_ms ?? 0) < t);
  for (const id of [...sounded.keys()]) if (!loud.some((a) => `${a.id}.${a.count}` === id)) sounded.delete(id);
  for (const alert of loud) {
    const key = `${alert.id}.${alert.count}`; // a repeated call sounds again
    const last = sounded.get(key);
    if (last === undefined || t - last >= REPEAT_MS[alert.priority]) {
      sounded.set(key, t);
      beep(alert.priority);
      return; // one at a time: the queue's first is the most urgent
    }
  }
});
