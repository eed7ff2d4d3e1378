// Events of the clinic's page on the strips' own time axis: alerts, who came, and the NEWS2 of each four hours.
import type { Bar, Happening } from "./clinic-data";
import { lang, t, tCode } from "./i18n";
import { LEFT, RIGHT, type Frame } from "./strip";

const ROW = 24;
const ROWS = 4;
const HEIGHT = 110;

export function words(score: { total: number; known: number; partial: boolean }): string {
  return score.partial ? t("clinic.score.partial", { total: score.total, known: score.known }) : t("clinic.score", { total: score.total });
}

export function when(ms: number, tz: string): string {
  return new Intl.DateTimeFormat(lang.value === "zh" ? "zh-CN" : "en-GB", {
    timeZone: tz, month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
  }).format(ms);
}

interface Mark {
  id: string;
  x: number;
  text: string;
  came: boolean;
}

// Labels in as many rows as it takes that none lies over another; beyond that a mark stands alone, the list below has its words.
function pack(marks: Mark[], width: number): (Mark & { row: number; bare: boolean })[] {
  const ends: number[] = [];
  return marks.map((mark) => {
    const wide = [...mark.text].reduce((sum, c) => sum + (c > "\u2e7f" ? 15 : 8.5), 22);
    const x = Math.min(mark.x, Math.max(0, width - wide));
    let row = ends.findIndex((end) => end <= x);
    if (row < 0 && ends.length < ROWS) row = ends.length;
    if (row >= 0) {
      ends[row] = x + wide;
      return { ...mark, x, row, bare: false };
    }
    return { ...mark, row: ROWS, bare: true };
  });
}

function Lane({ marks, name, width }: { marks: Mark[]; name: string; width: number }) {
  const placed = pack(marks, width);
  const rows = Math.max(1, ...placed.map((mark) => mark.row + 1));
  return (
    <>
      <p class="fine">{name}</p>
      <div class="lanes" style={{ height: `${rows * ROW}px` }} role="img" aria-label={`${name}: ${marks.length}`}>
        {placed.map((mark) => (
          <span key={mark.id} class={mark.came ? "came" : "raised"} data-event={mark.bare ? undefined : mark.id} style={{ left: `${mark.x}px`, top: `${mark.row * ROW}px` }} title={mark.text}>
            {mark.came ? "●" : "▲"}{mark.bare ? "" : ` ${mark.text}`}
          </span>
        ))}
      </div>
    </>
  );
}

export function Events({ events, frame, width }: { events: Happening[]; frame: Frame; width: number }) {
  const inner = Math.max(100, width - LEFT - RIGHT);
  const x = (ms: number) => ((ms - frame.from) / (frame.to - frame.from)) * inner;
  const what = (event: Happening) => tCode(event.code, event.params) + (event.drill ? ` (${t("clinic.drill")})` : "");
  const alerts = events.map((event) => ({ id: `a${event.id}`, x: x(event.t_ms), text: what(event), came: false }));
  const came = events
    .filter((event) => event.arrived_ms !== null)
    .map((event) => ({ id: `c${event.id}`, x: x(event.arrived_ms ?? 0), text: t("clinic.came", { name: event.claimed_name ?? "" }), came: true }))
    .sort((a, b) => a.x - b.x);
  return (
    <section data-part="events">
      <h2>{t("clinic.events")}</h2>
      {events.length === 0 ? <p>{t("clinic.events.none")}</p> : (
        <>
          <Lane marks={alerts} name={t("clinic.events.alerts")} width={inner} />
          <Lane marks={came} name={t("clinic.events.people")} width={inner} />
          <details>
            <summary>{t("clinic.events.list")} ({events.length})</summary>
            <table>
              <tbody>
                {[...events].reverse().map((event) => (
                  <tr key={event.id}>
                    <td>{when(event.t_ms, frame.tz)}</td><td>{what(event)}</td>
                    <td>{event.arrived_ms === null ? t("clinic.nobody") : `${t("clinic.came", { name: event.claimed_name ?? "" })} ${when(event.arrived_ms, frame.tz)}`}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </details>
        </>
      )}
    </section>
  );
}

function colour(bar: Bar): string {
  if (bar.total >= 7) return "#b3001b";
  return bar.total >= 5 || bar.single3 ? "#d9a400" : "#4f8fb3";
}

export function Trend({ bars, frame, width }: { bars: Bar[]; frame: Frame; width: number }) {
  const inner = Math.max(100, width - LEFT - RIGHT);
  const x = (ms: number) => LEFT + ((Math.min(Math.max(ms, frame.from), frame.to) - frame.from) / (frame.to - frame.from)) * inner;
  const top = Math.max(8, ...bars.map((bar) => bar.total));
  const y = (total: number) => 90 - (total / top) * 78;
  const last = bars.at(-1);
  return (
    <section class="news2" data-part="news2">
      <h2>{t("clinic.trend")}</h2>
      {last === undefined ? <p>{t("clinic.trend.none")}</p> : (
        <>
          <svg width={width} height={HEIGHT} viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={t("clinic.trend.summary", {
            n: bars.length, high: Math.max(...bars.map((b) => b.total)), last: last.total, partial: bars.filter((b) => b.partial).length,
          })}>
            <defs>
              <pattern id="partial" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                <rect width="4" height="8" fill="#fff" fill-opacity="0.6" />
              </pattern>
            </defs>
            {[0, 5, 7].map((line) => (
              <g key={line}><path d={`M${LEFT} ${y(line)}H${width - RIGHT}`} stroke="#8a8678" stroke-dasharray={line ? "4 4" : undefined} /><text x={LEFT - 8} y={y(line) + 4} text-anchor="end">{line}</text></g>
            ))}
            {bars.map((bar) => (
              <g key={bar.t_ms} data-bar={bar.total} data-partial={String(bar.partial)}>
                <rect x={x(bar.t_ms) + 1} y={y(bar.total)} width={Math.max(1, x(bar.until_ms) - x(bar.t_ms) - 2)} height={Math.max(2, 90 - y(bar.total))} fill={colour(bar)} />
                {bar.partial && <rect x={x(bar.t_ms) + 1} y={y(bar.total)} width={Math.max(1, x(bar.until_ms) - x(bar.t_ms) - 2)} height={Math.max(2, 90 - y(bar.total))} fill="url(#partial)" stroke={colour(bar)} />}
              </g>
            ))}
          </svg>
          <p class="fine">{t("clinic.trend.partial")} {t("clinic.credit")}</p>
        </>
      )}
    </section>
  );
}
