// Signs in, then opens the page of the table in pages.ts; / goes to the one that fits the person and the screen.
import { effect } from "@preact/signals";
import { render } from "preact";
import { api, Problem } from "./api";
import { bring, chosen, has, lang, setLang, t } from "./i18n";
import { Login } from "./login";
import { Nowhere } from "./nowhere";
import { homeOf, PAGES } from "./pages";
import { me, queue } from "./state";
import type { Me } from "./types";
import { fit } from "./ui/prefs";
import { backHere, nextPath } from "./ui/session";

const RETRY_MS = 2000;
const root = document.getElementById("app") as HTMLElement;

effect(() => {
  document.documentElement.lang = lang.value === "zh" ? "zh-CN" : "en";
  const waiting = queue.value.filter((a) => a.state === "raised" && a.kind !== "technical").length;
  if (!has("app.name")) return; // no language is there yet
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
        location.replace(backHere());
        return new Promise(() => undefined);
      }
      render(<Waiting />, root);
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }
}

// A page's code did not come: the server was upgraded under this page. One that is drawn already stays: it knows how to ask again.
let drawn = false;
addEventListener("vite:preloadError", () => {
  if (!drawn) setTimeout(() => location.reload(), RETRY_MS);
});

// Nothing can be said without words: a server that is away is asked again until it is back.
async function patiently(fetch: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await fetch();
      return;
    } catch {
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }
}

async function start(): Promise<void> {
  await patiently(() => bring(lang.value, "core"));
  if (location.pathname === "/login") {
    render(<Login onDone={() => location.assign(nextPath())} />, root);
    return;
  }
  if (location.pathname === "/terminal") {
    const { BecomeTerminal } = await import("./terminal");
    render(<BecomeTerminal />, root);
    return;
  }
  if (location.pathname === "/invite") {
    const { InvitePage } = await import("./invite");
    render(<InvitePage />, root);
    return;
  }
  render(<Loading />, root);
  const who = await whoAmI();
  me.value = who;
  fit(who);
  if (chosen() === null && (who.lang === "zh" || who.lang === "en")) await patiently(() => setLang(who.lang === "zh" ? "zh" : "en", false));
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
  if (page.words !== "core") await patiently(() => bring(lang.value, "rest"));
  const content = await page.load(who);
  drawn = true;
  render(content, root);
}

void start();
