// What a family sees of each resident that was shared with it: large, one column, no jargon; only what the consent opens is there at all.
import type { ComponentChild } from "preact";
import { useEffect } from "preact/hooks";
import { chosen, doc, ended, gotAt, load, loadLooks, pick, at, type FamilyDoc } from "./family-data";
import { Handling, Today, WeekPart, What } from "./family-now";
import { Desk, Documents, Looks, Notes, Scope, Visits } from "./family-talk";
import { t } from "./i18n";
import { Relay, type LiveMessage } from "./relay";
import { clockOffsetMs, me, now } from "./state";
import { Button, Loading, PageFrame } from "./ui";
import "./family.css";

const AGAIN_MS = 10_000;
const LOST_MS = 15_000; // the page asks every ten seconds

// A stream that the server closes means that the reach has changed: ask at once.
function listen(message: LiveMessage): void {
  if (message.event === "closed" || message.event === "denied" || message.event === "reopened") void load();
}

function Shown({ shown }: { shown: FamilyDoc }) {
  const lost = now.value - gotAt.value > LOST_MS;
  const own = shown.scope.consents.some((grant) => grant.relation === "self");
  useEffect(() => {
    if (own && shown.scope.classes.includes("looks")) void loadLooks();
  }, [own, shown.resident.id]);
  return (
    <>
      <h2 class="who">{shown.resident.name}{shown.place !== undefined && ` · ${shown.place.label}`}</h2>
      {own && <p class="small">{t("family.own")}</p>}
      {lost && <p class="lost" role="alert" data-lost>{t("family.lost", { at: at(gotAt.value + clockOffsetMs.value, shown.tz) })}</p>}
      <What shown={shown} />
      {shown.handling !== undefined && <Handling rows={shown.handling} tz={shown.tz} />}
      {shown.today !== undefined && <Today rows={shown.today} />}
      {shown.notes !== undefined && <Notes rows={shown.notes} tz={shown.tz} />}
      {shown.visits !== undefined && <Visits rows={shown.visits} tz={shown.tz} />}
      {shown.documents !== undefined && <Documents rows={shown.documents} />}
      {shown.week !== undefined && <WeekPart rows={shown.week} tz={shown.tz} />}
      <Desk shown={shown} />
      <Scope shown={shown} />
      {shown.scope.classes.includes("looks") && <Looks />}
    </>
  );
}

function Nothing({ state, text }: { state: string; text: string }) {
  return <p class="how no_data" data-state={state} role="status">{text}</p>;
}

export function FamilyPage() {
  const people = me.value?.residents ?? [];
  useEffect(() => {
    pick(people[0]?.id ?? null);
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
    <PageFrame title={t("app.name")} narrow foot={t("family.disclaimer")}>
      <div class="family" data-role="family">
        {people.length > 1 && (
          <nav class="chips" aria-label={t("family.who")}>
            {people.map((person) => <Button key={person.id} aria-pressed={person.id === chosen.value} onClick={() => pick(person.id)}>{person.name}</Button>)}
          </nav>
        )}
        {shown !== null ? <Shown key={shown.resident.id} shown={shown} /> : people.length === 0 ? <Nothing state="empty" text={t("family.empty")} /> : ended.value ? <Nothing state="ended" text={t("family.ended")} /> : <Loading />}
      </div>
    </PageFrame>
  );
}

export function familyPage(): ComponentChild {
  return <FamilyPage />;
}
