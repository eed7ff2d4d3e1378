// Pages of their own beside wall and phone, loaded only by those who need them: the family's and the clinic's.
import type { ComponentChild } from "preact";
import type { Me } from "./types";

export async function ownPage(who: Me): Promise<ComponentChild> {
  if (who.role === "family") {
    const { FamilyPage } = await import("./family");
    return <FamilyPage />;
  }
  if (location.pathname === "/clinic" || (who.role === "clinician" && location.pathname === "/")) {
    const { ClinicPage } = await import("./clinic");
    return <ClinicPage />;
  }
  return null;
}
