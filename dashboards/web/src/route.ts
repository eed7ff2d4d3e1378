// Where one is within the ward's page: behind the #, so that going there and back never reloads the page nor makes the sound mute.
import { signal } from "@preact/signals";

export const VIEWS = ["", "mine", "alert", "handover", "people", "resident", "calls"] as const;
export type View = (typeof VIEWS)[number];

export interface Route {
  view: View;
  id: string;
}

export function parseRoute(hash: string): Route {
  const [word = "", raw = ""] = hash.replace(/^#?\/?/, "").split("/");
  const view = VIEWS.find((one) => one === word) ?? "";
  try {
    return { view, id: decodeURIComponent(raw) };
  } catch {
    return { view: "", id: "" }; // half an escape: nowhere
  }
}

export function to(view: View, id = ""): string {
  return `#/${view}${id === "" ? "" : `/${encodeURIComponent(id)}`}`;
}

export const route = signal<Route>(parseRoute(location.hash));
addEventListener("hashchange", () => (route.value = parseRoute(location.hash)));
