import { useSignal } from "@preact/signals";
import { api, Problem } from "./api";
import { LangSwitch } from "./header";
import { t, tCode } from "./i18n";

function asProblem(caught: unknown): Problem {
  if (caught instanceof Problem) return caught;
  throw caught;
}

export function Login({ onDone }: { onDone: () => void }) {
  const user = useSignal("");
  const password = useSignal("");
  const error = useSignal<Problem | null>(null);
  const busy = useSignal(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    busy.value = true;
    error.value = null;
    try {
      await api.signIn(user.value.trim(), password.value);
      onDone();
    } catch (caught) {
      error.value = asProblem(caught);
      busy.value = false;
    }
  };
  return (
    <main class="page">
      <h1>{t("app.name")}</h1>
      <p class="lead">{t("ui.tagline")}</p>
      <form onSubmit={(event) => void submit(event)}>
        <label>
          {t("session.user")}
          <input name="user" maxLength={64} autocomplete="username" autocapitalize="none" spellcheck={false} value={user.value} onInput={(e) => (user.value = e.currentTarget.value)} required />
        </label>
        <label>
          {t("session.password")}
          <input name="password" maxLength={256} type="password" autocomplete="current-password" value={password.value} onInput={(e) => (password.value = e.currentTarget.value)} required />
        </label>
        {error.value !== null && <p class="error" role="alert">{tCode(`error.${error.value.code}`, error.value.params)}</p>}
        <button class="primary" type="submit" disabled={busy.value}>{t("session.sign_in")}</button>
      </form>
      <p class="links"><LangSwitch /> <a class="button" href="/m/login">{t("ui.plain_pages")}</a></p>
      <p class="fine">{t("app.not_a_medical_alarm")}</p>
    </main>
  );
}

// A one-time password opens nothing but this page.
export function NewPassword({ onDone }: { onDone: () => void }) {
  const old = useSignal("");
  const fresh = useSignal("");
  const again = useSignal("");
  const error = useSignal("");
  const submit = async (event: Event) => {
    event.preventDefault();
    error.value = fresh.value === again.value ? "" : t("ui.password.differ");
    if (error.value !== "") return;
    try {
      await api.changePassword(old.value, fresh.value);
      onDone();
    } catch (caught) {
      const problem = asProblem(caught);
      error.value = tCode(`error.${problem.code}`, problem.params);
    }
  };
  const field = (label: string, name: string, at: typeof old) => (
    <label>
      {label}
      <input name={name} type="password" maxLength={256} autocomplete={name === "old" ? "current-password" : "new-password"} value={at.value} onInput={(e) => (at.value = e.currentTarget.value)} required />
    </label>
  );
  return (
    <main class="page">
      <h1>{t("ui.password.title")}</h1>
      <p class="lead">{t("ui.password.lead")}</p>
      <form onSubmit={(event) => void submit(event)}>
        {field(t("ui.password.old"), "old", old)}
        {field(t("ui.password.fresh"), "new", fresh)}
        {field(t("ui.password.again"), "again", again)}
        {error.value !== "" && <p class="error" role="alert">{error.value}</p>}
        <button class="primary" type="submit">{t("ui.password.save")}</button>
      </form>
      <p class="links"><LangSwitch /></p>
    </main>
  );
}
