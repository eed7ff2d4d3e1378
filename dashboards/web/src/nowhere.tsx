// What is shown instead of a page that does not exist or is not this person's.
import { Switches } from "./ui/switches";
import { t, type Key } from "./i18n";
import { mayOpen } from "./pages";
import type { Me } from "./types";

export function Nowhere({ who, word }: { who: Me; word: Key }) {
  return (
    <main class="page" data-nowhere={word}>
      <h1>{t("app.name")}</h1>
      <p class="lead" role="status">{t(word)}</p>
      <p class="links">
        <a class="button" href="/">{t("ui.home")}</a>
        {mayOpen(who).map((page) => <a key={page.path} class="button" href={page.path}>{t(page.word)}</a>)}
      </p>
      <p class="links"><Switches /></p>
    </main>
  );
}
