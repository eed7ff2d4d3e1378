// Blood pressure: means of the parts of the day with what they rest on, and every reading. Too few readings are no judgement.
import type { Part, Pressures, Range } from "./clinic-data";
import { when } from "./events";
import { figure, t, tCode } from "./i18n";
import { Show, Table, useLoad } from "./ui";

function judged(part: Part): string {
  if (part.high !== null) return t(part.high ? "bp.high" : "bp.not_high");
  return part.missing > 0 ? t("bp.cannot_tell", { n: part.missing }) : t("bp.cannot_tell.rule");
}

const pair = (a: number | null, b: number | null) => (a === null || b === null ? t("value.none") : `${Math.round(a)}/${Math.round(b)}`);

function Found({ found }: { found: Pressures }) {
  if (found.tried === 0) return <p data-empty>{t("bp.none")}</p>;
  const parts = Object.entries(found.parts).map(([name, part]) => ({ name, part }));
  return (
    <section data-part="pressure" data-rule={found.rule}>
      <p>{t("bp.success", { n: found.count, tried: found.tried })} · {t("bp.days", { n: found.days })}
        {found.rule === "ambulatory" && <> · {found.dipping === null ? t("bp.dipping.none") : t("bp.dipping", { n: found.dipping })}</>}
      </p>
      <Table caption={t("bp.title")} keep rows={parts} id={(row) => row.name} columns={[
        { id: "part", head: t("bp.part"), cell: (row) => tCode(`bp.part.${row.name}`) },
        { id: "count", head: t("bp.count"), cell: (row) => `${row.part.count} / ${row.part.needs}` },
        { id: "mean", head: t("bp.mean"), cell: (row) => pair(row.part.sbp, row.part.dbp) },
        { id: "pulse", head: t("bp.pulse"), cell: (row) => (row.part.pulse === null ? t("value.none") : figure(row.part.pulse)) },
        { id: "threshold", head: t("bp.threshold"), cell: (row) => row.part.threshold.join("/") },
        { id: "judged", head: t("bp.judged"), cell: (row) => <span data-judged={row.part.high === null ? "unknown" : String(row.part.high)}>{judged(row.part)}</span> },
      ]} />
      <p class="fine">{tCode(`bp.rule.${found.rule}`)}</p>
      <Table caption={t("bp.readings")} showCaption keep rows={[...found.rows].reverse()} id={(row) => String(row.t_ms)} columns={[
        { id: "at", head: t("bp.time"), cell: (row) => when(row.t_ms, found.tz) },
        { id: "value", head: `${t("bp.value")} (mmHg)`, cell: (row) => pair(row.sbp, row.dbp) },
        { id: "pulse", head: t("bp.pulse"), cell: (row) => (row.pulse === null ? t("value.none") : figure(row.pulse)) },
        { id: "part", head: t("bp.part"), cell: (row) => tCode(`bp.part.${row.part}`) },
      ]} />
      {found.left_out > 0 && <p class="fine">{t("bp.left_out", { n: found.left_out })}</p>}
    </section>
  );
}

export function Pressure({ resident, range }: { resident: string; range: Range }) {
  const loaded = useLoad<Pressures>(`/clinic/${encodeURIComponent(resident)}/pressure?range=${range}`);
  return <Show of={loaded}>{(found) => <Found found={found} />}</Show>;
}
