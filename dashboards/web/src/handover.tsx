// Hand-over: what stands, to whom it goes, and who took it. It records and never blocks: whoever is to go may go.
import { signal, useSignal } from "@preact/signals";
import { describe, MarkWord, standing, whereOf } from "./alert-card";
import { Problem } from "./api";
import { Asked, useAsked } from "./asked";
import { care, type Changed, type Handing, type Handover } from "./care-data";
import { clock, t, tCode } from "./i18n";
import { refresh } from "./load";
import { say } from "./notice";
import { to } from "./route";
import { SilenceRow } from "./silences";
import { stamp } from "./stamp";
import { alerts, deskChanges, me, silences, site, tz } from "./state";
import type { Alert } from "./types";

const DESK = "";
// Kept while one looks at something else in between.
const note = signal("");
const receiver = signal(DESK);

function known(ids: readonly string[]): Alert[] {
  return ids.map((id) => alerts.value.get(id)).filter((a) => a !== undefined);
}

function Line({ alert }: { alert: Alert }) {
  return (
    <li data-item={alert.id}>
      <a href={to("alert", alert.id)}>
        <MarkWord alert={alert} /> <b>{whereOf(alert)}</b> <span>{describe(alert)}</span> <span class="soft">{standing(alert)}</span>
      </a>
    </li>
  );
}

function Group({ name, list }: { name: string; list: readonly Alert[] }) {
  return (
    <section class="card">
      <h2>{name} <b class="count-of">{list.length}</b></h2>
      {list.length === 0 ? <p class="fine">{t("handover.nothing")}</p> : <ul class="rows links-of">{list.map((a) => <Line key={a.id} alert={a} />)}</ul>}
    </section>
  );
}

function change(row: Changed): string {
  const total = row.news2.partial ? t("risk.at_least", { n: row.news2.total }) : String(row.news2.total);
  return `NEWS2 ${total} · ${row.change > 0 ? t("handover.score_up", { n: row.change }) : t("handover.score_down", { n: -row.change })}`;
}

function Scores({ of }: { of: string }) {
  const asked = useAsked(() => care.changed(of), of);
  return (
    <section class="card" data-scores>
      <h2>{t("handover.scores")}</h2>
      <Asked of={asked}>
        {({ changed }) => changed.length === 0 ? <p class="fine">{t("handover.scores.none")}</p> : (
          <ul class="rows links-of">
            {changed.map((row) => (
              <li key={row.resident.id}><a href={to("resident", row.resident.id)}><b>{row.place} {row.resident.name}</b> <span>{change(row)}</span></a></li>
            ))}
          </ul>
        )}
      </Asked>
    </section>
  );
}

function Silenced({ now }: { now: Handing["now"] }) {
  const own = known(now.silenced);
  const rules = silences.value;
  return (
    <section class="card">
      <h2>{t("handover.silenced")} <b class="count-of">{own.length + rules.length}</b></h2>
      {own.length + rules.length === 0 && <p class="fine">{t("handover.nothing")}</p>}
      <ul class="rows links-of">
        {own.map((a) => <Line key={a.id} alert={a} />)}
        {rules.map((row) => <SilenceRow key={row.id} row={row} />)}
      </ul>
    </section>
  );
}

async function attempt(work: () => Promise<unknown>, done: string): Promise<void> {
  try {
    await work();
    say({ text: done });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    say({ text: tCode(`error.${error.code}`, error.params) });
  }
}

function Give({ found, of, again }: { found: Handing; of: string; again: () => void }) {
  const busy = useSignal(false);
  const give = () => {
    busy.value = true;
    const to = receiver.value === DESK ? null : receiver.value;
    void attempt(() => care.give(of, to, note.value.trim()).then(() => (note.value = "")), t("said.given")).finally(() => {
      busy.value = false;
      again();
    });
  };
  const name = found.receivers.find((one) => one.id === receiver.value)?.name;
  return (
    <section class="card give" data-give>
      <h2>{t("handover.to_whom")}</h2>
      <label class="note">{t("handover.receiver")}
        <select name="receiver" value={receiver.value} onChange={(e) => (receiver.value = e.currentTarget.value)}>
          <option value={DESK}>{t("recipient.desk")}</option>
          {found.receivers.map((one) => <option key={one.id} value={one.id}>{one.name}{one.on_duty ? ` · ${t("handover.on_duty")}` : ""}</option>)}
        </select>
      </label>
      <label class="note">{t("handover.note")}
        <textarea name="note" maxLength={500} rows={3} value={note.value} onInput={(e) => (note.value = e.currentTarget.value)} />
      </label>
      <div class="buttons">
        <button type="button" class="primary" data-do="give" disabled={busy.value} onClick={give}>
          {name === undefined ? t("handover.give") : t("handover.give_to", { name })}
        </button>
        <button type="button" class="no-print" onClick={() => window.print()}>{t("ui.print")}</button>
      </div>
      <p class="fine">{t("handover.never_blocks")}</p>
    </section>
  );
}

