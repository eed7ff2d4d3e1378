// Buttons, cards, tiles, pills and marks. What a colour says is always said by a word and a shape too.
import type { ComponentChildren, ComponentProps } from "preact";
import { t, type Key } from "../i18n";
import type { Priority } from "../types";
import "./ui.css";

type Tone = "normal" | "primary" | "danger" | "plain";

export type ButtonProps = Omit<ComponentProps<"button">, "class"> & { tone?: Tone; busy?: boolean; class?: string };

// While `busy` it cannot be pressed again; the word stays, so that nothing jumps.
export function Button({ tone = "normal", busy = false, class: more = "", children, disabled, ...rest }: ButtonProps) {
  return (
    <button type="button" {...rest} class={`${tone === "normal" ? "" : tone} ${more}`.trim()} aria-busy={busy} disabled={busy || disabled === true}>
      {busy && <span class="waiting" aria-hidden="true" />}
      {children}
    </button>
  );
}

export function LinkButton({ href, tone = "normal", children, ...rest }: { href: string; tone?: Tone; children: ComponentChildren; download?: boolean; target?: string }) {
  return <a class={`button ${tone === "normal" ? "" : tone}`.trim()} href={href} {...rest}>{children}</a>;
}

export function Card({ title, tools, foot, children, id }: { title?: ComponentChildren; tools?: ComponentChildren; foot?: ComponentChildren; children: ComponentChildren; id?: string }) {
  return (
    <section class="card" {...(id === undefined ? {} : { "data-card": id })}>
      {(title !== undefined || tools !== undefined) && <header>{title !== undefined && <h2>{title}</h2>}{tools}</header>}
      {children}
      {foot !== undefined && <footer class="fine">{foot}</footer>}
    </section>
  );
}

export type TileTone = "high" | "medium" | "low" | "technical" | "live" | "stale" | "lost" | "none";

export function TileFrame({ tone = "live", head, children }: { tone?: TileTone; head: ComponentChildren; children: ComponentChildren }) {
  return <div class={`tile-frame ${tone}`} data-tone={tone}><header>{head}</header>{children}</div>;
}

export function Pill({ tone = "quiet", children }: { tone?: "ok" | "bad" | "warn" | "info" | "quiet"; children: ComponentChildren }) {
  return <span class={`pill ${tone}`} data-pill={tone}>{children}</span>;
}

const MARK: Record<Priority, string> = { high: "■■■", medium: "■■", low: "■", info: "·" };

export function PriorityMark({ level, technical = false }: { level: Priority; technical?: boolean }) {
  return (
    <span class={`priority ${technical ? "technical" : level}`} data-priority-mark={technical ? "technical" : level}>
      <span class="mark" aria-hidden="true">{MARK[level]}</span>{technical ? t("kind.technical") : t(`priority.${level}`)}
    </span>
  );
}

// --- live, stale, lost, no data, warming: each has a shape and a word of its own -------------------------------------

export const DATA_STATES = ["live", "stale", "lost", "no_value", "none", "warming"] as const;
export type DataState = (typeof DATA_STATES)[number];

const SHAPE: Record<DataState, ComponentChildren> = {
  live: <circle cx="8" cy="8" r="6" fill="currentColor" />,
  stale: <><circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2" /><path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor" /></>,
  lost: <path d="M3 3l10 10M13 3L3 13" stroke="currentColor" stroke-width="3" stroke-linecap="round" />,
  no_value: <path d="M2 8h12" stroke="currentColor" stroke-width="3" stroke-linecap="round" />,
  none: <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="2 2.7" />,
  warming: <path d="M3 2h10L3 14h10z" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round" />,
};
const WORD: Record<DataState, Key> = {
  live: "ui.state.live", stale: "vital.stale", lost: "vital.lost", no_value: "vital.no_value", none: "ui.state.none", warming: "vital.warming",
};

export function StateMark({ state, children }: { state: DataState; children?: ComponentChildren }) {
  return (
    <span class={`state-mark ${state}`} data-state-mark={state}>
      <svg viewBox="0 0 16 16" aria-hidden="true">{SHAPE[state]}</svg><b>{t(WORD[state])}</b>{children}
    </span>
  );
}

// --- pairs of name and value, progress, steps ------------------------------------------------------------------------

export function Facts({ rows }: { rows: readonly (readonly [ComponentChildren, ComponentChildren])[] }) {
  return <dl class="facts">{rows.map(([name, value], i) => [<dt key={`n${i}`}>{name}</dt>, <dd key={`v${i}`}>{value}</dd>])}</dl>;
}

export function Progress({ label, value, max }: { label: string; value: number | null; max: number }) {
  return (
    <label class="progress">
      <span>{label}{value === null ? "" : ` ${value} / ${max}`}</span>
      <progress max={max} {...(value === null ? {} : { value })} />
    </label>
  );
}

export function Steps({ words, at }: { words: readonly string[]; at: number }) {
  return (
    <ol class="steps">
      {words.map((word, i) => (
        <li key={word} class={i < at ? "done" : ""} {...(i === at ? { "aria-current": "step" as const } : {})}>
          <span aria-hidden="true">{i < at ? "✓" : i + 1}</span>{word}{i < at && <span class="only-read">{t("ui.step_done")}</span>}
        </li>
      ))}
    </ol>
  );
}
