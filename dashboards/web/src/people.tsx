// My residents: everybody in one's zones with the values of now and their ages, and one of them whole.
import { useEffect } from "preact/hooks";
import { signal, useSignal } from "@preact/signals";
import { describe, MarkWord, standing } from "./alert-card";
import { Asked, useAsked } from "./asked";
import { care, type Limit, type Minute, type ResidentDetail } from "./care-data";
import { ago, clock, figure, has, span, t, tCode } from "./i18n";
import { wantBeds } from "./load";
import { byRisk, riskOf, RiskWord, SortSwitch, sorting, wantRisks } from "./risk";
import { to } from "./route";
import { ToldList } from "./alert-sheet";
import { listed } from "./stamp";
import { bedOf, connected, ofResident, serverNow, tz, walls } from "./state";
import type { Alert, Bed, Vital } from "./types";

const SHOWN = ["hr", "pulse", "spo2", "resp", "temp", "sbp", "dbp", "glucose", "glucose_cgm"] as const;
const onlyMine = signal(true);

// --- the list ----------------------------------------------------------------------------------------------------------

function zonesOfMine(): Set<string> {
  return new Set(walls.value.flatMap((wall) => wall.my_zones));
}

function present(): Bed[] {
  return walls.value.flatMap((wall) => wall.beds).map((bed) => bedOf(bed.bed_id)?.value ?? bed).filter((bed) => bed.resident !== null);
}

function Value({ name, vital }: { name: string; vital: Vital }) {
  const live = vital.state === "live" && connected.value;
  const age = vital.t_ms === null ? null : serverNow.value - vital.t_ms;
  if (vital.value === null) return <span data-vital={name}>{tCode(`short.${name}`)} — {tCode(`vital.${vital.state}`)}</span>;
  return (
    <span data-vital={name}>
      {tCode(`short.${name}`)} {live ? <b>{figure(vital.value)}</b> : <s>{figure(vital.value)}</s>} <small>{age === null ? "" : ago(age)}{live ? "" : ` · ${tCode(`vital.${connected.value ? vital.state : "stale"}`)}`}</small>
    </span>
  );
}

function Monitored({ bed }: { bed: Bed }) {
  const since = bed.monitoring_since_ms;
  if (bed.monitoring === "live") return null;
  if (bed.monitoring === "lost") return <span class="lost-word">{since === null ? t("ui.no_data_yet") : t("ui.signal_lost", { age: span(serverNow.value - since) })}</span>;
  return <span class="lost-word">{t(`monitoring.${bed.monitoring}`)}</span>;
}

function Row({ bed }: { bed: Bed }) {
  const who = bed.resident;
  if (who === null) return null;
  const alert = ofResident.value.get(who.id)?.[0];
  return (
    <li data-person={who.id}>
      <a href={to("resident", who.id)}>
        <span class="name"><b>{bed.label}</b> {who.name}{alert !== undefined && <> <MarkWord alert={alert} /></>}</span>
        <span class="values">{SHOWN.slice(0, 4).map((name) => bed.vitals[name] && <Value key={name} name={name} vital={bed.vitals[name]} />)}<Monitored bed={bed} /></span>
        <RiskWord risk={riskOf(who.id)} />
      </a>
    </li>
  );
}

export function PeopleView() {
  useEffect(wantBeds, []);
  useEffect(wantRisks, []);
  const find = useSignal("");
  const mine = zonesOfMine();
  const all = present();
  const narrowed = mine.size > 0 && onlyMine.value ? all.filter((bed) => bed.zone_id !== null && mine.has(bed.zone_id)) : all;
  const text = find.value.trim().toLowerCase();
  const shown = narrowed.filter((bed) => `${bed.label} ${bed.resident?.name} ${bed.resident?.initials}`.toLowerCase().includes(text));
  return (
    <article class="view people-view" data-view="people">
      <header class="view-head">
        <h1>{t("folk.title")} <b class="count-of">{narrowed.length}</b></h1>
        {mine.size > 0 && <button type="button" aria-pressed={onlyMine.value} onClick={() => (onlyMine.value = !onlyMine.value)}>{t("folk.my_zone")}</button>}
        <SortSwitch />
        <label class="find">{t("folk.find")}<input type="search" autocomplete="off" value={find.value} onInput={(e) => (find.value = e.currentTarget.value)} /></label>
      </header>
      {walls.value.length === 0 ? <p role="status">{t("ui.loading")}</p> : shown.length === 0 && <p class="calm">{t("folk.none")}</p>}
      <ul class="rows people-rows">{(sorting.value === "risk" ? byRisk(shown) : shown).map((bed) => <Row key={bed.bed_id} bed={bed} />)}</ul>
    </article>
  );
}

// --- one of them ---------------------------------------------------------------------------------------------------------

function bounds(limit: Limit): string {
  const sides = [limit.low === null ? "" : t("folk.limit.low", { n: limit.low }), limit.high === null ? "" : t("folk.limit.high", { n: limit.high })];
  return sides.filter(Boolean).join(" · ");
}

