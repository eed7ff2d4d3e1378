// What a family sees: one calm state, when data came last, today, a week beside the person's own usual. Large, one column, no jargon.
import type { ComponentChild } from "preact";
import { useEffect } from "preact/hooks";
import { batch, signal } from "@preact/signals";
import { call, Problem } from "./api";
import "./calm.css";
import { Switches } from "./ui/switches";
import { figure, lang, span, t, tCode } from "./i18n";
import { toLogin } from "./load";
import { Relay, type LiveMessage } from "./relay";
import { clockOffsetMs, me, now, serverNow } from "./state";
import type { Person } from "./types";
import { plain, WeekPicture, type Week } from "./week";

interface Figure {
  quantity: string;
  value: number;
  unit: string;
  t_ms: number;
  count: number;
}

interface Grant {
  classes: string[];
  giver: string;
  guardian: boolean;
  until_ms: number;
  emergency: boolean;
}

interface FamilyDoc {
  t_ms: number;
  tz: string;
  resident: { id: string; name: string };
  scope: { classes: string[]; consents: Grant[]; emergency: boolean };
  place?: { label: string; status: string };
  state?: "steady" | "changed" | "handled" | "no_data";
  contact_ms?: number | null;
  missing?: string[];
  handling?: { stage: string; t_ms: number }[];
  today?: Figure[];
  week?: Week[];
}

interface Look {
  name: string;
  role: string;
  what: string;
  day: string;
  times: number;
}

const AGAIN_MS = 10_000;
const LOST_MS = 15_000; // the page asks every ten seconds

const doc = signal<FamilyDoc | null>(null);
const ended = signal(false);
const gotAt = signal(Date.now());
const chosen = signal<string | null>(null);
const looks = signal<Look[] | null>(null);
let asking = false;

async function load(): Promise<void> {
  const who = chosen.value;
  if (who === null || asking) return;
  asking = true;
  try {
    const fresh = await call<FamilyDoc>("GET", `/family/${encodeURIComponent(who)}`);
    batch(() => {
      doc.value = fresh;
      ended.value = false;
      gotAt.value = Date.now();
      clockOffsetMs.value = fresh.t_ms - Date.now();
    });
    if (!fresh.scope.classes.includes("looks")) looks.value = null;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) toLogin();
    else if (error.status === 404 || error.status === 403) {
      batch(() => {
        doc.value = null; // what was shared is not kept on the screen either
        looks.value = null;
        ended.value = true;
        gotAt.value = Date.now();
      });
    }
  } finally {
    asking = false;
  }
}

