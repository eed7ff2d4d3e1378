import { useSignal } from "@preact/signals";
import { api } from "./api";
import { Switches } from "./ui/switches";
import { t, tCode } from "./i18n";
import { asProblem } from "./login";

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
      <p class="links"><Switches /></p>
    </main>
  );
}
