// What one looks at beside the queue; fetched when somebody asks for it. The queue itself stays where it is.
import "./panels.css";
import { AlertSheet } from "./alert-sheet";
import { CallsView } from "./calls";
import { HandoverView } from "./handover";
import { PeopleView, ResidentView } from "./people";
import type { Route } from "./route";

export function Panel({ at, phone }: { at: Route; phone: boolean }) {
  if (at.view === "alert") return <AlertSheet key={at.id} id={at.id} phone={phone} />;
  if (at.view === "handover") return <HandoverView />;
  if (at.view === "people") return <PeopleView />;
  if (at.view === "resident") return <ResidentView key={at.id} id={at.id} />;
  return <CallsView />;
}
