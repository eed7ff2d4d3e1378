// The clinic: residents with their score and its change, and one resident's strips, events and scores over a day, a week or a month.
import type { ComponentChild } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { batch, signal } from "@preact/signals";
import { call, Problem } from "./api";
import "./calm.css";
import { RANGES, type Page, type Patient, type Range, type Score, type Strip, type Ward } from "./clinic-data";
import { Events, Trend, when, words } from "./events";
import { Switches } from "./ui/switches";
import { clock, figure, lang, t, tCode } from "./i18n";
import { toLogin } from "./load";
import { me, now, tz } from "./state";
import { answeredAt, cursorMs, drawnAt, moveTo, readings, StripView, type Frame } from "./strip";

const LIST_MS = 30_000;
const PAGE_MS = 60_000;
const SHOWN = ["hr", "pulse", "spo2", "resp", "temp", "sbp", "dbp"];

const ward = signal<Ward | null>(null);
const page = signal<Page | null>(null);
const refused = signal<string | null>(null);
const gotAt = signal(Date.now());
const who = signal<string | null>(null);
const range = signal<Range>("24h");

function read(): void {
  const asked = new URLSearchParams(location.search);
  const wanted = asked.get("range");
  batch(() => {
    who.value = asked.get("resident");
    range.value = RANGES.find((r) => r === wanted) ?? "24h";
  });
}

function go(resident: string | null, span: Range = "24h"): void {
  const query = new URLSearchParams();
  if (resident !== null) query.set("resident", resident);
  if (resident !== null && span !== "24h") query.set("range", span);
  history.pushState(null, "", `/clinic${query.size > 0 ? `?${query}` : ""}`);
  batch(() => {
    read();
    if (resident !== page.value?.resident.id) page.value = null;
    refused.value = null;
    cursorMs.value = null;
    readings.value = {};
  });
  void load();
}

async function load(): Promise<void> {
  const asked = { who: who.value, range: range.value };
  try {
    const path = asked.who === null ? "/clinic" : `/clinic/${encodeURIComponent(asked.who)}?range=${asked.range}`;
    const fresh = await call<Ward | Page>("GET", path);
    if (asked.who !== who.value || asked.range !== range.value) return; // somebody has gone on meanwhile
    answeredAt.value = performance.now();
    batch(() => {
      if ("strips" in fresh) page.value = fresh;
      else ward.value = fresh;
      gotAt.value = Date.now();
      refused.value = null;
    });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) toLogin();
    else if (error.status !== 0) {
      batch(() => {
        refused.value = error.status === 404 ? "clinic.forbidden" : `error.${error.code}`;
        if (error.status === 404 || error.status === 403) page.value = null;
      });
    }
  }
}

function Stale({ each }: { each: number }) {
  if (now.value - gotAt.value < 2.5 * each) return null;
  return <p class="stale" role="alert" data-stale>{t("clinic.stale", { at: clock(gotAt.value, tz.value) })}</p>;
}

function Badge({ score }: { score: Score | null }) {
  if (score === null) return <span class="badge partial" data-news2="none">{t("clinic.score.none")}</span>;
  const level = score.total >= 7 ? "top" : score.total >= 5 || score.single3 ? "mid" : "";
  return <span class={`badge ${level} ${score.partial ? "partial" : ""}`} data-news2={score.total} data-partial={String(score.partial)}>{words(score)}</span>;
}

function change(patient: Patient): string {
  if (patient.change === null) return t("clinic.change.none");
  if (patient.change === 0) return t("clinic.change.same");
  return patient.change > 0 ? t("clinic.change.up", { n: patient.change }) : t("clinic.change.down", { n: -patient.change });
}

function parts(score: Score): string {
  return score.partial ? t("clinic.missing", { parts: score.missing.map((part) => tCode(`news2.${part}`)).join(lang.value === "zh" ? "、" : ", ") }) : "";
}

function Row({ patient }: { patient: Patient }) {
  const open = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(patient.id);
  };
  return (
    <li data-patient={patient.id}>
      <a href={`/clinic?resident=${encodeURIComponent(patient.id)}`} onClick={open}>
        <span class="name">{patient.name} <span class="fine">{patient.age === null ? "" : t("clinic.years", { n: patient.age })}</span></span>
        <span>{patient.place}</span>
        <span><Badge score={patient.news2} /> <span class="fine">{patient.news2 === null ? "" : parts(patient.news2)}</span></span>
        <span>{change(patient)}</span>
        <span class="figures">
          {SHOWN.flatMap((key) => {
            const vital = patient.vitals[key];
            if (vital === undefined || vital.value === null) return [];
            const old = vital.state !== "live";
            return [<span key={key}>{tCode(`quantity.${key}`)} <b class={old ? "old" : ""}>{figure(vital.value)}</b>{old ? ` ${tCode(`vital.${vital.state}`)}` : ""}</span>];
          })}
        </span>
      </a>
    </li>
  );
}

function List() {
  const shown = ward.value;
  return (
    <>
      <div class="top">
        <h1>{t("clinic.title")}</h1>
        <a class="button" href="/wall">{t("clinic.to_wall")}</a> <Switches />
      </div>
      <Stale each={LIST_MS} />
      {shown === null ? <p role="status">{t("ui.loading")}</p> : shown.residents.length === 0 ? <p data-empty>{t("clinic.empty")}</p> : (
        <ul class="people">{shown.residents.map((patient) => <Row key={patient.id} patient={patient} />)}</ul>
      )}
      <p class="fine">{t("clinic.credit")}</p>
    </>
  );
}

