// One strip of the clinic's page: uPlot on a canvas with the own usual behind it, gaps in grey, and everything said in words as well.
import { useEffect, useRef } from "preact/hooks";
import { signal } from "@preact/signals";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { columns, ticks, type Edges, type Range, type Strip } from "./clinic-data";
import { figure, lang, span, t, tCode } from "./i18n";
import { hourOf } from "./week";

export const LEFT = 64; // all plot boxes share both edges
export const RIGHT = 12;
const HEIGHT = 132;
const HOUR_MS = 3_600_000;
const NIGHT = [22, 6] as const; // local hours
const PAPER_PX = 680; // between the margins of A4
const INK = { trace: "#14425e", second: "#8a4a00", band: "#bfe3c8", void: "#d3d0c8", night: "#e9edf5", spread: "#14425e40", grid: "#e2ded4", text: "#1c262b" };

export interface Frame {
  from: number;
  to: number;
  tz: string;
  range: Range;
}

// Where the crosshair stands, and every strip's value there.
export const cursorMs = signal<number | null>(null);
export const readings = signal<Record<string, number | null>>({});
const plots = new Set<uPlot>();
const sync = uPlot.sync("clinic");
// How long it takes from the answer to the last strip on the screen.
export const answeredAt = signal(0);
export const drawnAt = signal<number | null>(null);

export function moveTo(ms: number): void {
  for (const plot of plots) plot.setCursor({ left: plot.valToPos(ms, "x"), top: 10 });
}

function label(frame: Frame): (ms: number) => string {
  const shape: Intl.DateTimeFormatOptions = frame.range === "24h"
    ? { timeZone: frame.tz, hour: "2-digit", minute: "2-digit", hourCycle: "h23" }
    : { timeZone: frame.tz, month: "numeric", day: "numeric" };
  const format = new Intl.DateTimeFormat(lang.value === "zh" ? "zh-CN" : "en-GB", shape);
  return (ms) => format.format(ms);
}

// Which device told a line at a moment; a person may wear two.
export function deviceAt(strip: Strip, ms: number): string {
  return strip.devices.filter((one) => one.from_ms <= ms && ms <= one.to_ms).map((one) => (one.name === "" ? one.id : `${one.name} ${one.id}`)).join(" + ");
}

// Behind the line: nights, the usual of each local hour, and grey where nothing was told. The hours are looked up once, not at each drawing.
function ground(strip: Strip, frame: Frame) {
  const hour = hourOf(frame.tz);
  const hours: { ms: number; night: boolean; edges: Edges }[] = [];
  for (let ms = Math.floor(frame.from / HOUR_MS) * HOUR_MS; ms < frame.to; ms += HOUR_MS) {
    const at = hour(ms);
    hours.push({ ms, night: at >= NIGHT[0] || at < NIGHT[1], edges: strip.usual[at] ?? null });
  }
  return (u: uPlot) => {
    const { left, top, width, height } = u.bbox;
    u.ctx.save();
    u.ctx.beginPath();
    u.ctx.rect(left, top, width, height);
    u.ctx.clip();
    u.ctx.fillStyle = INK.night;
    for (const { ms, night } of hours) {
      if (!night) continue;
      const x = u.valToPos(ms, "x", true);
      u.ctx.fillRect(x, top, u.valToPos(ms + HOUR_MS, "x", true) - x + 0.5, height);
    }
    u.ctx.fillStyle = INK.band;
    for (const { ms, edges } of hours) {
      if (edges === null) continue;
      const x = u.valToPos(ms, "x", true);
      const y = u.valToPos(edges[1], "y", true);
      u.ctx.fillRect(x, y, u.valToPos(ms + HOUR_MS, "x", true) - x + 0.5, u.valToPos(edges[0], "y", true) - y);
    }
    u.ctx.fillStyle = INK.void;
    for (const gap of strip.gaps) {
      const x = u.valToPos(gap.from_ms, "x", true);
      u.ctx.fillRect(x, top, Math.max(1, u.valToPos(gap.to_ms, "x", true) - x), height);
    }
    u.ctx.restore();
  };
}