async function loadLooks(): Promise<void> {
  const who = chosen.value;
  if (who === null) return;
  try {
    looks.value = (await call<{ looks: Look[] }>("GET", `/residents/${encodeURIComponent(who)}/looks`)).looks;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
}

// A stream that the server closes means that the reach has changed: ask at once.
function listen(message: LiveMessage): void {
  if (message.event === "closed" || message.event === "denied" || message.event === "reopened") void load();
}

function at(ms: number, tz: string, day = false): string {
  const shape: Intl.DateTimeFormatOptions = day
    ? { timeZone: tz, year: "numeric", month: "numeric", day: "numeric" }
    : { timeZone: tz, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(lang.value === "zh" ? "zh-CN" : "en-GB", shape).format(ms);
}

function What({ shown }: { shown: FamilyDoc }) {
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
  if (row.quantity === "sleep_total") return t("family.sleep", { h: Math.floor(row.value / 60), m: Math.round(row.value % 60) });
  if (row.quantity === "steps") return t("family.steps", { n: row.value.toLocaleString("en-US") });
  if (row.quantity === "dbp" && all.some((other) => other.quantity === "sbp")) return null;
  const dbp = row.quantity === "sbp" ? all.find((other) => other.quantity === "dbp") : undefined;
  if (dbp !== undefined) return t("family.bp", { sbp: figure(row.value), dbp: figure(dbp.value), n: row.count });
  return t("family.figure", { what: plain(row.quantity), value: figure(row.value), unit: tCode(`unit.${row.unit}`) });
}

function Today({ rows }: { rows: Figure[] }) {
  const said = rows.map((row) => sentence(row, rows)).filter((text): text is string => text !== null);
  return (
    <section data-part="today">
      <h2>{t("family.today")}</h2>
      {said.length === 0 ? <p>{t("family.today.none")}</p> : <ul>{said.map((text) => <li key={text}>{text}</li>)}</ul>}
    </section>
  );
}

function WeekPart({ rows, tz }: { rows: Week[]; tz: string }) {
  return (
    <section data-part="week">
      <h2>{t("family.week")}</h2>
      {rows.length === 0 ? <p>{t("family.week.none")}</p> : <p class="small">{t("family.week.band")}</p>}
      {rows.map((row) => <WeekPicture key={row.quantity} week={row} tz={tz} />)}
    </section>
  );
}

function Handling({ rows, tz }: { rows: { stage: string; t_ms: number }[]; tz: string }) {
  return (
    <section data-part="handling">
      <h2>{t("family.handling")}</h2>
      {rows.length === 0 ? <p>{t("family.handling.none")}</p> : (
        <ul>{rows.map((row) => <li key={row.t_ms}>{tCode(`family.handling.${row.stage}`, { at: at(row.t_ms, tz) })}</li>)}</ul>
      )}
    </section>
  );
}

function Scope({ shown }: { shown: FamilyDoc }) {
  const key = (grant: Grant) => (grant.emergency ? "family.scope.emergency" : grant.guardian ? "family.scope.guardian" : "family.scope.until");
  return (
    <section data-part="scope">
      <h2>{t("family.scope")}</h2>
      <ul>
        {shown.scope.consents.map((grant) => (
          <li key={`${grant.until_ms}${grant.classes.join()}`}>
            {grant.classes.map((word) => tCode(`class.${word}`)).join(lang.value === "zh" ? "、" : ", ")}
            <br /><span class="small">{t(key(grant), { giver: grant.giver, until: at(grant.until_ms, shown.tz, true) })}</span>
          </li>
        ))}
      </ul>
      <p class="small">{t("family.scope.revoke")}</p>
    </section>
  );
}

function Looks() {
  if (looks.value === null) return <p><button type="button" data-act="looks" onClick={() => void loadLooks()}>{t("family.looks")}</button></p>;
  return (
    <section data-part="looks">
      <h2>{t("family.looks")}</h2>
      {looks.value.length === 0 ? <p>{t("family.looks.none")}</p> : (
        <ul>
          {looks.value.map((look) => (
            <li key={`${look.day}${look.name}${look.what}`}>
              {t("family.looks.row", { day: look.day, name: look.name, role: tCode(`role.${look.role}`), what: tCode(`look.${look.what}`), n: look.times })}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Shown({ shown }: { shown: FamilyDoc }) {
  const lost = now.value - gotAt.value > LOST_MS;
  return (
    <>
      <h1>{shown.resident.name}</h1>
      {lost && <p class="lost" role="alert" data-lost>{t("family.lost", { at: at(gotAt.value + clockOffsetMs.value, shown.tz) })}</p>}
      {shown.place !== undefined && <p>{t("family.place", { place: shown.place.label })}</p>}
      <What shown={shown} />
      {shown.today !== undefined && <Today rows={shown.today} />}
      {shown.handling !== undefined && <Handling rows={shown.handling} tz={shown.tz} />}
      {shown.week !== undefined && <WeekPart rows={shown.week} tz={shown.tz} />}
      <Scope shown={shown} />
      {shown.scope.classes.includes("looks") && <Looks />}
    </>
  );
}

function pick(person: Person): void {
  chosen.value = person.id;
  doc.value = null;
  looks.value = null;
  void load();
}

export function FamilyPage() {
  const people = me.value?.residents ?? [];
  useEffect(() => {
    chosen.value = people[0]?.id ?? null;
    void load();
    const timer = setInterval(() => void load(), AGAIN_MS);
    const relay = new Relay();
    relay.add(listen, "");
    return () => {
      clearInterval(timer);
      relay.remove(listen);
    };
  }, []);
  const shown = doc.value;
  return (
    <main class="family" data-role="family">
      {people.length > 1 && (
        <p>{people.map((person) => (
          <button type="button" key={person.id} aria-pressed={person.id === chosen.value} onClick={() => pick(person)}>{person.name}</button>
        ))}</p>
      )}
      {shown !== null ? <Shown shown={shown} /> : people.length === 0 ? (
        <><h1>{t("app.name")}</h1><p class="how no_data" data-state="empty">{t("family.empty")}</p></>
      ) : ended.value ? (
        <><h1>{t("app.name")}</h1><p class="how no_data" data-state="ended" role="status">{t("family.ended")}</p></>
      ) : <><h1>{t("app.name")}</h1><p role="status">{t("ui.loading")}</p></>}
      <p class="links"><Switches /></p>
      <p class="small">{t("family.disclaimer")}</p>
    </main>
  );
}

export function familyPage(): ComponentChild {
  return <FamilyPage />;
}
