import { api } from "./api";
import { lang, setLang, t } from "./i18n";
import { arm, armed } from "./sound";
import { connected, me, serverNow, wall } from "./state";

export function LangSwitch() {
  const next = lang.value === "zh" ? "en" : "zh";
  return (
    <button class="plain" lang={next === "zh" ? "zh-CN" : "en"} onClick={() => setLang(next)}>
      {next === "zh" ? "中文" : "English"}
    </button>
  );
}

export function Connection() {
  const live = connected.value;
  return (
    <span class={live ? "pill ok" : "pill bad"} data-connection={live ? "live" : "lost"} role="status">
      {live ? t("ui.live") : t("ui.connection_lost")}
    </span>
  );
}

export function Sound() {
  if (armed.value) return <span class="pill ok">{t("ui.sound_on")}</span>;
  return <button class="pill bad" data-sound="off" onClick={() => void arm()}>{t("ui.sound_off")}</button>;
}

export function Clock() {
  const tz = wall.value?.site.tz ?? "Asia/Shanghai";
  const text = new Intl.DateTimeFormat("en-GB", { timeZone: tz, hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(serverNow.value);
  return <time class="clock">{text}</time>;
}

export function SiteSwitch() {
  const sites = me.value?.sites ?? [];
  if (sites.length < 2) return null;
  const go = (id: string) => location.assign(`${location.pathname}?site=${encodeURIComponent(id)}`);
  return (
    <select aria-label={t("ui.site")} value={wall.value?.site.id ?? ""} onChange={(e) => go(e.currentTarget.value)}>
      {sites.map((s) => <option key={s.id} value={s.id}>{s.name}</option>)}
    </select>
  );
}

export function SignOut() {
  return <button class="plain" onClick={() => void api.signOut().finally(() => location.assign("/login"))}>{t("ui.sign_out")}</button>;
}
