// Signs in, then opens the page of the table in pages.ts; / goes to the one that fits the person and the screen.
import { effect } from "@preact/signals";
import { render } from "preact";
import { api, Problem } from "./api";
import { chosen, lang, setLang, t } from "./i18n";
import { toLogin } from "./load";
import { Login } from "./login";
import { Nowhere } from "./nowhere";
import { homeOf, PAGES } from "./pages";
import { me, queue } from "./state";
import type { Me } from "./types";

const RETRY_MS = 2000;
const root = document.getElementById("app") as HTMLElement;

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
  if (location.pathname === "/terminal") {
    const { BecomeTerminal } = await import("./terminal");
    render(<BecomeTerminal />, root);
    return;
  }
  render(<Loading />, root);
  const who = await whoAmI();
  me.value = who;
  if (chosen() === null && (who.lang === "zh" || who.lang === "en")) setLang(who.lang, false);
  if (who.must_change_password) {
    const { NewPassword } = await import("./password");
    render(<NewPassword onDone={() => location.reload()} />, root);
    return;
  }
  if (who.must_set_factor && location.pathname !== "/account") return location.assign("/account");
  if (location.pathname === "/") history.replaceState(null, "", homeOf(who) + location.search);
  const page = PAGES.find((entry) => entry.path === location.pathname);
  if (page === undefined) return void render(<Nowhere who={who} word="error.no_such_page" />, root);
  const granted = page.roles.includes(who.role) || page.path === homeOf(who);
  if (!granted) return void render(<Nowhere who={who} word="error.not_your_page" />, root);
  render(await page.load(who), root);
}

void start();
