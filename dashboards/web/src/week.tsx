// Seven days of one quantity as a line inside the person's own usual band, with one sentence under it.
import { figure, has, lang, t, tCode } from "./i18n";

export interface Week {
  quantity: string;
  unit: string;
  from_ms: number;
  to_ms: number;
  t_ms: number[];
  value: number[];
  usual: ([number, number] | null)[]; // by local hour of the day
  compared: "as_usual" | "higher" | "lower" | "unknown";
}

const WIDTH = 672;
const HEIGHT = 140;
const HOUR_MS = 3_600_000;

// Quantities as people call them at home.
export function plain(quantity: string): string {
  return tCode(has(`plain.${quantity}`) ? `plain.${quantity}` : `quantity.${quantity}`);
}

export function hourOf(tz: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: tz, hour: "2-digit", hourCycle: "h23" });
  return (ms) => Number(format.format(ms));
}

function band(week: Week, tz: string, x: (ms: number) => number, y: (v: number) => number): string[] {
  const hour = hourOf(tz);
  const found: string[] = [];
  for (let ms = Math.floor(week.from_ms / HOUR_MS) * HOUR_MS; ms < week.to_ms; ms += HOUR_MS) {
    const edges = week.usual[hour(ms)];
    if (!edges) continue;
    const [left, right] = [x(Math.max(ms, week.from_ms)), x(Math.min(ms + HOUR_MS, week.to_ms))];
    found.push(`M${left.toFixed(1)} ${y(edges[1]).toFixed(1)}H${(right + 0.3).toFixed(1)}V${y(edges[0]).toFixed(1)}H${left.toFixed(1)}z`);
  }
  return found;
}

function line(week: Week, x: (ms: number) => number, y: (v: number) => number): string {
  let path = "";
  week.t_ms.forEach((ms, i) => {
    const joined = i > 0 && ms - (week.t_ms[i - 1] ?? 0) <= 2 * HOUR_MS;
    path += `${joined ? "L" : "M"}${x(ms + HOUR_MS / 2).toFixed(1)} ${y(week.value[i] ?? 0).toFixed(1)}${joined ? "" : "h.1"}`;
  });
  return path;
}

// Names of days at their local middays, in percent of the picture; today's at the right edge while its midday is still to come.
export function dayMarks(week: Week, tz: string): { left: number; name: string }[] {
  const format = new Intl.DateTimeFormat(lang.value === "zh" ? "zh-CN" : "en-GB", { timeZone: tz, weekday: "short" });
  const hour = hourOf(tz);
  const left = (ms: number) => ((ms - week.from_ms) / (week.to_ms - week.from_ms)) * 100;
  const middays: number[] = [];
  for (let ms = Math.ceil(week.from_ms / HOUR_MS) * HOUR_MS; ms < week.to_ms; ms += HOUR_MS) if (hour(ms) === 12) middays.push(ms);
  const marks = middays.map((ms) => ({ left: left(ms), name: format.format(ms) })).filter((mark) => mark.left > 4 && mark.left < 96);
  if (week.to_ms - (middays.at(-1) ?? 0) > 20 * HOUR_MS) marks.push({ left: 96, name: format.format(week.to_ms) });
  return marks;
}

export function WeekPicture({ week, tz }: { week: Week; tz: string }) {
  const what = plain(week.quantity);
  const sparse = week.t_ms.length < 60;
  const edges = week.usual.filter((e): e is [number, number] => e !== null).flat();
  const low = Math.min(...week.value, ...edges);
  const high = Math.max(...week.value, ...edges);
  const range = Math.max(high - low, 1e-6);
  const x = (ms: number) => ((ms - week.from_ms) / (week.to_ms - week.from_ms)) * WIDTH;
  const y = (v: number) => HEIGHT - 8 - ((v - low) / range) * (HEIGHT - 16);
  const label = t("family.picture", {
    what, low: figure(Math.min(...week.value)), high: figure(Math.max(...week.value)), unit: tCode(`unit.${week.unit}`),
  });
  return (
    <figure class="week" data-week={week.quantity} data-compared={week.compared}>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
        <path class="band" d={band(week, tz, x, y).join("")} />
        <path class={sparse ? "trace dots" : "trace"} d={line(week, x, y)} />
      </svg>
      <div class="days" aria-hidden="true">{dayMarks(week, tz).map((day) => <span key={day.name + day.left} style={{ left: `${day.left}%` }}>{day.name}</span>)}</div>
      <figcaption>{tCode(`family.${week.compared}`, { what })}</figcaption>
    </figure>
  );
}
