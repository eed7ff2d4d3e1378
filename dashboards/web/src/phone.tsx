// The queue in one hand: everything the person answers for, in one column.
import { useSignal } from "@preact/signals";
import { AlertCard, describe, whereOf, wordOf } from "./alert-card";
import { Announcer, Calm, Clock, Connection, LostBanner, Said, Sound } from "./header";
import { t } from "./i18n";
import { connected, me, queue } from "./state";
import { Switches } from "./ui/switches";

export function Phone() {
  const tab = useSignal<"queue" | "mine">("queue");
  const mine = queue.value.filter((a) => a.claimed_by === me.value?.id && a.state !== "cleared");
  const shown = tab.value === "mine" ? mine : queue.value;
  const first = queue.value.find((a) => a.state === "raised");
  return (
    <div class={connected.value ? "phone" : "phone disconnected"}>
      <header class="bar"><h1>{t("app.name")}</h1><Connection /><Clock /></header>
      <Announcer text={first === undefined ? "" : `${wordOf(first)} ${whereOf(first)} ${describe(first)}`} />
      <main>
        <LostBanner brief />
        <Said />
        {shown.length === 0 && <Calm mine={tab.value === "mine"} />}
        {shown.map((a) => <AlertCard key={a.id} alert={a} phone />)}
        <div class="tools"><Sound /><Switches /></div>
        <p class="fine">{me.value?.name} · {t("app.not_a_medical_alarm")}</p>
      </main>
      <nav class="tabs" aria-label={t("ui.pages")}>
        <button type="button" aria-pressed={tab.value === "queue"} onClick={() => (tab.value = "queue")}>{t("ui.tab.queue")} <b>{queue.value.length}</b></button>
        <button type="button" aria-pressed={tab.value === "mine"} onClick={() => (tab.value = "mine")}>{t("ui.tab.mine")} <b>{mine.length}</b></button>
      </nav>
    </div>
  );
}
