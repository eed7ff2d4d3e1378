// Seven days in pictures, each inside the person's own usual band with its sentence under it: lines by the hour, points, days.
import { figure, has, lang, t, tCode } from "./i18n";

interface Span {
  from_ms: number;
  to_ms: number;
}

type Edges = [number, number];
type Compared = "as_usual" | "higher" | "lower" | "unknown";

export interface Line extends Span {
  kind: "line";
  quantity: string;
  unit: string;
  t_ms: number[];
  value: number[];
  usual: (Edges | null)[]; // by local hour of the day
  lately: Edges | null; // least and greatest hour of the last day
  compared: Compared;
}

export interface Points extends Span {
  kind: "points";
  quantity: "bp";
  unit: string;
  t_ms: number[];
  sbp: number[];
  dbp: number[];
  usual: { sbp: Edges | null; dbp: Edges | null };
  count: number;
  compared: Compared;
}

export interface Days {
  kind: "days";
  quantity: "steps" | "sleep_total";
  unit: string;
  days: string[];
  value: (number | null)[];
  running: boolean; // today is not over
  usual: Edges | null;
  compared: Compared;
}

export type Picture = Line | Points | Days;

const WIDTH = 672;
const HEIGHT = 140;
const PAD = 8;
const HOUR_MS = 3_600_000;

// Quantities as people call them at home.
export function plain(quantity: string): string {
  return tCode(has(`plain.${quantity}`) ? `plain.${quantity}` : `quantity.${quantity}`);
}

export function hourOf(tz: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: tz, hour: "2-digit", hourCycle: "h23" });
  return (ms) => Number(format.format(ms));
}

// Names of days at their local middays, in percent of the picture; today's at the right edge while its midday is still to come.
export function dayMarks(span: Span, tz: string): { left: number; name: string }[] {
  const format = weekday(tz);
  const hour = hourOf(tz);
  const left = (ms: number) => ((ms - span.from_ms) / (span.to_ms - span.from_ms)) * 100;
  const middays: number[] = [];
  for (let ms = Math.ceil(span.from_ms / HOUR_MS) * HOUR_MS; ms < span.to_ms; ms += HOUR_MS) if (hour(ms) === 12) middays.push(ms);
  const early = span.to_ms - (middays.at(-1) ?? 0) > 20 * HOUR_MS; // today's midday is still far: its name stands at the edge
  const marks = middays.map((ms) => ({ left: Math.min(left(ms), 96), name: format.format(ms) })).filter((mark) => mark.left > (early ? 4 : 2));
  if (early) marks.push({ left: 96, name: format.format(span.to_ms) });
  return marks;
}

function weekday(tz: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat(lang.value === "zh" ? "zh-CN" : "en-GB", { timeZone: tz, weekday: "short" });
}

type Scale = (value: number) => number;

function scale(values: readonly number[], from = Math.min(...values)): Scale {
  const range = Math.max(Math.max(...values) - from, 1e-6);
  return (v) => HEIGHT - PAD - ((v - from) / range) * (HEIGHT - 2 * PAD);
}

function across(span: Span): Scale {
  return (ms) => ((ms - span.from_ms) / (span.to_ms - span.from_ms)) * WIDTH;
}

function Names({ marks }: { marks: readonly { left: number; name: string }[] }) {
  return <div class="days" aria-hidden="true">{marks.map((day) => <span key={day.name + day.left} style={{ left: `${day.left}%` }}>{day.name}</span>)}</div>;
}

function Flat({ y, edges }: { y: Scale; edges: Edges | null }) {
  return edges === null ? null : <path class="band" d={`M0 ${y(edges[1]).toFixed(1)}H${WIDTH}V${y(edges[0]).toFixed(1)}H0z`} />;
}

// --- a line ----------------------------------------------------------------------------------------------------------

