// Which page: /login, /wall, /phone; / goes to the one that fits the screen.
import { render } from "preact";
import { api, Problem } from "./api";
import { applyLang, setLang, t } from "./i18n";
import { Login } from "./login";
import { Phone } from "./phone";
import { me, open } from "./state";
import { WallPage } from "./wall";

const root = document.getElementById("app") as HTMLElement;
const fits = () => (innerWidth < 800 ? "/phone" : "/wall");

function Empty({ text }: { text: string }) {
  return (
    <main class="page-login">
      <h1>{t("ui.product")}</h1>
      <p>{text}</p>
      <button class="plain" onClick={() => void api.signOut().finally(() => location.assign("/login"))}>{t("ui.sign_out")}</button>
    </main>
  );
}

async function start(): Promise<void> {
  applyLang();
  if (location.pathname === "/login") {
    render(<Login onDone={() => location.assign(fits())} />, root);
    return;
  }
  try {
    me.value = await api.me();
  } catch (error) {
    if (error instanceof Problem && error.status === 401) location.assign("/login");
    else render(<Empty text={t("ui.unreachable")} />, root);
    return;
  }
  const asked = new URLSearchParams(location.search);
  if (me.value.lang === "en" && !asked.has("lang") && localStorage.getItem("anxin.lang") === null) setLang("en");
  if (location.pathname === "/") {
    location.replace(fits() + location.search);
    return;
  }
  const site = me.value.sites.find((s) => s.id === asked.get("site")) ?? me.value.sites[0];
  if (site === undefined || (me.value.role !== "caregiver" && me.value.role !== "clinician")) {
    render(<Empty text={t("ui.no_wall_for_role")} />, root);
    return;
  }
  await open(site.id, asked.get("zone"));
  render(location.pathname === "/phone" ? <Phone /> : <WallPage />, root);
}

void start();
