// What stands at the head of every page: connection, sound, site, language, person, clock.
import { useEffect } from "preact/hooks";
import { ago, clock, span, t, tCode } from "./i18n";
import { arm, armedAt, endPause, pause, pauseSound, tryArm } from "./sound";
import { connected, faults, heardAt, me, now, queue, serverNow, site, tz, walls, zone } from "./state";
export { Said } from "./ui/notice"; // pages of before the design system import these from here
export { LangSwitch, SignOut } from "./ui/switches";

export function Connection() {
  const live = connected.value;
  return (
    <span class={live ? "pill ok" : "pill bad"} data-connection={live ? "live" : "lost"} role="status">
      {live ? t("ui.live") : t("ui.connection_lost")}
    </span>
  );
}

export function LostBanner({ brief = false }: { brief?: boolean }) {
  if (connected.value) return null;
  const contact = t("ui.last_contact", { age: ago(now.value - heardAt.value) });
  return <p class="lost-banner" role="alert">{brief ? contact : `${t("ui.connection_lost")} · ${contact}`}</p>;
}

export function Sound() {
  useEffect(tryArm, []);
  if (armedAt.value !== null) {
    return <button type="button" class="pill ok" data-sound="on" onClick={() => void arm()}>{t("ui.sound_on", { at: clock(armedAt.value, tz.value).slice(0, 5) })}</button>;
  }
  return <button type="button" class="pill bad" data-sound="off" onClick={() => void arm()}>{t("ui.sound_off")}</button>;
}

// At most two minutes, with the time left on it; something worse ends it. Only where there is a sound to pause.
export function SoundPause() {
  const now = pause.value;
  const left = now === null ? 0 : now.until - serverNow.value;
  if (now !== null && left > 0) return <button type="button" class="pill warn" data-pause={Math.ceil(left / 1000)} onClick={endPause}>{t("ui.pause.left", { span: span(left) })}</button>;
  if (armedAt.value === null) return null;
  return <button type="button" class="plain" data-pause="off" onClick={pauseSound}>{t("ui.pause")}</button>;
}

export function Clock() {
  return <time class="clock">{clock(serverNow.value, tz.value)}</time>;
}

function go(next: Record<string, string>): void {
  const query = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(next)) {
    if (value === "") query.delete(key);
    else query.set(key, value);
  }
  location.assign(`${location.pathname}?${query}`);
}

export function SiteSwitch() {
  const sites = me.value?.sites ?? [];
  if (sites.length < 2) return null;
  return (
    <select aria-label={t("ui.site")} value={site.value ?? ""} onChange={(e) => go({ site: e.currentTarget.value, zone: "" })}>
      <option value="">{t("ui.all_sites")}</option>
      {sites.map((s) => <option key={s.id} value={s.id}>{s.name}</option>)}
    </select>
  );
}

export function ZoneSwitch() {
  const only = walls.value.length === 1 ? walls.value[0] : undefined;
  if (only === undefined || only.zones.length < 2) return null;
  return (
    <select aria-label={t("ui.zone")} value={zone.value ?? ""} onChange={(e) => go({ zone: e.currentTarget.value, site: only.site.id })}>
      <option value="">{t("ui.all_zones")}</option>
      {only.zones.map((z) => <option key={z.id} value={z.id}>{z.name}</option>)}
    </select>
  );
}

export function Faults() {
  if (faults.value.length === 0) return null;
  return (
    <ul class="faults" aria-label={t("ui.faults")}>
      {faults.value.map((f) => <li key={`${f.code}/${f.subject}`}>⚠ {tCode(`fault.${f.code}`, { ...f.params, subject: f.subject })}</li>)}
    </ul>
  );
}

// For screen readers: the most urgent alert that nobody has claimed.
export function Announcer({ text }: { text: string }) {
  return <p class="only-read" aria-live="assertive">{text}</p>;
}

export function Calm({ mine = false }: { mine?: boolean }) {
  if (mine) return <p class="calm">{t("ui.nothing_mine")}</p>;
  if (!connected.value) return <p class="calm unknown" data-calm="unknown">{t("ui.unknown_now")}</p>;
  if (queue.value.length > 0) return null;
  return <p class="calm" data-calm="calm">{t("alerts.none", { at: clock(serverNow.value, tz.value) })}</p>;
}
