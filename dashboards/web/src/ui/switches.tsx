// Language, large version, theme, sign-out: the four switches that every page has.
import { api, call, Problem } from "../api";
import { lang, setLang, t, tCode, type Lang } from "../i18n";
import { say } from "../notice";
import { me } from "../state";
import { elder, setElder, setTheme, theme } from "./prefs";
import { toLogin } from "./session";

// This screen at once, and the person's other screens from now on; if that cannot be kept, this screen is right all the same.
function keep(sent: Promise<unknown>): void {
  sent.catch((error: unknown) => {
    if (!(error instanceof Problem)) throw error;
    say({ text: tCode(`error.${error.code}`) });
  });
}

function speak(next: Lang): void {
  setLang(next).catch(() => say({ text: t("error.unreachable") })); // its words could not be fetched
  if (me.value !== null) keep(api.language(next));
}

export function LangSwitch() {
  const next = lang.value === "zh" ? "en" : "zh";
  return (
    <button type="button" class="plain" data-lang={next} lang={next === "zh" ? "zh-CN" : "en"} onClick={() => speak(next)}>
      {next === "zh" ? "中文" : "English"}
    </button>
  );
}

export function ElderSwitch() {
  const turn = () => {
    setElder(!elder.value);
    if (me.value !== null) keep(call("POST", "/me/elder", { elder: elder.value }));
  };
  return <button type="button" class="plain" data-elder-switch aria-pressed={elder.value} onClick={turn}>{t("ui.elder")}</button>;
}

export function ThemeSwitch() {
  const dark = theme.value === "dark";
  return <button type="button" class="plain" data-theme-switch onClick={() => setTheme(dark ? "light" : "dark")}>{t(dark ? "ui.theme.light" : "ui.theme.dark")}</button>;
}

export function SignOut() {
  return <button type="button" class="plain" data-sign-out onClick={() => void api.signOut().then(() => toLogin(), () => toLogin())}>{t("session.sign_out")}</button>;
}

export function Switches() {
  return <><LangSwitch /><ElderSwitch /><ThemeSwitch />{me.value !== null && <SignOut />}</>;
}
