// Lines with honest gaps: null breaks the line; nothing is drawn between points that were not measured.
import type { Points } from "./types";

// Small wiggles must not look like a crisis: a line fills the height only beyond this span.
const LEAST_SPAN: Record<string, number> = { hr: 20, pulse: 20, spo2: 6, resp: 8, temp: 1, sbp: 30, dbp: 20, glucose: 3, glucose_cgm: 3 };

function pathOf(values: Points, x: (i: number) => number, y: (v: number) => number): string {
  let path = "";
  let pen = false;
  values.forEach((value, i) => {
    if (value === null) {
      pen = false;
      return;
    }
    const at = `${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    path += pen ? `L${at}` : `M${at}h.1`; // the short stroke makes a point of one that stands alone
    pen = true;
  });
  return path;
}

interface Line {
  values: Points;
  quantity: string;
  width: number;
  height: number;
  label: string;
  times?: number[]; // UTC ms; without them the points stand at equal distances
}

export function Sparkline({ values, quantity, width, height, label, times }: Line) {
  const known = values.filter((v): v is number => v !== null);
  const size = { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, preserveAspectRatio: "none" } as const;
  if (known.length === 0) return <svg class="spark" {...size} />;
  const low = Math.min(...known);
  const high = Math.max(...known);
  const range = Math.max(high - low, LEAST_SPAN[quantity] ?? 1);
  const floor = (low + high - range) / 2;
  const first = times?.[0] ?? 0;
  const length = times === undefined ? Math.max(1, values.length - 1) : Math.max(1, (times.at(-1) ?? 0) - first);
  const x = (i: number) => 2 + (((times?.[i] ?? first + i) - first) / length) * (width - 4);
  const y = (v: number) => height - 3 - ((v - floor) / range) * (height - 6);
  return (
    <svg class="spark" {...size}>
      <path d={pathOf(values, x, y)} fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" vector-effect="non-scaling-stroke" />
    </svg>
  );
}