function band(week: Line, tz: string, x: Scale, y: Scale): string[] {
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

function line(week: Line, x: Scale, y: Scale): string {
  let path = "";
  week.t_ms.forEach((ms, i) => {
    const joined = i > 0 && ms - (week.t_ms[i - 1] ?? 0) <= 2 * HOUR_MS;
    path += `${joined ? "L" : "M"}${x(ms + HOUR_MS / 2).toFixed(1)} ${y(week.value[i] ?? 0).toFixed(1)}${joined ? "" : "h.1"}`;
  });
  return path;
}

function LinePicture({ week, tz }: { week: Line; tz: string }) {
  const what = plain(week.quantity);
  const unit = tCode(`unit.${week.unit}`);
  const edges = week.usual.filter((e): e is Edges => e !== null).flat();
  const [x, y] = [across(week), scale([...week.value, ...edges])];
  const label = t("family.picture", { what, low: figure(Math.min(...week.value)), high: figure(Math.max(...week.value)), unit });
  return (
    <figure class="week" data-week={week.quantity} data-compared={week.compared}>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
        <path class="band" d={band(week, tz, x, y).join("")} />
        <path class={week.t_ms.length < 60 ? "trace dots" : "trace"} d={line(week, x, y)} />
      </svg>
      <Names marks={dayMarks(week, tz)} />
      <figcaption>
        {tCode(`family.${week.compared}`, { what })}
        {week.lately !== null && <span class="small">{t("family.lately", { low: figure(week.lately[0]), high: figure(week.lately[1]), unit })}</span>}
      </figcaption>
    </figure>
  );
}

// --- points: blood pressure ------------------------------------------------------------------------------------------

function PointsPicture({ week, tz }: { week: Points; tz: string }) {
  const [x, y] = [across(week), scale([...week.sbp, ...week.dbp, ...(week.usual.sbp ?? []), ...(week.usual.dbp ?? [])])];
  const bars = week.t_ms.map((ms, i) => `M${x(ms).toFixed(1)} ${y(week.sbp[i] ?? 0).toFixed(1)}V${y(week.dbp[i] ?? 0).toFixed(1)}`).join("");
  const ends = week.t_ms.flatMap((ms, i) => [week.sbp[i], week.dbp[i]].map((v) => `M${x(ms).toFixed(1)} ${y(v ?? 0).toFixed(1)}h.1`)).join("");
  const reach = (values: readonly number[]) => `${figure(Math.min(...values))}-${figure(Math.max(...values))}`;
  const last = { sbp: figure(week.sbp.at(-1) ?? 0), dbp: figure(week.dbp.at(-1) ?? 0), n: week.count };
  return (
    <figure class="week" data-week="bp" data-compared={week.compared}>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={t("family.points.picture", { high: reach(week.sbp), low: reach(week.dbp) })}>
        <Flat y={y} edges={week.usual.sbp} />
        <Flat y={y} edges={week.usual.dbp} />
        <path class="trace thin" d={bars} />
        <path class="trace dots" d={ends} />
      </svg>
      <Names marks={dayMarks(week, tz)} />
      <figcaption>
        {week.compared === "as_usual" ? t("family.bp.as_usual") : tCode(`family.${week.compared}`, { what: plain("bp") })}
        <span class="small">{t("family.points", last)}</span>
      </figcaption>
    </figure>
  );
}

// --- days: steps and sleep -------------------------------------------------------------------------------------------

function inWords(quantity: Days["quantity"], value: number): string {
  if (quantity === "steps") return t("family.steps", { n: Math.round(value).toLocaleString("en-US") });
  return t("duration.h_m", { h: Math.floor(value / 60), m: Math.round(value % 60) });
}

function average(week: Days): string {
  const whole = week.value.filter((v, i): v is number => v !== null && !(week.running && i === week.value.length - 1));
  if (whole.length === 0) return "";
  const mean = whole.reduce((sum, v) => sum + v, 0) / whole.length;
  return week.quantity === "steps"
    ? t("family.days.steps", { n: Math.round(mean).toLocaleString("en-US") })
    : t("family.days.sleep_total", { h: Math.floor(mean / 60), m: Math.floor(mean % 60) });
}

function DaysPicture({ week }: { week: Days }) {
  const what = plain(week.quantity);
  const known = week.value.filter((v): v is number => v !== null);
  const y = scale([...known, ...(week.usual ?? [])], 0);
  const step = WIDTH / week.days.length;
  const format = weekday("UTC");
  const name = (day: string) => format.format(Date.parse(`${day}T12:00:00Z`));
  const all = week.days.map((day, i) => `${name(day)} ${week.value[i] == null ? t("value.none") : inWords(week.quantity, week.value[i] ?? 0)}`);
  return (
    <figure class="week" data-week={week.quantity} data-compared={week.compared}>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={t("family.days.picture", { what, all: all.join("; ") })}>
        <Flat y={y} edges={week.usual} />
        {week.value.map((v, i) => v !== null && (
          <rect key={week.days[i]} class={week.running && i === week.days.length - 1 ? "day running" : "day"} x={(i + 0.3) * step} width={0.4 * step} y={y(v)} height={HEIGHT - PAD - y(v)} data-day={week.days[i]} data-value={v} />
        ))}
      </svg>
      <Names marks={week.days.map((day, i) => ({ left: ((i + 0.5) / week.days.length) * 100, name: name(day) }))} />
      <figcaption>{tCode(`family.days.${week.compared}`, { what })}<span class="small">{average(week)}</span></figcaption>
    </figure>
  );
}

export function WeekPicture({ week, tz }: { week: Picture; tz: string }) {
  if (week.kind === "line") return <LinePicture week={week} tz={tz} />;
  return week.kind === "points" ? <PointsPicture week={week} tz={tz} /> : <DaysPicture week={week} />;
}
