// The glucose profile by the consensus layout: what it rests on, the shares with their goals, the day's percentiles, each day. One page on paper.
import { signal } from "@preact/signals";
import { BANDS, type Band, type Sugar } from "./clinic-data";
import { figure, lang, t } from "./i18n";
import { Facts, Show, useLoad } from "./ui";

const TOP = 22.2; // mmol/L at which the pictures end
const [WIDE, HIGH, LEFT, FOOT] = [960, 300, 44, 24];
const goals = signal<"older" | "standard" | null>(null);

// Five parts that add up, from two that hold their own extremes.
function shares(bands: Sugar["bands"]): Record<Band, number> {
  const [low, high, veryLow, veryHigh] = [bands.low ?? 0, bands.high ?? 0, bands.very_low ?? 0, bands.very_high ?? 0];
  return { very_low: veryLow, low: low - veryLow, in_range: bands.in_range ?? 0, high: high - veryHigh, very_high: veryHigh };
}

const number = (value: number | null, unit: string) => (value === null ? t("value.none") : `${figure(value)} ${unit}`);
const y = (value: number) => (HIGH - FOOT) * (1 - Math.min(value, TOP) / TOP);

function bounds(edges: Sugar["edges"], band: Band): string {
  return {
    very_low: `< ${edges.very_low}`, low: `${edges.very_low} – ${edges.low}`, in_range: `${edges.low} – ${edges.high}`,
    high: `${edges.high} – ${edges.very_high}`, very_high: `> ${edges.very_high}`,
  }[band];
}