function mayTake(row: Handover): boolean {
  return row.accepted_ms === null && row.giver !== me.value?.id && (row.receiver === null || row.receiver === me.value?.id);
}

function accept(row: Handover, again: () => void): void {
  void attempt(() => care.accept(row.id), t("said.accepted")).finally(() => {
    again();
    refresh();
  });
}

// What somebody else hands to me stands above everything: it is the one thing to do here.
function Waiting({ rows, again }: { rows: readonly Handover[]; again: () => void }) {
  return (
    <>
      {rows.map((row) => (
        <section key={row.id} class="card handing" data-waiting={row.id}>
          <h2>{row.receiver === null ? t("handover.to_desk", { name: row.giver_name, at: stamp(row.given_ms) }) : t("handover.to_you", { name: row.giver_name, at: stamp(row.given_ms) })}</h2>
          <p>{sums(row)}</p>
          {row.note !== "" && <p class="quote">{row.note}</p>}
          <button type="button" class="primary" data-do="accept" onClick={() => accept(row, again)}>{t("handover.accept")}</button>
        </section>
      ))}
    </>
  );
}

function sums(row: Handover): string {
  const { open, claims, silenced, silences: rules, devices, scores } = row.body;
  return t("handover.sums", { open: open.length, claims: claims.length, silenced: silenced.length + rules.length, devices: devices.length, scores: scores.length });
}

function Past({ rows }: { rows: readonly Handover[] }) {
  return (
    <section class="card">
      <h2>{t("handover.last")}</h2>
      {rows.length === 0 && <p class="fine">{t("handover.never")}</p>}
      <ul class="rows">
        {rows.map((row) => (
          <li key={row.id} data-handover={row.id}>
            <span><time>{stamp(row.given_ms)}</time> {row.giver_name} → {row.receiver === null ? t("recipient.desk") : row.receiver_name}</span>
            <span class="soft">{row.accepted_ms === null ? t("handover.not_yet") : t("handover.taken", { name: row.accepted_name, at: stamp(row.accepted_ms) })}</span>
            <span class="soft">{sums(row)}{row.note === "" ? "" : ` · ${row.note}`}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Sheet({ found, of, again }: { found: Handing; of: string; again: () => void }) {
  const waiting = found.handovers.filter(mayTake);
  const { now } = found;
  return (
    <>
      <Waiting rows={waiting} again={again} />
      <div class="columns">
        <Group name={t("handover.open")} list={known(now.open)} />
        <Group name={t("handover.claims")} list={known(now.claims)} />
        <Silenced now={now} />
        <Group name={t("handover.devices")} list={known(now.devices)} />
        <Scores of={of} />
        <Group name={t("handover.unseen")} list={known(now.unseen)} />
      </div>
      <Give found={found} of={of} again={again} />
      <Past rows={found.handovers} />
    </>
  );
}

export function HandoverView() {
  const sites = me.value?.sites ?? [];
  const of = useSignal(site.value ?? sites[0]?.id ?? "");
  // Asked anew when somebody hands over or silences; the lists themselves follow the live alerts.
  const mark = `${of.value}/${deskChanges.value}/${[...alerts.value.values()].map((a) => a.version).join(",")}`;
  const asked = useAsked(() => care.handing(of.value), mark);
  if (of.value === "") return <p class="notice">{t("handover.no_site")}</p>;
  return (
    <article class="view handover" data-view="handover">
      <header class="view-head">
        <h1>{t("handover.title")}</h1>
        {sites.length > 1 && (
          <select aria-label={t("ui.site")} value={of.value} onChange={(e) => (of.value = e.currentTarget.value)}>
            {sites.map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}
          </select>
        )}
        <span class="soft">{me.value?.name} · {clock(Date.now(), tz.value).slice(0, 5)}</span>
      </header>
      <Asked of={asked}>{(found) => <Sheet found={found} of={of.value} again={asked.again} />}</Asked>
    </article>
  );
}
