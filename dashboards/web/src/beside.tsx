// Draws a panel as soon as its code is here; a server that is away is said, and asked again by hand.
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { signal } from "@preact/signals";
import { t } from "./i18n";
import { route, to, type Route } from "./route";
import { connected } from "./state";

type PanelType = ComponentType<{ at: Route; phone: boolean }>;
const loaded = signal<{ Panel: PanelType } | null>(null);
const failed = signal(false);
const DEEPER = new Set(["alert", "resident", "calls"]); // no tab leads away from these

// By hand: with a server that answers, code that does not come is of an older version than the server.
function again(): void {
  if (connected.value) location.reload();
  else fetchPanels();
}

function fetchPanels(): void {
  failed.value = false;
  import("./panels").then((code) => (loaded.value = { Panel: code.Panel }), () => (failed.value = true));
}

export function Beside({ phone }: { phone: boolean }) {
  useEffect(() => {
    if (loaded.value === null) fetchPanels();
  }, []);
  const code = loaded.value;
  return (
    <div class="beside">
      {DEEPER.has(route.value.view) && <p class="back no-print"><a class="button" href={to("")} data-back>← {t(phone ? "ui.to_queue" : "ui.to_beds")}</a></p>}
      {failed.value && <p class="notice" role="alert">{t("error.unreachable")} <button type="button" onClick={again}>{t("ui.again")}</button></p>}
      {code === null ? !failed.value && <p role="status">{t("ui.loading")}</p> : <code.Panel at={route.value} phone={phone} />}
    </div>
  );
}
