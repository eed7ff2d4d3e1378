// One alert whole: what to tell 120, the last half hour, what was said, who was told and who was not, and what has happened so far.
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { act, busy } from "./acts";
import { AlertCard } from "./alert-card";
import { care, type Dispatch, type Step, type Told } from "./care-data";
import { clock, has, t, tCode } from "./i18n";
import { Asked, useAsked } from "./asked";
import { listed } from "./stamp";
import { alerts, deskChanges, me, tz } from "./state";
import { Trend } from "./trend";
import type { Alert } from "./types";

const SENT = ["120", "colleague", "family", "responder"] as const;

function at(ms: number): string {
  return clock(ms, tz.value);
}

// --- 120 and whom else one sends ------------------------------------------------------------------------------------

function Facts({ card }: { card: Dispatch }) {
  const room = card.last_room;
  const rows = [
    ["dispatch.place", [card.alert.place, card.alert.resident?.name].filter(Boolean).join("  ")],
    ["dispatch.last_room", room == null ? "" : `${room.place} · ${at(room.t_ms)}`],
    ["dispatch.address", card.address ?? ""],
    ["dispatch.door_code", card.door_code ?? ""],
    ["dispatch.medical", card.medical ?? ""],
  ] as const;
  return (
    <dl class="tell">
      {rows.map(([word, text]) => (
        <div key={word} data-fact={word}><dt>{t(word)}</dt><dd class={text === "" ? "unknown" : ""}>{text === "" ? t("dispatch.not_entered") : text}</dd></div>
      ))}
    </dl>
  );
}

function Contacts({ card }: { card: Dispatch }) {
  const list = card.contacts ?? [];
  if (list.length === 0) return null;
  return (
    <>
      <h3>{t("dispatch.contacts")}</h3>
      <ul class="rows">
        {list.map((one) => (
          <li key={`${one.name}${one.phone}`}>
            <span>{one.name} · {one.relation || t(`contact.${one.kind}`)}</span>
            {one.phone !== "" && <a class="button" href={`tel:${one.phone}`}>{one.phone}</a>}
          </li>
        ))}
      </ul>
    </>
  );
}

// A telephone dials, a wall says what to say; that somebody was sent is written down either way, and the clock goes on until somebody is there.
function Dial({ alert }: { alert: Alert }) {
  return <a class="button danger dial" href="tel:120" data-dial onClick={() => void act(alert, "dispatch", { reason: "120" })}>{t("ui.call_120")}</a>;
}

function Send({ alert, phone }: { alert: Alert; phone: boolean }) {
  return (
    <div class="buttons" data-send>
      {SENT.filter((who) => !(phone && who === "120")).map((who) => (
        <button key={who} type="button" data-sent={who} disabled={busy.value.has(alert.id)} onClick={() => void act(alert, "dispatch", { reason: who })}>{t(`sent.${who}`)}</button>
      ))}
    </div>
  );
}

function For120({ alert, phone }: { alert: Alert; phone: boolean }) {
  const asked = useAsked(() => care.dispatch(alert.id), alert.id);
  const open = alert.state !== "resolved";
  return (
    <section class="card" data-dispatch>
      <h2>{t("dispatch.title")}</h2>
      {phone && open && <Dial alert={alert} />}
      <Asked of={asked}>{(card) => <><Facts card={card} /><Contacts card={card} /></>}</Asked>
      {open && <><h3>{t("sent.title")}</h3><Send alert={alert} phone={phone} /></>}
    </section>
  );
}

// --- what people say -------------------------------------------------------------------------------------------------

function Say({ alert }: { alert: Alert }) {
  const text = useSignal("");
  const write = (event: Event) => {
    event.preventDefault();
    const note = text.value.trim();
    if (note !== "") void act(alert, "note", { note }).then(() => (text.value = ""));
  };
  return (
    <form class="say" onSubmit={write}>
      <label class="note">{t("action.note")}<input name="note" maxLength={500} autocomplete="off" value={text.value} onInput={(e) => (text.value = e.currentTarget.value)} /></label>
      <button type="submit" disabled={text.value.trim() === "" || busy.value.has(alert.id)}>{t("note.save")}</button>
    </form>
  );
}

// --- why ---------------------------------------------------------------------------------------------------------------

const SCREENS = "wall";

export function channelWord(name: string): string {
  return has(`channel.${name}`) ? tCode(`channel.${name}`) : name;
}

