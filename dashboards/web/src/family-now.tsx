// How it is now: one calm state, when data came last, what care is doing, today in words, the week in pictures.
import { figure, span, t, tCode } from "./i18n";
import { at, type FamilyDoc, type Figure, type Step } from "./family-data";
import { serverNow } from "./state";
import { plain, WeekPicture, type Picture } from "./week";

export function What({ shown }: { shown: FamilyDoc }) {
  if (shown.state === undefined) return null;
  const contact = shown.contact_ms ?? null;
  return (
    <section>
      <p class={`how ${shown.state}`} data-state={shown.state} role="status">{t(`family.${shown.state}`)}</p>
      {shown.state === "no_data" && <p>{t("family.no_data.why")}</p>}
      <p data-contact={contact ?? ""}>{contact === null ? t("family.contact.none") : t("family.contact", { age: span(serverNow.value - contact) })}</p>
      {shown.state !== "no_data" && (shown.missing ?? []).map((key) => <p key={key}>{t("family.missing", { what: plain(key) })}</p>)}
    </section>
  );
}

function sentence(row: Figure, all: Figure[]): string | null {
  if (row.quantity === "sleep_total") return t("family.sleep", { h: Math.floor(row.value / 60), m: Math.floor(row.value % 60) });
  if (row.quantity === "steps") return t("family.steps", { n: Math.round(row.value).toLocaleString("en-US") });
  if (row.quantity === "dbp" && all.some((other) => other.quantity === "sbp")) return null;
  const dbp = row.quantity === "sbp" ? all.find((other) => other.quantity === "dbp") : undefined;
  if (dbp !== undefined) return t("family.bp", { sbp: figure(row.value), dbp: figure(dbp.value), n: row.count });
  return t("family.figure", { what: plain(row.quantity), value: figure(row.value), unit: tCode(`unit.${row.unit}`) });
}

export function Today({ rows }: { rows: Figure[] }) {
  const said = rows.map((row) => sentence(row, rows)).filter((text): text is string => text !== null);
  return (
    <section data-part="today">
      <h2>{t("family.today")}</h2>
      {said.length === 0 ? <p>{t("family.today.none")}</p> : <ul>{said.map((text) => <li key={text}>{text}</li>)}</ul>}
    </section>
  );
}

export function WeekPart({ rows, tz }: { rows: Picture[]; tz: string }) {
  return (
    <section data-part="week">
      <h2>{t("family.week")}</h2>
      {rows.length === 0 ? <p>{t("family.week.none")}</p> : <p class="small">{t("family.week.band")}</p>}
      {rows.map((row) => <WeekPicture key={row.quantity} week={row} tz={tz} />)}
    </section>
  );
}

// A call for help is told once somebody goes or a while has passed, and is closed with how it ended.
export function stepInWords(step: Step, tz: string): string {
  const when = at(step.t_ms, tz);
  if (!step.emergency && step.stage !== "told") return tCode(`family.handling.${step.stage}`, { at: when });
  return tCode(`family.emergency.${step.stage}`, { at: when, ended: tCode(`family.ended.${step.outcome ?? "unknown"}`) });
}

export function Handling({ rows, tz }: { rows: Step[]; tz: string }) {
  return (
    <section data-part="handling">
      <h2>{t("family.handling")}</h2>
      {rows.length === 0 ? <p>{t("family.handling.none")}</p> : (
        <ul>{rows.map((row) => <li key={`${row.t_ms}${row.stage}`} class={row.emergency ? "call" : ""} data-stage={row.stage} data-emergency={row.emergency}>{stepInWords(row, tz)}</li>)}</ul>
      )}
    </section>
  );
}
