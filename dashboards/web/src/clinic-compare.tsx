// Two spans side by side: levels, the day by hours, alerts and scores; where one of them is known too little, nothing is compared.
import { signal } from "@preact/signals";
import type { Compared, Side } from "./clinic-data";
import { figure, t, tCode } from "./i18n";
import { Show, Table, useLoad } from "./ui";

const DAYS = [7, 14, 30] as const;
const days = signal<(typeof DAYS)[number]>(7);
type Row = Compared["quantities"][number];

function level(side: Side): string {
  if (side.median === null || side.low === null || side.high === null) return t("value.none");
  return `${figure(side.median)} (${figure(side.low)} – ${figure(side.high)})`;
}

function changed(row: Row): string {
  if (!row.comparable || row.change === null) return t("compare.none");
  const sign = row.change > 0 ? "↑ +" : row.change < 0 ? "↓ " : "→ ";
  return `${sign}${figure(row.change)}`;
}

function path(side: Side, y: (value: number) => number): string {
  let pen = "M";
  return side.by_hour.map((value, hour) => {
    if (value === null) { pen = "M"; return ""; }
    const point = `${pen}${hour * 8 + 4} ${y(value).toFixed(1)}`;
    pen = "L";
    return point;
  }).join("");
}

function Hours({ row }: { row: Row }) {
  const known = [...row.now.by_hour, ...row.before.by_hour].filter((value): value is number => value !== null);
  if (known.length === 0) return <>{t("value.none")}</>;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const y = (value: number) => 38 - (36 * (value - low)) / (high - low || 1);
  return (
    <svg class="hours" viewBox="0 0 192 40" role="img" aria-label={`${t("compare.day")}: ${t("ui.range", { low, high })}`}>
      <path class="before" d={path(row.before, y)} /><path class="now" d={path(row.now, y)} />
    </svg>
  );
}

function Found({ found }: { found: Compared }) {
  if (found.quantities.length === 0) return <p data-empty>{t("compare.empty")}</p>;
  const scores = (side: "now" | "before") => (found.news2[side].high === null ? t("value.none") : `${found.news2[side].high} / ${figure(found.news2[side].median ?? 0)}`);
  const alarms = (side: "now" | "before") => (found.alarms === null ? t("value.none") : String(Object.values(found.alarms[side]).reduce((a, b) => a + b, 0)));
  return (
    <section data-part="compare">
      <Table caption={t("compare.title", { n: found.days, n2: found.days })} showCaption rows={found.quantities} id={(row) => row.quantity} columns={[
        { id: "quantity", head: t("clinic.quantity"), cell: (row) => `${tCode(`quantity.${row.quantity}`)} (${tCode(`unit.${row.unit}`)})` },
        { id: "now", head: `${t("compare.now")}: ${t("compare.median")}`, cell: (row) => level(row.now) },
        { id: "before", head: `${t("compare.before")}: ${t("compare.median")}`, cell: (row) => level(row.before) },
        { id: "change", head: t("compare.change"), cell: (row) => <span data-compared={row.comparable}>{changed(row)}</span> },
        { id: "hours", head: t("compare.hours"), cell: (row) => `${row.now.hours} / ${row.before.hours}` },
        { id: "day", head: t("compare.day"), cell: (row) => <Hours row={row} /> },
      ]} />
      <p class="fine">{t("compare.legend")}</p>
      <Table caption={t("compare.alarms")} keep rows={[{ id: "news2", word: t("compare.news2"), show: scores }, { id: "alarms", word: t("compare.alarms"), show: alarms }]} id={(row) => row.id} columns={[
        { id: "what", head: t("clinic.quantity"), cell: (row) => row.word },
        { id: "now", head: t("compare.now"), cell: (row) => row.show("now") },
        { id: "before", head: t("compare.before"), cell: (row) => row.show("before") },
      ]} />
    </section>
  );
}

export function Compare({ resident }: { resident: string }) {
  const loaded = useLoad<Compared>(`/clinic/${encodeURIComponent(resident)}/compare?days=${days.value}`);
  return (
    <>
      <div class="row no-print" role="group" aria-label={t("compare.days")}>
        {DAYS.map((one) => <button type="button" key={one} data-days={one} aria-pressed={one === days.value} onClick={() => (days.value = one)}>{t("clinic.days", { n: one })}</button>)}
      </div>
      <Show of={loaded}>{(found) => <Found found={found} />}</Show>
    </>
  );
}
