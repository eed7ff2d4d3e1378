// The queue in one hand: everything the person answers for, in one column. Whatever else is open, what calls stays in sight.
import { AlertCard, describe, MarkWord, toneOf, whereOf, wordOf } from "./alert-card";
import { Beside } from "./beside";
import { Announcer, Calm, Clock, Connection, LostBanner, Said, Sound, SoundPause } from "./header";
import { t, type Key } from "./i18n";
import { mayOpen } from "./pages";
import { route, to, type View } from "./route";
import { RuleSilences } from "./silences";
import { armedAt } from "./sound";
import { connected, me, queue } from "./state";
import type { Alert } from "./types";
import { Switches } from "./ui/switches";

const CARE = new Set(["caregiver", "clinician"]);

// Over every other view: somebody calls whom nobody goes to.
function Calling({ alert }: { alert: Alert | undefined }) {
  if (alert === undefined || alert.kind === "technical" || (route.value.view === "alert" && route.value.id === alert.id)) return null;
  return <a class={`calling ${toneOf(alert)}`} href={to("")} data-calling={alert.id}><MarkWord alert={alert} /> <b>{whereOf(alert)}</b> {describe(alert)}</a>;
}

function Tab({ view, word, count, active }: { view: View; word: Key; count?: number; active: boolean }) {
  return <a href={to(view)} data-tab={view || "queue"} aria-current={active ? "page" : undefined}>{t(word)}{count !== undefined && <b>{count}</b>}</a>;
}

function Tools() {
  const who = me.value;
  return (
    <div class="tools">
      {armedAt.value !== null && <Sound />}
      <SoundPause />
      <a class="button" href={to("calls")}>{t("calls.title")}</a>
      {who !== null && mayOpen(who).filter((page) => page.path !== "/phone").map((page) => <a key={page.path} class="button" href={page.path}>{t(page.word)}</a>)}
      <Switches />
    </div>
  );
}

function Queue({ mine, list }: { mine: boolean; list: readonly Alert[] }) {
  return (
    <>
      {list.length === 0 && <Calm mine={mine} />}
      {list.map((a) => <AlertCard key={a.id} alert={a} phone />)}
      {!mine && <RuleSilences />}
      <Tools />
      <p class="fine">{me.value?.name} · {t("app.not_a_medical_alarm")}</p>
    </>
  );
}

export function Phone() {
  const view = route.value.view;
  const mine = queue.value.filter((a) => a.claimed_by === me.value?.id && a.state !== "cleared");
  const first = queue.value.find((a) => a.state === "raised");
  const list = view === "" || view === "mine";
  const care = CARE.has(me.value?.role ?? "");
  return (
    <div class={connected.value ? "phone" : "phone disconnected"}>
      <header class="bar"><h1>{t("app.name")}</h1><Connection /><Clock /></header>
      <Announcer text={first === undefined ? "" : `${wordOf(first)} ${whereOf(first)} ${describe(first)}`} />
      <main>
        <LostBanner brief />
        {armedAt.value === null && <div class="mute"><Sound /></div>}
        <Said />
        {view !== "" && <Calling alert={first} />}
        {list ? <Queue mine={view === "mine"} list={view === "mine" ? mine : queue.value} /> : <Beside phone />}
      </main>
      <nav class="tabs" aria-label={t("ui.pages")}>
        <Tab view="" word="ui.tab.queue" count={queue.value.length} active={view === ""} />
        <Tab view="mine" word="ui.tab.mine" count={mine.length} active={view === "mine"} />
        <Tab view="handover" word="handover.title" active={view === "handover"} />
        {care && <Tab view="people" word="folk.title" active={view === "people" || view === "resident"} />}
      </nav>
    </div>
  );
}