function Open({ list }: { list: readonly Alert[] }) {
  return (
    <section class="card">
      <h2>{t("folk.open_alerts")} <b class="count-of">{list.length}</b></h2>
      {list.length === 0 ? <p class="fine">{t("folk.no_alerts")}</p> : (
        <ul class="rows links-of">
          {list.map((a) => <li key={a.id}><a href={to("alert", a.id)}><MarkWord alert={a} /> <b>{describe(a)}</b> <span class="soft">{standing(a)}</span></a></li>)}
        </ul>
      )}
    </section>
  );
}

// "What was it last night at three?": any minute, who was told and who was not, and why.
function Asking({ who }: { who: string }) {
  const typed = useSignal("");
  const minute = useSignal<number | null>(null);
  const ask = (event: Event) => {
    event.preventDefault();
    const parsed = fromLocal(typed.value, tz.value);
    if (parsed !== null) minute.value = parsed;
  };
  return (
    <section class="card" data-minute>
      <h2>{t("why.minute")}</h2>
      <form class="say" onSubmit={ask}>
        <label class="note">{t("why.minute.when")}<input type="datetime-local" value={typed.value} onInput={(e) => (typed.value = e.currentTarget.value)} /></label>
        <button type="submit" disabled={fromLocal(typed.value, tz.value) === null}>{t("why.minute.ask")}</button>
      </form>
      {minute.value !== null && <At key={minute.value} who={who} at={minute.value} />}
    </section>
  );
}

// A wall-clock time of the site as UTC milliseconds, whatever zone the browser is in.
export function fromLocal(text: string, zone: string): number | null {
  const guess = Date.parse(`${text}Z`);
  if (Number.isNaN(guess)) return null;
  const off = (ms: number) => Date.parse(`${new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" }).format(ms).replace(" ", "T")}Z`) - ms;
  return guess - off(guess - off(guess));
}

function At({ who, at }: { who: string; at: number }) {
  const asked = useAsked(() => care.minute(who, at), `${who}/${at}`);
  return <Asked of={asked}>{(found) => <Found found={found} />}</Asked>;
}

function Found({ found }: { found: Minute }) {
  const names = listed((found.on_duty ?? []).map((one) => one.name));
  return (
    <div>
      <p class="fine">{clock(found.from_ms, tz.value).slice(0, 5)} · {names === "" ? t("ui.nobody_on_duty") : t("ui.on_duty", { names })}{found.quiet_hours ? ` · ${t("reason.quiet_hours")}` : ""}</p>
      {found.silences.map((row) => <p key={row.id}>{t("reason.silenced")}: {row.reason} · {row.author_name}</p>)}
      {found.alerts.length === 0 && <p>{t("why.minute.nothing")}</p>}
      {found.alerts.map((one) => (
        <section key={one.id}>
          <h3><MarkWord alert={one.view} /> {describe(one.view)} · {t(`state.${one.view.state}`)}</h3>
          <ToldList told={one.told} />
        </section>
      ))}
    </div>
  );
}

function Summary({ found }: { found: ResidentDetail }) {
  const vitals = Object.entries(found.vitals ?? {});
  return (
    <>
      <section class="card">
        <h2>{t("folk.values")}</h2>
        {found.vitals === undefined ? <p class="fine">{t("folk.not_yours")}</p> : vitals.length === 0 ? <p class="fine">{t("monitoring.none")}</p> : (
          <div class="values large">{vitals.map(([name, vital]) => <Value key={name} name={name} vital={vital} />)}</div>
        )}
      </section>
      <section class="card">
        <h2>{t("folk.devices")}</h2>
        {(found.devices ?? []).length === 0 && <p class="fine">{t("monitoring.none")}</p>}
        <ul class="rows">{(found.devices ?? []).map((one) => <li key={one.id}><span>{has(`device_kind.${one.kind}`) ? tCode(`device_kind.${one.kind}`) : one.kind || one.model} <span class="soft">{one.id}</span></span><span class="soft">{listed(one.quantities.map((q) => tCode(`quantity.${q}`)))}</span></li>)}</ul>
      </section>
      <section class="card">
        <h2>{t("folk.limits")}</h2>
        {(found.limits ?? []).length === 0 && <p class="fine">{t("folk.limits.none")}</p>}
        <ul class="rows">{(found.limits ?? []).map((one) => <li key={one.id}><span>{tCode(`quantity.${one.quantity}`)} <b>{bounds(one)}</b></span><span class="soft">{one.reason}</span></li>)}</ul>
      </section>
    </>
  );
}

export function ResidentView({ id }: { id: string }) {
  useEffect(wantBeds, []);
  useEffect(wantRisks, []);
  const asked = useAsked(() => care.resident(id), id);
  useEffect(() => {
    const timer = setInterval(asked.again, 10_000); // values and their states, not only their ages
    return () => clearInterval(timer);
  }, [id]);
  const open = ofResident.value.get(id) ?? [];
  return (
    <article class="view resident" data-view="resident">
      <Asked of={asked}>
        {({ resident }) => (
          <>
            <header class="view-head">
              <h1>{resident.place?.label ?? ""} {resident.name}</h1>
              <RiskWord risk={riskOf(id)} />
              {resident.on_oxygen === true && <span class="tag">{t("news2.o2")}</span>}
            </header>
            <div class="columns"><Open list={open} /><Summary found={resident} /></div>
            <Asking who={id} />
          </>
        )}
      </Asked>
    </article>
  );
}