function bars(u: uPlot): void {
  const [t, high, low] = u.data;
  if (high === undefined || low === undefined) return;
  u.ctx.save();
  u.ctx.strokeStyle = INK.trace;
  u.ctx.lineWidth = devicePixelRatio * 1.5;
  u.ctx.beginPath();
  t.forEach((ms, i) => {
    const [a, b] = [high[i], low[i]];
    if (typeof a !== "number" || typeof b !== "number") return;
    const x = u.valToPos(ms, "x", true);
    u.ctx.moveTo(x, u.valToPos(a, "y", true));
    u.ctx.lineTo(x, u.valToPos(b, "y", true));
  });
  u.ctx.stroke();
  u.ctx.restore();
}

function range(strips: Strip[]): (u: uPlot, low: number | null, high: number | null) => [number, number] {
  const edges = strips.flatMap((s) => s.usual.filter((e): e is [number, number] => e !== null).flat());
  return (_, low, high) => {
    const least = Math.min(low ?? Infinity, ...edges);
    const most = Math.max(high ?? -Infinity, ...edges);
    if (!Number.isFinite(least) || !Number.isFinite(most)) return [0, 1];
    const room = Math.max((most - least) * 0.08, 0.5);
    return [least - room, most + room];
  };
}

function dataOf(strips: Strip[], frame: Frame): uPlot.AlignedData {
  const [first, second] = strips.map((strip) => columns(strip, frame.from));
  if (first === undefined) return [[]];
  if (second !== undefined) return uPlot.join([[first.t, first.mean], [second.t, second.mean]]);
  return strips[0]?.raw ? [first.t, first.mean] : [first.t, first.mean, first.low, first.high];
}

function seriesOf(strips: Strip[]): uPlot.Series[] {
  const dots = (stroke: string): uPlot.Series => ({ stroke, paths: () => null, points: { show: true, size: 7, fill: stroke, stroke } });
  if (strips.length > 1) return [{}, dots(INK.trace), dots(INK.second)];
  if (strips[0]?.kind === "points") return [{}, dots(INK.trace)];
  const line: uPlot.Series = { stroke: INK.trace, width: 1.2, points: { show: false }, spanGaps: false };
  if (strips[0]?.raw) return [{}, line];
  const edge: uPlot.Series = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: false };
  return [{}, { ...line, width: 1.6 }, edge, edge];
}

function options(strips: Strip[], frame: Frame, width: number): uPlot.Options {
  const hour = hourOf(frame.tz);
  const marks = ticks(frame.from, frame.to, hour, frame.range);
  const text = label(frame);
  const axis = { stroke: INK.text, grid: { stroke: INK.grid, width: 1 }, ticks: { stroke: INK.grid, width: 1 }, font: "12px system-ui, sans-serif" };
  const first = strips[0];
  return {
    width, height: HEIGHT, padding: [6, RIGHT, 0, 0], legend: { show: false },
    scales: { x: { time: false, range: () => [frame.from, frame.to] }, y: { range: range(strips) } },
    axes: [
      { ...axis, size: 26, splits: () => marks, values: (_, found) => found.map((ms) => text(ms)) },
      { ...axis, size: LEFT, space: 28 },
    ],
    series: seriesOf(strips),
    ...(first !== undefined && !first.raw && strips.length === 1 && first.kind !== "points" ? { bands: [{ series: [3, 2], fill: INK.spread }] as uPlot.Band[] } : {}),
    cursor: { y: false, drag: { setScale: false, x: false, y: false }, sync: { key: sync.key, setSeries: false }, points: { size: 7 } },
    hooks: {
      drawClear: first === undefined ? [] : [ground(first, frame)],
      draw: [(u) => { if (strips.length > 1) bars(u); drawnAt.value = performance.now(); }],
      setCursor: [(u) => {
        const index = u.cursor.idx;
        const inside = (u.cursor.left ?? -1) >= 0;
        if (inside) cursorMs.value = Math.round(u.posToVal(u.cursor.left ?? 0, "x"));
        const shown: Record<string, number | null> = {};
        strips.forEach((strip, i) => {
          const value = inside && index !== null && index !== undefined ? u.data[i + 1]?.[index] : null;
          const near = inside && index !== null && index !== undefined && Math.abs((u.data[0][index] ?? 0) - (cursorMs.value ?? 0)) < (frame.to - frame.from) / 40;
          shown[strip.quantity] = near && typeof value === "number" ? value : null;
        });
        readings.value = { ...readings.value, ...shown };
      }],
    },
  };
}