function fate(row: Told): string {
  const page = row.page;
  if (!row.told) return t("why.not_told", { reason: tCode(`reason.${row.reason}`) });
  const by = row.channels.length > 0 ? row.channels : [SCREENS];
  if (page === null) return t("why.told_by", { channels: listed(by.map(channelWord)) });
  if (page.state === "sent") return t("why.delivered", { channel: channelWord(page.channel), at: page.done_ms === null ? "" : at(page.done_ms) });
  if (page.state === "pending") return t(page.reason === "quota" ? "why.waits_quota" : "why.pending", { channel: channelWord(page.channel || (by[0] ?? "")), n: page.attempts });
  if (page.state === "void") return t("why.void");
  return t("why.failed", { channel: channelWord(page.channel || (by[0] ?? "")), n: page.attempts });
}

export function ToldList({ told }: { told: readonly Told[] }) {
  if (told.length === 0) return <p class="fine" data-told-none>{t("why.nobody")}</p>;
  const groups = new Map<number, Told[]>();
  for (const row of told) groups.set(row.n, [...(groups.get(row.n) ?? []), row]);
  return (
    <ol class="why">
      {[...groups.values()].map((rows) => {
        const first = rows.find((row) => row.told) ?? rows[0]; // those who were told all were for the same reason
        if (first === undefined) return null;
        return (
          <li key={first.n}>
            <p><time>{at(first.t_ms)}</time> <b>{tCode(`transition.${first.transition}`)}</b>{first.told && <span> · {t("why.because", { reason: tCode(`reason.${first.reason}`) })}</span>}</p>
            <ul>
              {rows.map((row, i) => (
                <li key={`${row.recipient}${i}`} class={row.told ? "told" : "held"} data-told={String(row.told)} data-reason={row.reason}>
                  <span aria-hidden="true">{row.told ? "✓" : "–"}</span> {whoOf(row)}: {fate(row)}
                </li>
              ))}
            </ul>
          </li>
        );
      })}
    </ol>
  );
}

function whoOf(row: Told): string {
  if (row.name !== "" && row.name !== row.recipient) return row.name;
  const kind = row.recipient.split(":")[0] ?? "";
  return has(`recipient.${kind}`) ? tCode(`recipient.${kind}`) : row.recipient;
}

function Why({ alert }: { alert: Alert }) {
  const asked = useAsked(() => care.why(alert.id), `${alert.id}/${alert.version}`);
  return (
    <section class="card" data-why>
      <h2>{t("why.title")}</h2>
      <Asked of={asked}>{(found) => <ToldList told={found.told} />}</Asked>
    </section>
  );
}

// --- what has happened -------------------------------------------------------------------------------------------------

function detail(step: Step): string {
  const { note, reason, outcome } = step.body as { note?: string; reason?: string; outcome?: string };
  const said = [
    outcome === undefined ? "" : tCode(`outcome.${outcome}`),
    reason === undefined ? "" : has(`sent.${reason}`) ? tCode(`sent.${reason}`) : reason,
    note ?? "",
  ];
  return said.filter(Boolean).join(" · ");
}

export function History({ steps }: { steps: readonly Step[] }) {
  return (
    <ol class="history">
      {steps.filter((step) => step.kind !== "updated" && step.kind !== "delivered").map((step) => (
        <li key={step.n} data-step={step.kind}>
          <time>{at(step.t_ms)}</time> <b>{tCode(`transition.${step.kind}`)}</b>
          {step.actor !== "system" && <span> · {step.actor_name || step.actor}</span>}
          {detail(step) !== "" && <span> · {detail(step)}</span>}
        </li>
      ))}
    </ol>
  );
}

function Happened({ alert }: { alert: Alert }) {
  const asked = useAsked(() => care.whole(alert.id), `${alert.id}/${alert.version}/${deskChanges.value}`);
  return (
    <section class="card">
      <h2>{t("why.history")}</h2>
      <Asked of={asked}>{(found) => <History steps={found.history} />}</Asked>
    </section>
  );
}

export function AlertSheet({ id, phone }: { id: string; phone: boolean }) {
  const live = alerts.value.get(id);
  const kept = useSignal<Alert | null>(live ?? null);
  useEffect(() => {
    if (live !== undefined) kept.value = live;
    else care.whole(id).then((found) => (kept.value = found.alert), () => undefined);
  }, [live, id]);
  const alert = live ?? kept.value;
  if (alert === null || alert.id !== id) return <p role="status">{t("ui.loading")}</p>;
  const acting = me.value?.role !== "family";
  return (
    <div class="sheet">
      <AlertCard alert={alert} phone={phone} sheet />
      <div class="columns">
        {alert.resident !== null && <For120 alert={alert} phone={phone} />}
        {acting && <section class="card"><Say alert={alert} /></section>}
        {alert.resident !== null && <section class="card"><Trend id={alert.id} /></section>}
        <Why alert={alert} />
        <Happened alert={alert} />
      </div>
    </div>
  );
}