function Ranges({ report }: { report: Sugar }) {
  const parts = shares(report.bands);
  const met = (band: Band) => report.targets.find((one) => one.band === band);
  let x = 0;
  return (
    <div>
      <h3>{t("agp.ranges")}</h3>
      <svg class="agp-bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label={BANDS.map((band) => `${t(`agp.band.${band}`)} ${figure(parts[band])} %`).join(", ")}>
        {BANDS.map((band) => {
          const at = x;
          x += parts[band];
          return <rect key={band} class={`band-${band}`} data-band={band} data-share={parts[band]} x={at} y="0" width={Math.max(0, parts[band])} height="10" />;
        })}
      </svg>
      <div class="table-box">
        <table>
          <thead><tr><th scope="col">{t("agp.range")} ({report.unit})</th><th scope="col">{t("agp.share")}</th><th scope="col">{t("agp.target")}</th></tr></thead>
          <tbody>
            {BANDS.map((band) => {
              const goal = met(band);
              const word = goal === undefined || goal.met === null || !report.enough ? "unknown" : goal.met ? "met" : "missed";
              return (
                <tr key={band}>
                  <th scope="row"><span class={`swatch band-${band}`} aria-hidden="true" /> {t(`agp.band.${band}`)} <span class="fine">{bounds(report.edges, band)}</span></th>
                  <td>{figure(parts[band])} %</td>
                  <td>{goal === undefined ? t("value.none") : `${goal.least === null ? `< ${goal.most}` : `> ${goal.least}`} % · ${t(`agp.${word}`)}`}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function area(rows: Sugar["profile"]["rows"], low: number, high: number): string {
  const step = (WIDE - LEFT) / rows.length;
  return rows.map((row, i) => (row === null ? "" : `M${(LEFT + i * step).toFixed(1)} ${y(row[high] ?? 0).toFixed(1)}h${(step + 0.3).toFixed(2)}V${y(row[low] ?? 0).toFixed(1)}h${(-step - 0.3).toFixed(2)}z`)).join("");
}

function curve(rows: Sugar["profile"]["rows"], at: number): string {
  const step = (WIDE - LEFT) / rows.length;
  let pen = "M";
  return rows.map((row, i) => {
    if (row === null) { pen = "M"; return ""; }
    const point = `${pen}${(LEFT + (i + 0.5) * step).toFixed(1)} ${y(row[at] ?? 0).toFixed(1)}`;
    pen = "L";
    return point;
  }).join("");
}

function Profile({ report }: { report: Sugar }) {
  const { rows, percentiles, slot_min: slot } = report.profile;
  const middle = rows.map((row) => row?.[2] ?? null);
  const known = middle.filter((value): value is number => value !== null);
  if (known.length === 0) return null;
  const lowest = Math.min(...known);
  const at = middle.indexOf(lowest) * slot;
  const hour = (minute: number) => `${String(Math.floor(minute / 60) % 24).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
  return (
    <figure class="agp">
      <figcaption class="fine">{t("agp.percentiles")}</figcaption>
      <svg viewBox={`0 0 ${WIDE} ${HIGH}`} role="img" data-agp={percentiles.join(",")} aria-label={t("agp.profile.summary", { low: lowest, high: Math.max(...known), at: hour(at) })}>
        <path class="outer" data-band="5-95" d={area(rows, 0, 4)} />
        <path class="inner" data-band="25-75" d={area(rows, 1, 3)} />
        {percentiles.map((percentile, i) => (
          <path key={percentile} class={percentile === 50 ? "middle" : "edge"} data-percentile={percentile} data-values={rows.map((row) => row?.[i] ?? "").join(",")} d={curve(rows, i)} />
        ))}
        {[report.edges.low, report.edges.high].map((edge) => (
          <g key={edge}><path class="goal" d={`M${LEFT} ${y(edge)}H${WIDE}`} /><text x={LEFT - 6} y={y(edge) + 4} text-anchor="end">{edge}</text></g>
        ))}
        {[0, 3, 6, 9, 12, 15, 18, 21].map((h) => <text key={h} x={LEFT + ((WIDE - LEFT) * h) / 24} y={HIGH - 6}>{hour(h * 60)}</text>)}
      </svg>
    </figure>
  );
}

function Daily({ report }: { report: Sugar }) {
  const day = new Intl.DateTimeFormat(lang.value === "zh" ? "zh-CN" : "en-GB", { timeZone: report.tz, month: "numeric", day: "numeric", weekday: "short" });
  return (
    <div>
      <h3>{t("agp.daily")}</h3>
      <ol class="agp-days">
        {report.daily.slice(-14).map((one) => (
          <li key={one.t_ms}>
            <span class="fine">{day.format(one.t_ms)}</span>
            <svg viewBox="0 0 144 60" role="img" data-day={one.t_ms} aria-label={`${day.format(one.t_ms)}: ${t("ui.range", { low: Math.min(...one.value), high: Math.max(...one.value) })}`}>
              <rect class="range" x="0" width="144" y={60 * (1 - report.edges.high / TOP)} height={(60 * (report.edges.high - report.edges.low)) / TOP} />
              <path class="middle" d={one.minute.map((minute, i) => `M${(minute / 10).toFixed(1)} ${(60 * (1 - Math.min(one.value[i] ?? 0, TOP) / TOP)).toFixed(1)}h.1`).join("")} />
            </svg>
          </li>
        ))}
      </ol>
    </div>
  );
}

function Report({ report }: { report: Sugar }) {
  if (report.count === 0) return <p data-empty>{t("agp.none")}</p>;
  return (
    <section class="agp-page" data-part="agp">
      {!report.enough && <p class="warning" role="note" data-not-enough>{t("agp.not_enough")}</p>}
      <Facts rows={[
        [t("agp.title"), t("agp.days", { n: report.days })],
        [t("agp.active"), number(report.active, "%")],
        [t("agp.mean"), number(report.mean, report.unit)],
        [t("agp.gmi"), number(report.gmi, "%")],
        [t("agp.cv"), `${number(report.cv, "%")} (${t("agp.cv.target")})`],
        [t("agp.goals.choose"), t(`agp.goals.${report.goals}`)],
      ]} />
      <Ranges report={report} />
      <Profile report={report} />
      <Daily report={report} />
    </section>
  );
}

export function Glucose({ resident }: { resident: string }) {
  const loaded = useLoad<Sugar>(`/residents/${encodeURIComponent(resident)}/glucose?range=14d${goals.value === null ? "" : `&goals=${goals.value}`}`);
  return (
    <Show of={loaded}>
      {(report) => (
        <>
          <div class="row no-print" role="group" aria-label={t("agp.goals.choose")}>
            {(["older", "standard"] as const).map((one) => <button type="button" key={one} data-goals={one} aria-pressed={report.goals === one} onClick={() => (goals.value = one)}>{t(`agp.goals.${one}`)}</button>)}
          </div>
          <Report report={report} />
        </>
      )}
    </Show>
  );
}
