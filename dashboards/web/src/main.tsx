// Which page: /login, /wall, /phone; / goes to the one that fits the person and the screen.
import { effect } from "@preact/signals";
import { render } from "preact";
import { api, Problem } from "./api";
import { chosen, lang, setLang, t } from "./i18n";
import { open, toLogin } from "./load";
import { Login, NewPassword } from "./login";
import { ownPage } from "./own";
import { Phone } from "./phone";
import { RolePage } from "./roles";
import { me, queue, site, zone } from "./state";
import type { Me } from "./types";
import { WallPage } from "./wall";

const RETRY_MS = 2000;
const root = document.getElementById("app") as HTMLElement;
const fits = () => (innerWidth < 800 ? "/phone" : "/wall");

effect(() => {
  document.documentElement.lang = lang.value === "zh" ? "zh-CN" : "en";
  const waiting = queue.value.filter((a) => a.state === "raised" && a.kind !== "technical").length;
  document.title = waiting > 0 ? `(${waiting}) ${t("app.name")}` : t("app.name");
});

function Waiting() {
  return <main class="page"><h1>{t("app.name")}</h1><p role="status">{t("error.unreachable")}</p></main>;
}

function Loading() {
  return <main class="page"><h1>{t("app.name")}</h1><p role="status">{t("ui.loading")}</p></main>;
}

// Waits for a server that is down; without a session it goes to the sign-in page.
async function whoAmI(): Promise<Me> {
  for (;;) {
    try {
      return await api.me();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 401) {
        toLogin();
        return new Promise(() => undefined);
      }
      render(<Waiting />, root);
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }
}

async function start(): Promise<void> {
  if (location.pathname === "/login") {
    render(<Login onDone={() => location.assign("/")} />, root);
    return;
  }
  render(<Loading />, root);
  const who = await whoAmI();
  me.value = who;
  if (chosen() === null && (who.lang === "zh" || who.lang === "en")) setLang(who.lang, false);
  if (who.must_change_password) {
    render(<NewPassword onDone={() => location.reload()} />, root);
    return;
  }
  const own = await ownPage(who);
  if (own !== null) return void render(own, root);
  const cares = who.role === "caregiver" || who.role === "clinician";
  const queueOnly = who.role === "operator" && location.pathname === "/phone";
  if (!queueOnly && (!cares || who.sites.length === 0)) {
    render(<RolePage />, root);
    return;
  }
  if (location.pathname === "/") history.replaceState(null, "", fits() + location.search);
  const phone = location.pathname === "/phone";
  const asked = new URLSearchParams(location.search);
  site.value = who.sites.find((s) => s.id === asked.get("site"))?.id ?? (who.sites.length === 1 ? (who.sites[0]?.id ?? null) : null);
  zone.value = site.value === null ? null : asked.get("zone");
  if (phone) site.value = zone.value = null;
  await open(!phone);
  render(phone ? <Phone /> : <WallPage />, root);
}

void start();
