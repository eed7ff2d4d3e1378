import { Buttons } from "./alert-buttons";
import { Going } from "./going";
import { span, t, tCode } from "./i18n";
import { connected, me, serverNow } from "./state";
import { Trend } from "./trend";
import type { Alert } from "./types";

const MARK = { high: "■■■", medium: "■■", low: "■", info: "·" } as const;

export function describe(alert: Alert): string {
  return tCode(alert.code, { ...alert.params, device: alert.device_id });
}

export function toneOf(alert: Alert): string {
  return alert.kind === "technical" ? "technical" : alert.priority;
}

export function wordOf(alert: Alert): string {
  return alert.kind === "technical" ? t("kind.technical") : t(`priority.${alert.priority}`);
}

// For lists: priority by shape and word, as on the card.
export function MarkWord({ alert }: { alert: Alert }) {
  return <span class={`priority ${toneOf(alert)}`}><span class="mark" aria-hidden="true">{MARK[alert.priority]}</span> {wordOf(alert)}</span>;
}

export function whereOf(alert: Alert): string {
  const who = alert.resident?.name ?? (alert.kind === "technical" ? alert.device_id : t("alert.no_resident"));
  return [alert.place || t("ui.place_unknown"), who].filter(Boolean).join("  ");
}

function Drill({ alert }: { alert: Alert }) {
  return alert.origin === "live" ? null : <span class="drill" title={t(`origin.${alert.origin}`)}>{t("ui.drill")}</span>;
}

// Whose house: only where the person answers for more than one.
function siteName(alert: Alert): string | null {
  const sites = me.value?.sites ?? [];
  return sites.length < 2 ? null : (sites.find((s) => s.id === alert.site_id)?.name ?? null);
}

export function standing(alert: Alert): string {
  const at = serverNow.value;
  if (alert.state === "cleared") return t(alert.params.not_applicable ? "standing.not_applicable" : "standing.cleared");
  if (alert.state === "raised") return t("standing.raised");
  const arrived = alert.state === "arrived";
  const since = span(at - ((arrived ? alert.arrived_ms : alert.claimed_ms) ?? at));
  if (alert.claimed_by === me.value?.id) return `${t(arrived ? "ui.you_are_there" : "ui.you_go")} · ${since}`;
  return `${t(arrived ? "standing.arrived" : "standing.claimed", { name: alert.claimed_name ?? alert.claimed_by })} · ${since}`;
}

function Standing({ alert }: { alert: Alert }) {
  const at = serverNow.value;
  const silenced = (alert.silenced_until_ms ?? 0) > at;
  const next = alert.next_step_ms ?? 0;
  return (
    <p class="standing" data-standing={alert.state}>
      <b>{standing(alert)}</b>
      {alert.supported_by.length > 0 && <span> · {t("ui.supported", { n: alert.supported_by.length })}</span>}
      {alert.step > 0 && alert.state === "raised" && <span> · {t("ui.step", { n: alert.step })}</span>}
      {alert.state === "raised" && next > at && connected.value && <span class="next"> · {t("alert.next_step", { span: span(next - at) })}</span>}
      {silenced && <span data-silenced> · {t("ui.silence.left", { span: span((alert.silenced_until_ms ?? at) - at) })}</span>}
    </p>
  );
}

function Since({ alert }: { alert: Alert }) {
  const age = serverNow.value - alert.raised_ms;
  return (
    <p class="since" data-age={Math.max(0, Math.round(age / 1000))}>
      {t("alert.since", { age: span(age) })}
      {alert.count > 1 && <b> · {t("alert.count", { n: alert.count })}</b>}
      {alert.late_s >= 60 && <b> · {t("alert.late", { late: span(alert.late_s * 1000) })}</b>}
      {alert.condition_over && alert.state !== "cleared" && <span> · {t(alert.params.not_applicable ? "alert.not_applicable" : "alert.condition_over")}</span>}
    </p>
  );
}

// What one has to know before one goes in: the wearer's own word, and that nobody knows how it is now.
function Hints({ alert }: { alert: Alert }) {
  return (
    <>
      {alert.wearer_ok_ms !== null && <p class="heed" data-wearer-ok>{t("reason.wearer_ok")}</p>}
      {alert.stale && <p class="heed" data-stale>{t("alert.stale")}</p>}
    </>
  );
}

interface Card {
  alert: Alert;
  phone?: boolean;
  short?: boolean;
  sheet?: boolean; // stands on its own sheet, which has everything else beneath it
}

export function AlertCard({ alert, phone = false, short = false, sheet = false }: Card) {
  const mine = alert.claimed_by === me.value?.id;
  const owned = alert.state === "claimed" || alert.state === "arrived";
  const house = siteName(alert);
  const full = phone ? mine || (!owned && alert.kind !== "technical") : !short;
  const classes = ["alert", toneOf(alert), `state-${alert.state}`, short ? "short" : "", mine ? "mine" : ""];
  return (
    <article
      class={classes.join(" ")} tabIndex={-1} aria-label={`${wordOf(alert)} ${whereOf(alert)}`}
      data-alert={alert.id} data-state={alert.state} data-priority={alert.priority} data-kind={alert.kind}
    >
      <header>
        <span class="mark" aria-hidden="true">{MARK[alert.priority]}</span>
        <span class="word">{wordOf(alert)}</span>
        <h2 class="where">{whereOf(alert)}</h2>
        <Drill alert={alert} />
      </header>
      <div class="body">
        <div class="gist"><p class="what">{describe(alert)}</p><Since alert={alert} /></div>
        {house !== null && <p class="site">{house}</p>}
        <Standing alert={alert} />
        <Hints alert={alert} />
        {phone && mine && !sheet && <Going alert={alert} />}
      </div>
      <Buttons alert={alert} full={full || sheet} sheet={sheet} />
      {phone && mine && !sheet && alert.resident !== null && <Trend id={alert.id} />}
    </article>
  );
}
