// Makes this browser a display or a phone of the house: somebody types the code that the terminals page shows.
import { useSignal } from "@preact/signals";
import { call } from "./api";
import { Switches } from "./ui/switches";
import { t, tCode } from "./i18n";
import { asProblem } from "./login";

interface Made {
  terminal: { kind: "display" | "phone"; name: string };
}

export function BecomeTerminal() {
  const code = useSignal("");
  const error = useSignal("");
  const made = useSignal<Made | null>(null);
  const send = async (event: Event) => {
    event.preventDefault();
    error.value = "";
    try {
      made.value = await call<Made>("POST", "/session/terminal", { code: code.value });
      if (made.value.terminal.kind === "display") location.assign("/wall");
    } catch (caught) {
      const problem = asProblem(caught);
      error.value = tCode(`error.${problem.code}`, problem.params);
    }
  };
  return (
    <main class="page">
      <h1>{t("entry.terminal_title")}</h1>
      {made.value === null ? (
        <form onSubmit={(event) => void send(event)}>
          <p class="lead">{t("entry.terminal_lead")}</p>
          <label>
            {t("entry.terminal_code")}
            <input name="code" maxLength={20} autocomplete="off" autocapitalize="characters" spellcheck={false} value={code.value} onInput={(e) => (code.value = e.currentTarget.value)} required />
          </label>
          {error.value !== "" && <p class="error" role="alert">{error.value}</p>}
          <button class="primary" type="submit">{t("entry.terminal_make")}</button>
        </form>
      ) : (
        <p class="lead" role="status">{t("entry.terminal_done", { name: made.value.terminal.name })}</p>
      )}
      <p class="links"><a class="button" href="/login">{t("entry.to_sign_in")}</a> <Switches /></p>
    </main>
  );
}
