// Where an invitation leads: what it would open, and an account of one's own. The token stands behind the # and never in a server's log.
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { call, Problem } from "./api";
import { at, list } from "./family-data";
import { lang, t, tCode } from "./i18n";
import { CheckField, ErrorState, Form, Button, LangSwitch, Loading, TextField } from "./ui";
import "./family.css";

interface Invitation {
  tz: string;
  name: string;
  relation: string;
  resident: string;
  site: string;
  classes: string[];
  until_ms: number;
  giver: string;
  guardian: boolean;
  me: { name: string; login: string } | null;
}

function Account({ token, name }: { token: string; name: string }) {
  const [who, user, password, again, promise] = [useSignal(name), useSignal(""), useSignal(""), useSignal(""), useSignal(false)];
  const wrong = useSignal<"" | "differ" | "promise">("");
  const send = async () => {
    wrong.value = password.value !== again.value ? "differ" : !promise.value ? "promise" : "";
    if (wrong.value !== "") return;
    await call("POST", "/invite/accept", { token, user: user.value.trim(), password: password.value, name: who.value.trim(), lang: lang.value });
    location.assign("/family");
  };
  return (
    <section>
      <h2>{t("invite.make")}</h2>
      <Form submit={t("invite.accept")} onSubmit={send}>
        <TextField label={t("invite.name")} name="name" value={who} maxLength={80} autocomplete="name" />
        <TextField label={t("invite.user")} name="user" value={user} maxLength={64} autocomplete="username" />
        <TextField label={t("invite.password")} name="password" type="password" value={password} maxLength={128} autocomplete="new-password" />
        <TextField label={t("invite.again")} name="again" type="password" value={again} maxLength={128} autocomplete="new-password" {...(wrong.value === "differ" ? { error: t("ui.password.differ") } : {})} />
        <CheckField label={t("invite.promise")} name="promise" value={promise} />
        {wrong.value === "promise" && <p class="error" role="alert">{t("invite.promise.missing")}</p>}
      </Form>
      <p class="links"><a class="button" href="/login?next=/invite" data-act="have">{t("invite.have")}</a></p>
    </section>
  );
}

function Opened({ token, shown }: { token: string; shown: Invitation }) {
  const join = async () => {
    await call("POST", "/invite/join", { token });
    forget();
    location.assign("/family");
  };
  return (
    <>
      <p class="how">{t(shown.relation === "self" ? "invite.lead.self" : "invite.lead", { site: shown.site, resident: shown.resident })}</p>
      <h2>{t("invite.what")}</h2>
      <p>{list(shown.classes.map((word) => tCode(`class.${word}`)))}</p>
      <p class="small">{t("invite.by", { giver: shown.giver, until: at(shown.until_ms, shown.tz, true) })}</p>
      {shown.me === null ? <Account token={token} name={shown.name} /> : (
        <Form submit={t("invite.join", { name: shown.me.name })} onSubmit={join}><></></Form>
      )}
    </>
  );
}

// Somebody who signs in first comes back here: the token waits in this window only, and no longer than it is open.
const KEPT = "anxin.invitation";

function forget(): void {
  sessionStorage.removeItem(KEPT);
}

function tokenHere(): string {
  const given = location.hash.slice(1);
  if (/^[A-Za-z0-9_-]{20,64}$/.test(given)) {
    sessionStorage.setItem(KEPT, given);
    return given;
  }
  return sessionStorage.getItem(KEPT) ?? "";
}

export function InvitePage() {
  const token = tokenHere();
  const shown = useSignal<Invitation | null>(null);
  const problem = useSignal<Problem | null>(null);
  const load = async () => {
    problem.value = null;
    try {
      shown.value = await call<Invitation>("POST", "/invite/open", { token });
    } catch (caught) {
      if (!(caught instanceof Problem)) throw caught;
      problem.value = caught;
      if (caught.status === 404) forget();
    }
  };
  useEffect(() => {
    if (token !== "") void load();
  }, []);
  const failed = problem.value;
  return (
    <main class="frame-body narrow family" data-page="invite">
      <h1 class="who">{t("app.name")} · {t("invite.title")}</h1>
      {token === "" ? <p class="how no_data" data-state="no_token">{t("invite.no_token")}</p>
        : failed?.status === 404 ? <p class="how no_data" data-state="over">{t("invite.over")}</p>
        : failed !== null ? <ErrorState problem={failed} onRetry={() => void load()} />
        : shown.value === null ? <Loading /> : <Opened token={token} shown={shown.value} />}
      <p class="links"><LangSwitch /> <Button tone="plain" onClick={() => location.assign("/login")}>{t("session.sign_in")}</Button></p>
      <p class="small">{t("family.disclaimer")}</p>
    </main>
  );
}