function summary(name: string, strips: Strip[]): string {
  const said = strips.map((strip) => {
    const s = strip.summary;
    if (s === null) return t("clinic.strip.none");
    return t("clinic.strip.summary", { last: figure(s.last), unit: tCode(`unit.${strip.unit}`), median: figure(s.median), low: figure(s.low), high: figure(s.high) });
  });
  return `${name}: ${said.join(" / ")}. ${missing(strips)}`;
}

// How much is missing, and why, by the reason that took most.
function missing(strips: Strip[]): string {
  const gaps = strips.flatMap((strip) => strip.gaps);
  if (gaps.length === 0) return strips.some((s) => s.covered !== null) ? t("clinic.gaps.none") : "";
  const by = new Map<string, number>();
  for (const gap of gaps) by.set(gap.reason, (by.get(gap.reason) ?? 0) + gap.to_ms - gap.from_ms);
  return [...by].sort((a, b) => b[1] - a[1]).map(([reason, ms]) => t("clinic.gaps", { span: span(ms), reason: tCode(`gap.${reason}`) })).join(" · ");
}

export function StripView({ name, strips, frame }: { name: string; strips: Strip[]; frame: Frame }) {
  const box = useRef<HTMLDivElement>(null);
  const some = strips.some((strip) => strip.summary !== null);
  useEffect(() => {
    const holder = box.current;
    if (holder === null || !some) return;
    const plot = new uPlot(options(strips, frame, holder.clientWidth), dataOf(strips, frame), holder);
    plots.add(plot);
    sync.sub(plot);
    const observer = new ResizeObserver(() => plot.setSize({ width: holder.clientWidth, height: HEIGHT }));
    observer.observe(holder);
    const onPaper = () => plot.setSize({ width: PAPER_PX, height: HEIGHT });
    const onScreen = () => plot.setSize({ width: holder.clientWidth, height: HEIGHT });
    addEventListener("beforeprint", onPaper);
    addEventListener("afterprint", onScreen);
    return () => {
      removeEventListener("beforeprint", onPaper);
      removeEventListener("afterprint", onScreen);
      observer.disconnect();
      sync.unsub(plot);
      plots.delete(plot);
      plot.destroy();
    };
  }, [strips, frame, lang.value]);
  const covered = strips[0]?.covered ?? null;
  const now = strips.map((strip) => readings.value[strip.quantity] ?? null);
  const last = strips.map((strip) => strip.summary?.last ?? null);
  const first = strips[0];
  const device = cursorMs.value === null || first === undefined ? "" : deviceAt(first, cursorMs.value);
  const shown = (cursorMs.value === null ? last : now).map((v) => (v === null ? t("value.none") : figure(v))).join(" / ");
  return (
    <section class="strip" data-strip={strips[0]?.quantity} data-kind={strips[0]?.kind}>
      <div class="head">
        <b>{name}</b>
        {covered !== null && <span>{t("clinic.covered", { n: Math.floor(covered * 1000) / 10 })}</span>}
        {device === "" ? <span class="fine" data-gaps>{missing(strips)}</span> : <span class="fine" data-device>{t("clinic.device")}: {device}</span>}
        <span class="now" data-now>{shown} {tCode(`unit.${strips[0]?.unit ?? ""}`)}</span>
      </div>
      {some ? <div class="plot" ref={box} role="img" aria-label={summary(name, strips)} /> : <p class="nothing" data-empty>{t("clinic.strip.none")}</p>}
    </section>
  );
}
