// The calls of the last week: who answered and how fast, who was sent, how it ended.
import { describe, whereOf } from "./alert-card";
import { Asked, useAsked } from "./asked";
import { care, type CallFigures, type CallRow, type Calls } from "./care-data";
import { has, span, t, tCode } from "./i18n";
import { to } from "./route";
import { stamp } from "./stamp";
import { alerts, me } from "./state";

const FAST_S = 60;

function share(value: number | null): string {
  return value === null ? t("value.none") : `${(value * 100).toFixed(1)} %`;
}

function Figures({ of, figures }: { of: string; figures: CallFigures }) {
  const name = me.value?.sites.find((one) => one.id === of)?.name ?? t("reason.no_site");
  return (
    <section class="card" data-call-figures={of}>
      <h2>{name}</h2>
      <p>{t("calls.figures", { n: figures.calls, fast: share(figures.within_60_s), slow: share(figures.within_180_s), longest: span(figures.longest_s * 1000) })}</p>
      <p class="soft">{t("calls.target", { fast: share(figures.target_60_s), slow: share(figures.target_180_s) })} {figures.met === null ? "" : t(figures.met ? "calls.met" : "calls.missed")}</p>
      {figures.waiting > 0 && <p><b>{t("calls.waiting", { n: figures.waiting })}</b></p>}
    </section>
  );
}

function Said({ row }: { row: CallRow }) {
  const words = row.said.map((one) => {
    const reason = one.reason === undefined ? "" : has(`sent.${one.reason}`) ? tCode(`sent.${one.reason}`) : one.reason;
    return [tCode(`transition.${one.kind}`), reason, one.note ?? ""].filter(Boolean).join(" ");
  });
  return words.length === 0 ? null : <span class="soft" data-said>{words.join(" · ")}</span>;
}

function Row({ row }: { row: CallRow }) {
  const { alert } = row;
  const answered = row.answered_s;
  const arrived = alert.arrived_ms;
  return (
    <li data-call={alert.id}>
      <a href={to("alert", alert.id)}>
        <span><time>{stamp(alert.raised_ms)}</time> <b>{whereOf(alert)}</b> {describe(alert)}{alert.origin === "live" ? "" : ` · ${t("ui.drill")}`}</span>
        <span class={answered !== null && answered <= FAST_S ? "soft" : "late-word"}>
          {answered === null ? t("standing.raised") : t("calls.answered", { name: row.answered_by ?? "", span: span(answered * 1000) })}
          {arrived !== null && ` · ${t("calls.arrived", { span: span(arrived - alert.raised_ms) })}`}
        </span>
        <span>{alert.outcome === null ? t(`state.${alert.state}`) : t("standing.resolved_as", { outcome: alert.outcome })}{alert.note === "" ? "" : ` · ${alert.note}`}</span>
        <Said row={row} />
      </a>
    </li>
  );
}

function Held({ held }: { held: Calls["held"] }) {
  const rows = Object.entries(held).sort((a, b) => b[1] - a[1]);
  if (rows.length === 0) return null;
  return (
    <section class="card" data-held>
      <h2>{t("calls.held")}</h2>
      <p class="soft">{rows.map(([reason, n]) => `${tCode(`reason.${reason}`)} ${n}`).join(" · ")}</p>
    </section>
  );
}

export function CallsView() {
  const mark = [...alerts.value.values()].filter((a) => a.kind === "call").map((a) => `${a.id}${a.version}`).join(",");
  const asked = useAsked(() => care.calls(), mark);
  return (
    <article class="view calls" data-view="calls">
      <header class="view-head"><h1>{t("calls.title")}</h1><span class="soft">{t("calls.week")}</span></header>
      <Asked of={asked}>
        {(found) => (
          <>
            <div class="columns">{Object.entries(found.figures).map(([of, figures]) => <Figures key={of} of={of} figures={figures} />)}<Held held={found.held} /></div>
            {found.calls.length === 0 ? <p class="calm">{t("calls.none")}</p> : <ul class="rows links-of">{found.calls.map((row) => <Row key={row.alert.id} row={row} />)}</ul>}
          </>
        )}
      </Asked>
    </article>
  );
}