// sbp and dbp are one strip, everything else one each.
function grouped(strips: Strip[]): { name: string; strips: Strip[] }[] {
  const dbp = strips.find((s) => s.quantity === "dbp");
  return strips.flatMap((strip) => {
    if (strip.quantity === "dbp" && strips.some((s) => s.quantity === "sbp")) return [];
    if (strip.quantity === "sbp" && dbp !== undefined) return [{ name: t("clinic.bp"), strips: [strip, dbp] }];
    return [{ name: tCode(`quantity.${strip.quantity}`), strips: [strip] }];
  });
}

function Readout({ shown }: { shown: Page }) {
  const at = cursorMs.value;
  return (
    <div class="readout" data-readout={at ?? ""}>
      <label>{t("clinic.at")} <b>{at === null ? t("clinic.at.now") : when(at, shown.tz)}</b></label>
      {at !== null && shown.strips.map((strip) => (
        <span key={strip.quantity} data-value={strip.quantity}>{tCode(`quantity.${strip.quantity}`)} <b>{readings.value[strip.quantity] === null || readings.value[strip.quantity] === undefined ? t("value.none") : figure(readings.value[strip.quantity] ?? 0)}</b></span>
      ))}
      <input type="range" aria-label={t("clinic.at")} min={shown.from_ms} max={shown.to_ms} step={60_000} value={at ?? shown.to_ms} onInput={(e) => moveTo(Number(e.currentTarget.value))} />
    </div>
  );
}

function Monitored({ shown }: { shown: Page }) {
  const { monitoring, monitoring_since_ms: since } = shown;
  if (monitoring === "live") return null;
  const words = monitoring === "none" ? t("clinic.monitoring.none")
    : since === null ? t("clinic.monitoring.never") : t(`clinic.monitoring.${monitoring}`, { at: when(since, shown.tz) });
  return <p class="stale" data-monitoring={monitoring}>{words}</p>;
}

function Resident({ shown, width }: { shown: Page; width: number }) {
  const frame: Frame = useMemo(() => ({ from: shown.from_ms, to: shown.to_ms, tz: shown.tz, range: shown.range }), [shown]);
  const groups = useMemo(() => grouped(shown.strips), [shown, lang.value]);
  const known = shown.resident;
  return (
    <>
      <div class="top">
        <h1>{known.name} <span class="fine">{known.place} {known.age === null ? "" : t("clinic.years", { n: known.age })}</span></h1>
        <span>{t("clinic.news2")} <Badge score={shown.news2} /> <span class="fine">{shown.news2 === null ? "" : parts(shown.news2)}</span></span>
      </div>
      <Monitored shown={shown} />
      <p class="fine">{t("clinic.usual")}</p>
      {groups.map((group) => <StripView key={`${group.name}${shown.range}`} name={group.name} strips={group.strips} frame={frame} />)}
      <Readout shown={shown} />
      <Events events={shown.events} frame={frame} width={width} />
      <Trend bars={shown.news2_trend} frame={frame} width={width} />
    </>
  );
}

function Detail({ width }: { width: number }) {
  const shown = page.value;
  return (
    <>
      <div class="top">
        <button type="button" onClick={() => go(null)}>{t("clinic.back")}</button>
        <span role="group" aria-label={t("clinic.range")}>
          {RANGES.map((one) => (
            <button type="button" key={one} data-range={one} aria-pressed={one === range.value} onClick={() => go(who.value, one)}>{t(`clinic.range.${one}`)}</button>
          ))}
        </span>
        <Switches />
      </div>
      <Stale each={PAGE_MS} />
      {refused.value !== null && <><h1>{t("clinic.title")}</h1><p class="error" role="alert" data-refused={refused.value}>{tCode(refused.value)}</p></>}
      {shown !== null ? <Resident shown={shown} width={width} /> : refused.value === null && <><h1>{t("clinic.title")}</h1><p role="status">{t("ui.loading")}</p></>}
    </>
  );
}

const width = signal(800);

export function ClinicPage() {
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    read();
    void load();
    const onPop = () => {
      read();
      page.value = null;
      void load();
    };
    addEventListener("popstate", onPop);
    const slow = setInterval(() => void load(), PAGE_MS);
    const quick = setInterval(() => who.value === null && void load(), LIST_MS);
    const observer = new ResizeObserver(() => {
      const inner = box.current;
      if (inner === null) return;
      const style = getComputedStyle(inner);
      width.value = inner.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    });
    if (box.current !== null) observer.observe(box.current);
    return () => {
      removeEventListener("popstate", onPop);
      clearInterval(slow);
      clearInterval(quick);
      observer.disconnect();
    };
  }, []);
  if (me.value?.role !== "clinician") {
    return <main class="clinic" ref={box}><h1>{t("clinic.title")}</h1><p class="error" role="alert" data-refused="role">{t("clinic.not_for_you")}</p><p class="links"><Switches /></p></main>;
  }
  return (
    <main class="clinic" ref={box} data-draw-ms={drawnAt.value === null ? "" : Math.round(drawnAt.value - answeredAt.value)}>
      {who.value === null ? <List /> : <Detail width={width.value} />}
      <p class="fine">{t("app.not_a_medical_alarm")}</p>
    </main>
  );
}

export function clinicPage(): ComponentChild {
  return <ClinicPage />;
}
