import { useSignal } from "@preact/signals";
import { AlertCard } from "./alert-card";
import { Clock, Connection, LangSwitch, SignOut, SiteSwitch, Sound } from "./header";
import { age, lang, t } from "./i18n";
import { connected, heardAt, me, notice, now, queue, wall } from "./state";

export function Phone() {
  void lang.value;
  const tab = useSignal<"queue" | "mine">("queue");
  const ward = wall.value;
  if (ward === null) return <main class="phone"><p>{t("ui.loading")}</p></main>;
  const mine = queue.value.filter((a) => a.claimed_by === me.value?.id);
  const shown = tab.value === "mine" ? mine : queue.value;
  return (
    <div class={`phone ${connected.value ? "" : "disconnected"}`}>
      <header class="bar"><h1>{ward.site.name}</h1><Connection /><Clock /></header>
      <main>
        {!connected.value && <p class="notice" role="alert">{t("ui.last_contact", { age: age(now.value - heardAt.value) })}</p>}
        {notice.value !== null && <p class="notice" role="alert">{notice.value}</p>}
        {shown.length === 0 && <p class="calm">{tab.value === "mine" ? t("ui.nothing_mine") : t("ui.calm")}</p>}
        {shown.map((a) => <AlertCard key={a.id} alert={a} big />)}
        <p class="tools"><Sound /><SiteSwitch /><LangSwitch /><SignOut /></p>
        <p class="fine">{t("ui.not_a_medical_device")}</p>
      </main>
      <nav class="tabs" aria-label={t("ui.pages")}>
        <button aria-pressed={tab.value === "queue"} onClick={() => (tab.value = "queue")}>{t("ui.tab.queue", { n: queue.value.length })}</button>
        <button aria-pressed={tab.value === "mine"} onClick={() => (tab.value = "mine")}>{t("ui.tab.mine", { n: mine.length })}</button>
      </nav>
    </div>
  );
}
