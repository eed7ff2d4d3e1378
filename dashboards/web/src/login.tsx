import { useSignal } from "@preact/signals";
import { api, Problem } from "./api";
import { LangSwitch } from "./header";
import { lang, t, tCode } from "./i18n";

export function Login({ onDone }: { onDone: () => void }) {
  const user = useSignal("");
  const password = useSignal("");
  const error = useSignal<string | null>(null);
  const busy = useSignal(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    busy.value = true;
    error.value = null;
    try {
      await api.signIn(user.value.trim(), password.value);
      onDone();
    } catch (caught) {
      error.value = caught instanceof Problem ? caught.code : "unreachable";
      busy.value = false;
    }
  };
  void lang.value;
  return (
    <main class="page-login">
      <h1>{t("ui.product")}</h1>
      <p>{t("ui.tagline")}</p>
      <form onSubmit={(event) => void submit(event)}>
        <label>
          {t("ui.user")}
          <input name="user" autocomplete="username" autocapitalize="none" value={user.value} onInput={(e) => (user.value = e.currentTarget.value)} required />
        </label>
        <label>
          {t("ui.password")}
          <input name="password" type="password" autocomplete="current-password" value={password.value} onInput={(e) => (password.value = e.currentTarget.value)} required />
        </label>
        {error.value !== null && <p class="error" role="alert">{tCode(`error.${error.value}`)}</p>}
        <button class="primary" type="submit" disabled={busy.value}>{t("ui.sign_in")}</button>
      </form>
      <LangSwitch />
      <p class="fine">{t("ui.not_a_medical_device")}</p>
    </main>
  );
}
