// What several of these pages show in the same way.
import type { ComponentChildren } from "preact";
import { lang, t, tCode } from "../i18n";
import { tz } from "../state";
import type { DeviceRow, Need } from "./data";
import { w, wCode } from "./words";

export function when(ms: number): string {
  return new Intl.DateTimeFormat(lang.value === "zh" ? "zh-CN" : "en-GB", { timeZone: tz.value, dateStyle: "medium", timeStyle: "short", hour12: false }).format(ms);
}

export function kindWord(kind: string): string {
  return kind === "" ? w("kind.none") : wCode("kind", kind);
}

const SHAPES: Record<string, ComponentChildren> = {
  online: <circle cx="8" cy="8" r="6" fill="currentColor" />,
  offline: <path d="M3 3l10 10M13 3L3 13" stroke="currentColor" stroke-width="3" stroke-linecap="round" />,
  idle: <circle cx="8" cy="8" r="5" fill="none" stroke="currentColor" stroke-width="3" />,
  unknown: <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="2 2.7" />,
  never: <path d="M2 8h12" stroke="currentColor" stroke-width="3" stroke-linecap="round" />,
};

// A shape and a word: the colour says nothing that they do not.
export function StateDot({ state }: { state: string }) {
  return <span class={`dot ${state}`} data-state={state}><svg viewBox="0 0 16 16" aria-hidden="true">{SHAPES[state] ?? SHAPES.unknown}</svg><b>{wCode("state", state)}</b></span>;
}

// A need that the state has said already is not said again.
export function NeedPills({ needs, state = "" }: { needs: readonly Need[]; state?: string }) {
  return <>{needs.filter((need) => wCode("need", need) !== wCode("state", state)).map((need) => <span key={need} class="need" data-need={need}>{wCode("need", need)}</span>)}</>;
}

export function strength(dbm: number | null): "good" | "fair" | "weak" | "none" {
  return dbm === null ? "none" : dbm >= -70 ? "good" : dbm >= -85 ? "fair" : "weak";
}

const BARS = { good: 3, fair: 2, weak: 1, none: 0 };

export function SignalBars({ dbm }: { dbm: number | null }) {
  const how = strength(dbm);
  return (
    <span class={`bars ${how}`} data-strength={how}>
      <svg viewBox="0 0 18 14" aria-hidden="true">{[0, 1, 2].map((i) => <rect key={i} x={i * 6 + 1} y={10 - i * 4} width="4" height={4 + i * 4} fill={i < BARS[how] ? "currentColor" : "none"} stroke="currentColor" />)}</svg>
      {dbm === null ? w("signal.none") : `${wCode("signal", how)} ${dbm} dBm`}
    </span>
  );
}

export function Battery({ of }: { of: DeviceRow["battery"] }) {
  if (of.percent === null) return <>{t("value.none")}</>;
  const days = of.days_left === null ? "" : ` · ${w("battery.days", { days: Math.round(of.days_left) })}`;
  return <>{`${Math.round(of.percent)} %${days}`}</>;
}

export function offset(s: number | null): string {
  if (s === null) return t("value.none");
  const far = Math.abs(s);
  const text = far < 90 ? t("duration.s", { s: Math.round(far) }) : far < 5400 ? t("duration.m_s", { m: Math.floor(far / 60), s: Math.round(far % 60) }) : t("duration.d_h", { d: Math.floor(far / 86_400), h: Math.round((far % 86_400) / 3600) });
  return far < 2 ? w("clock.right") : w(s > 0 ? "clock.behind" : "clock.ahead", { by: text });
}

export function quantityWord(quantity: string): string {
  return tCode(`quantity.${quantity}`);
}

export function figures(value: number | null, unit: string): string {
  return value === null ? t("value.none") : `${Math.round(value * 10) / 10} ${tCode(`unit.${unit}`)}`;
}

export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const steps = ["KiB", "MiB", "GiB"];
  let value = bytes / 1024;
  let step = 0;
  while (value >= 1024 && step < steps.length - 1) {
    value /= 1024;
    step += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${steps[step]}`;
}
