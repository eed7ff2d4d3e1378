// One resident: who it is with diagnoses and medication in a line, the span, and the parts as tabs; on paper the open part under a letterhead.
import type { ComponentChild } from "preact";
import { RANGES, type Fact, type Page, type Range } from "./clinic-data";
import { Badge, missingParts } from "./clinic-list";
import { Compare } from "./clinic-compare";
import { Curves } from "./clinic-curves";
import { Glucose } from "./clinic-agp";
import { LimitsPart } from "./clinic-limits";
import { Notes } from "./clinic-notes";
import { Pressure } from "./clinic-pressure";
import { when } from "./events";
import { clock, lang, t } from "./i18n";
import { me } from "./state";
import { LinkButton, Tabs } from "./ui";

export const VIEWS = ["curves", "glucose", "pressure", "compare", "limits", "notes"] as const;
export type View = (typeof VIEWS)[number];

export interface Place {
  resident: string;
  range: Range;
  view: View;
  until: string; // a day, "" = now
}

interface Props {
  shown: Page;
  place: Place;
  width: number;
  go: (next: Partial<Place>) => void;
  reload: () => void;
}

function Facts({ facts, onWrite }: { facts: Fact[]; onWrite: () => void }) {
  const groups = (["diagnosis", "medication", "allergy"] as const).map((kind) => ({ kind, texts: facts.filter((fact) => fact.kind === kind).map((fact) => fact.text) }));
  const known = groups.filter((group) => group.texts.length > 0);
  return (
    <p class="facts-line" data-facts={facts.length}>
      {known.length === 0 ? <span class="fine">{t("clinic.facts.none")}</span> : known.map(({ kind, texts }) => <span key={kind}><b>{t(`note.kind.${kind}`)}</b> {texts.join(lang.value === "zh" ? "；" : "; ")} </span>)}
      <button type="button" class="plain no-print" data-write onClick={onWrite}>{t("clinic.facts.write")}</button>
    </p>
  );
}

function Monitored({ shown }: { shown: Page }) {
  const { monitoring, monitoring_since_ms: since } = shown;
  if (!shown.live) return <p class="stale" data-past>{t("clinic.until.shown", { at: when(shown.to_ms, shown.tz) })}</p>;
  if (monitoring === "live") return null;
  const said = monitoring === "none" ? t("clinic.monitoring.none")
    : since === null ? t("clinic.monitoring.never") : t(`clinic.monitoring.${monitoring}`, { at: when(since, shown.tz) });
  return <p class="stale" data-monitoring={monitoring}>{said}</p>;
}

// Only on paper: whose paper, who, when, how much of it was measured, and with which software.
function Letterhead({ shown }: { shown: Page }) {
  const { letterhead, resident } = shown;
  return (
    <header class="letterhead">
      <p>{[letterhead.organisation, letterhead.site].filter((part) => part !== "").join(" · ")}</p>
      <p>{t("paper.title")} · {resident.name} · {resident.place}{resident.age === null ? "" : ` · ${t("clinic.years", { n: resident.age })}`}</p>
      <p>{t("paper.period")}: {when(shown.from_ms, shown.tz)} – {when(shown.to_ms, shown.tz)} · <Completeness covered={shown.covered} /></p>
      <p>{t("paper.foot", { name: me.value?.name ?? "", at: `${when(shown.t_ms, shown.tz)} ${clock(shown.t_ms, shown.tz)}`, version: shown.version })}</p>
    </header>
  );
}

function Completeness({ covered }: { covered: number | null }) {
  return <span data-covered={covered ?? ""}>{covered === null ? t("clinic.completeness.none") : t("clinic.completeness", { n: Math.floor(covered * 1000) / 10 })}</span>;
}

function Tools({ shown, place, go }: Props) {
  const id = encodeURIComponent(place.resident);
  const iso = (ms: number) => new Date(ms).toISOString();
  return (
    <div class="row tools no-print">
      <span role="group" class="row" aria-label={t("clinic.range")}>
        {RANGES.map((one) => <button type="button" key={one} data-range={one} aria-pressed={one === place.range} onClick={() => go({ range: one })}>{t(`clinic.range.${one}`)}</button>)}
      </span>
      <label class="row">{t("clinic.until")} <input type="date" value={place.until} onChange={(e) => go({ until: e.currentTarget.value })} /></label>
      {place.until !== "" && <button type="button" data-now onClick={() => go({ until: "" })}>{t("clinic.until.now")}</button>}
      <button type="button" class="far" data-print onClick={() => print()}>{t("clinic.print")}</button>
      {shown.may_export && <LinkButton href={`/api/v1/clinic/${id}/report.pdf?range=${place.range}&lang=${lang.value}`} target="_blank">{t("clinic.pdf")}</LinkButton>}
      {shown.may_export && <LinkButton href={`/fhir/Observation?patient=${id}&date=ge${iso(shown.from_ms)}&date=lt${iso(shown.to_ms)}`} target="_blank">{t("clinic.fhir")}</LinkButton>}
    </div>
  );
}

function part({ shown, place, width, reload }: Props): ComponentChild {
  switch (place.view) {
    case "curves": return <Curves shown={shown} width={width} />;
    case "glucose": return <Glucose resident={place.resident} />;
    case "pressure": return <Pressure resident={place.resident} range={place.range} />;
    case "compare": return <Compare resident={place.resident} />;
    case "limits": return <LimitsPart resident={place.resident} tz={shown.tz} />;
    case "notes": return <Notes resident={place.resident} tz={shown.tz} onChange={reload} />;
  }
}

export function Resident(props: Props) {
  const { shown, place, go } = props;
  return (
    <>
      <Letterhead shown={shown} />
      <div class="row who-line">
        <span>{t("clinic.news2")} <Badge score={shown.news2} /> <span class="fine">{missingParts(shown.news2)}</span></span>
        <Completeness covered={shown.covered} />
      </div>
      <Facts facts={shown.facts} onWrite={() => go({ view: "notes" })} />
      <Monitored shown={shown} />
      <Tools {...props} />
      <Tabs label={t("clinic.tabs")} tabs={VIEWS.map((view) => ({ id: view, word: t(`clinic.tab.${view}`) }))} chosen={place.view} onChoose={(view) => go({ view: view as View })}>
        {part(props)}
      </Tabs>
    </>
  );
}
