// The ward wall: on the left who needs help, on the right everybody.
import { useEffect } from "preact/hooks";
import { AlertCard, describe, whereOf, wordOf } from "./alert-card";
import { Beds } from "./beds";
import { Beside } from "./beside";
import { Announcer, Calm, Clock, Connection, Faults, LostBanner, Said, SiteSwitch, Sound, SoundPause, ZoneSwitch } from "./header";
import { t, type Key } from "./i18n";
import { mayOpen } from "./pages";
import { route, to, type View } from "./route";
import { RuleSilences } from "./silences";
import { connected, elsewhere, me, queue, walls } from "./state";
import type { Alert } from "./types";
import { Menu } from "./ui/frame";
import { Switches } from "./ui/switches";

const FEW = 4; // with more than these, only the first card is a large one, so that more of them fit
const CARDS = 30;
const IDLE_MS = 5 * 60_000; // a wall that somebody left at another view shows the beds again
const VIEWS: readonly (readonly [View, Key])[] = [["", "ui.beds"], ["people", "ui.residents"], ["handover", "handover.title"], ["calls", "calls.title"]];

function Counts() {
  const list = queue.value;
  const help = list.filter((a) => a.state === "raised" && a.kind !== "technical").length;
  const going = list.filter((a) => a.state === "claimed" || a.state === "arrived").length;
  const devices = list.filter((a) => a.kind === "technical" && a.state !== "claimed" && a.state !== "arrived").length;
  return (
    <p class="counts">
      <span class={help > 0 ? "count help" : "count"} data-count="help">{t("ui.count.help")} <b>{help}</b></span>
      <span class="count" data-count="going">{t("state.claimed")} <b>{going}</b></span>
      <span class="count" data-count="devices">{t("kind.technical")} <b>{devices}</b></span>
    </p>
  );
}

function isShort(alert: Alert, index: number, total: number): boolean {
  if (alert.claimed_by !== null && alert.claimed_by === me.value?.id) return false;
  return index >= (total > FEW ? 1 : FEW - 1) || alert.kind === "technical" || alert.state !== "raised";
}

function Queue() {
  const list = queue.value;
  return (
    <section class="queue" aria-label={t("ui.queue")}>
      <Counts />
      <Said />
      <Faults />
      {list.length === 0 && <Calm />}
      {list.slice(0, CARDS).map((a, i) => <AlertCard key={a.id} alert={a} short={isShort(a, i, list.length)} />)}
      <RuleSilences />
      {list.length > CARDS && <p class="fine">{t("ui.more_alerts", { n: list.length - CARDS })}</p>}
      {elsewhere.value.length > 0 && <p class="notice" data-elsewhere>{t("ui.elsewhere", { n: elsewhere.value.length })}</p>}
    </section>
  );
}

function Duty() {
  const names = [...new Set(walls.value.flatMap((wall) => wall.duty.map((d) => d.name)))];
  return <span class="duty">{names.length > 0 ? t("ui.on_duty", { names: names.join(", ") }) : t("ui.nobody_on_duty")}</span>;
}

function Views() {
  if (me.value?.role === "display") return null; // shows and does nothing
  const now = route.value.view === "resident" ? "people" : route.value.view;
  return (
    <nav class="views" aria-label={t("ui.pages")}>
      {VIEWS.map(([view, word]) => <a key={view} class="button plain" href={to(view)} data-view-of={view || "beds"} aria-current={now === view ? "page" : undefined}>{t(word)}</a>)}
    </nav>
  );
}

function OtherPages() {
  const who = me.value;
  const others = who === null ? [] : mayOpen(who).filter((page) => page.path !== "/wall");
  return <nav class="frame-pages" aria-label={t("ui.pages")}>{others.map((page) => <a key={page.path} href={page.path}>{t(page.word)}</a>)}</nav>;
}

function typing(): boolean {
  return [...document.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>(".beside input:not([type=checkbox]), .beside textarea")].some((field) => field.value !== "");
}

function useReturn(): void {
  useEffect(() => {
    let last = Date.now();
    const touched = () => (last = Date.now());
    for (const name of ["pointerdown", "keydown"]) addEventListener(name, touched);
    const timer = setInterval(() => {
      if (route.value.view !== "" && Date.now() - last > IDLE_MS && !typing()) location.hash = to("");
    }, 10_000);
    return () => {
      for (const name of ["pointerdown", "keydown"]) removeEventListener(name, touched);
      clearInterval(timer);
    };
  }, []);
}

export function WallPage() {
  useReturn();
  const first = queue.value.find((a) => a.state === "raised");
  const only = walls.value.length === 1 ? walls.value[0] : undefined;
  return (
    <div class={connected.value ? "wall" : "wall disconnected"}>
      <header class="bar">
        <h1>{only !== undefined ? t("ui.wall_title", { site: only.site.name }) : t("ui.wall")}</h1>
        <Connection /> <Sound /> <SoundPause /> <SiteSwitch /> <ZoneSwitch />
        <Duty />
        <Views />
        <Menu><p>{me.value?.name}</p><div class="row"><Switches /></div><OtherPages /></Menu>
        <Clock />
      </header>
      <Announcer text={first === undefined ? "" : `${wordOf(first)} ${whereOf(first)} ${describe(first)}`} />
      <LostBanner />
      <main class="wall-main">
        <Queue />
        {route.value.view === "" || route.value.view === "mine" ? <Beds /> : <section class="aside" aria-label={t("ui.details")}><Beside phone={false} /></section>}
      </main>
      <footer class="fine">{t("app.not_a_medical_alarm")}</footer>
    </div>
  );
}
