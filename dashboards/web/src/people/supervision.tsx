// Supervision: figures of whole houses by complete week; what would stand for fewer than ten people is withheld and says so.
import type { ComponentChild } from "preact";
import { useSignal } from "@preact/signals";
import { figure, span, t } from "../i18n";
import { tz } from "../state";
import { Card, Empty, LinkButton, PageFrame, Pill, SelectField, Show, Table, useLoad, type Column } from "../ui";
import { day, type Answered, type Cell, type Share, type Supervision } from "./data";
import "./people.css";
import { h } from "./words";

const SPANS = ["4", "8", "13", "26"] as const;
const percent = (share: number): string => `${figure(share * 100)} %`;

function AnsweredCell({ of }: { of: Answered }) {
  if (of.share === null) return <span class="fine">{h("sup.no_calls")}</span>;
  return <span>{percent(of.share)} <Pill tone={of.met === true ? "ok" : "bad"}>{h(of.met === true ? "sup.met" : "sup.missed", { goal: percent(of.goal) })}</Pill> <span class="fine">{of.answered}/{of.calls}</span></span>;
}

function ShareCell({ of }: { of: Share | null }) {
  return of === null || of.share === null ? <span class="fine">{t("value.none")}</span> : <span>{percent(of.share)}</span>;
}

const withheld = (k: number) => <span class="withheld" data-withheld>{h("sup.withheld", { k })}</span>;

function columns(k: number): Column<Cell>[] {
  const of = (cell: (one: Cell) => ComponentChild) => (one: Cell) => (one.suppressed ? withheld(k) : cell(one));
  return [
    { id: "week", head: h("sup.week"), cell: (one) => `${day(one.from_ms, tz.value)} – ${day(one.until_ms - 1, tz.value)}`, sort: (one) => one.from_ms }, { id: "site", head: t("ui.site"), cell: (one) => one.name, sort: (one) => one.name },
    { id: "60", head: h("sup.within", { s: 60 }), cell: of((one) => <AnsweredCell of={one.within_60_s} />) }, { id: "180", head: h("sup.within", { s: 180 }), cell: of((one) => <AnsweredCell of={one.within_180_s} />) },
    { id: "rate", head: h("sup.rate"), cell: of((one) => one.per_resident_day ?? t("value.none")), number: true }, { id: "claim", head: h("sup.claim"), cell: of((one) => (one.claim_p50_s === null ? t("value.none") : span(one.claim_p50_s * 1000))), number: true },
    { id: "false", head: h("sup.false"), cell: of((one) => <ShareCell of={one.false} />), number: true }, { id: "again", head: h("sup.reraised"), cell: of((one) => <ShareCell of={one.reraised} />), number: true },
    { id: "cover", head: h("sup.coverage"), cell: of((one) => <ShareCell of={one.coverage} />), number: true }, { id: "worn", head: h("sup.wearing"), cell: of((one) => (one.wearing_withheld ? withheld(k) : <ShareCell of={one.wearing} />)), number: true },
    { id: "rules", head: h("sup.rules"), cell: of((one) => <Rules of={one} k={k} />) },
  ];
}

function Rules({ of, k }: { of: Cell; k: number }) {
  if (of.by_rule === null) return withheld(k);
  if (of.by_rule.length === 0) return <span class="fine">{h("sup.no_alarms")}</span>;
  return <details><summary>{h("sup.alarms", { n: of.of_residents })}</summary><ul>{of.by_rule.map((one) => <li key={one.rule}>{one.rule === "*" ? h("sup.others") : one.rule}: {one.alarms}</li>)}</ul></details>;
}

function Total({ of }: { of: Supervision["total"] }) {
  return (
    <Card id="total" title={h("sup.total")} foot={h("sup.total.text", { n: of.cells, hidden: of.withheld })}>
      <div class="grid small">
        {([["sup.within", { s: 60 }, <AnsweredCell key="a" of={of.within_60_s} />], ["sup.within", { s: 180 }, <AnsweredCell key="b" of={of.within_180_s} />], ["sup.rate", {}, of.per_resident_day ?? t("value.none")], ["sup.false", {}, <ShareCell key="c" of={of.false} />], ["sup.reraised", {}, <ShareCell key="d" of={of.reraised} />], ["sup.coverage", {}, <ShareCell key="e" of={of.coverage} />], ["sup.wearing", {}, <ShareCell key="f" of={of.wearing} />]] as const).map(([key, params, value]) => (
          <div key={`${key}${JSON.stringify(params)}`}><p class="fine">{h(key, params)}</p><p class="big">{value}</p></div>
        ))}
      </div>
    </Card>
  );
}

function SupervisionPage() {
  const weeks = useSignal<string>("8"), site = useSignal("");
  const query = `weeks=${weeks.value}${site.value === "" ? "" : `&site=${encodeURIComponent(site.value)}`}`;
  const found = useLoad<Supervision>(`/supervision?${query}`);
  return (
    <PageFrame title={t("ui.page.supervision")}>
      <Show of={found}>
        {(data) => (
          <div class="stack">
            <p class="lead">{h("sup.lead", { k: data.k })}</p>
            <div class="grid small no-print">
              <SelectField label={h("sup.weeks")} name="weeks" value={weeks} choices={SPANS.map((one) => [one, h("sup.last", { n: Number(one) })] as const)} />
              {data.sites.length > 1 && <SelectField label={t("ui.site")} name="site" value={site} choices={[["", h("user.all_sites")], ...data.sites.map((one) => [one.id, one.name] as const)]} />}
            </div>
            <div class="row"><LinkButton href={`/api/v1/supervision.csv?${query}`} download>{h("do.csv")}</LinkButton></div>
            <Total of={data.total} />
            {data.cells.length === 0 ? <Empty text={h("sup.none")} /> : <Table caption={h("sup.table")} showCaption rows={data.cells} id={(one) => `${one.site}/${one.from_ms}`} columns={columns(data.k)} />}
            <p class="fine">{h("sup.how", { k: data.k })}</p>
          </div>
        )}
      </Show>
    </PageFrame>
  );
}

export function supervisionPage(): ComponentChild {
  return <SupervisionPage />;
}
