// Signing in: a password (and a code, where the account has a second factor), or a PIN on a phone of the house.
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { api, call, Problem } from "./api";
import { t, tCode } from "./i18n";
import { PinSignIn, type Person } from "./pin";
import { Switches } from "./ui/switches";

export function asProblem(caught: unknown): Problem {
  if (caught instanceof Problem) return caught;
  throw caught;
}

interface Ways {
  terminal: { name: string } | null;
  people: Person[];
}

function PasswordForm({ onDone }: { onDone: () => void }) {
  const user = useSignal("");
  const password = useSignal("");
  const code = useSignal("");
  const asked = useSignal(false);
  const error = useSignal<Problem | null>(null);
  const busy = useSignal(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    busy.value = true;
    error.value = null;
    try {
      await api.signIn(user.value.trim(), password.value, code.value);
      onDone();
    } catch (caught) {
      const problem = asProblem(caught);
      // Asking for the code is a step, not a mistake.
      if (problem.code === "session.code_needed") asked.value = true;
      else error.value = problem;
      code.value = "";
      busy.value = false;
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <label>
        {t("session.user")}
        <input name="user" maxLength={64} autocomplete="username" autocapitalize="none" spellcheck={false} value={user.value} onInput={(e) => (user.value = e.currentTarget.value)} required />
      </label>
      <label>
        {t("session.password")}
        <input name="password" maxLength={256} type="password" autocomplete="current-password" value={password.value} onInput={(e) => (password.value = e.currentTarget.value)} required />
      </label>
      {asked.value && (
        <label>
          {t("session.code")}
          <input name="code" maxLength={12} inputMode="numeric" autocomplete="one-time-code" ref={(field) => field?.focus()} value={code.value} onInput={(e) => (code.value = e.currentTarget.value)} required />
        </label>
      )}
      {asked.value && error.value === null && <p role="status">{t("error.session.code_needed")}</p>}
      {error.value !== null && <p class="error" role="alert">{tCode(`error.${error.value.code}`, error.value.params)}</p>}
      <button class="primary" type="submit" disabled={busy.value}>{t("session.sign_in")}</button>
    </form>
  );
}

export function Login({ onDone }: { onDone: () => void }) {
  const ways = useSignal<Ways | null>(null);
  const withPassword = useSignal(false);
  useEffect(() => {
    // Not reaching the server is said by the form that is sent; without an answer there is the password.
    call<Ways>("GET", "/session/ways").then((found) => (ways.value = found), () => (ways.value = { terminal: null, people: [] }));
  }, []);
  const people = ways.value?.people ?? [];
  const pin = people.length > 0 && !withPassword.value;
  return (
    <main class="page">
      <h1>{t("app.name")}{ways.value?.terminal != null && <> · {ways.value.terminal.name}</>}</h1>
      <p class="lead">{t("ui.tagline")}</p>
      {pin ? <PinSignIn people={people} onDone={onDone} /> : <PasswordForm onDone={onDone} />}
      {people.length > 0 && (
        <p class="links">
          <button type="button" onClick={() => (withPassword.value = !withPassword.value)}>{t(pin ? "entry.with_password" : "entry.with_pin")}</button>
        </p>
      )}
      <p class="links"><Switches /> <a class="button" href="/m/login">{t("ui.plain_pages")}</a></p>
      <p class="fine">{t("app.not_a_medical_alarm")}</p>
    </main>
  );
}
