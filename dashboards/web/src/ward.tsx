// The wall and the phone stand on the same live copy of the ward: it is opened here, then drawn.
import type { ComponentChild } from "preact";
import "./ui/ui.css";
import { open } from "./load";
import { Phone } from "./phone";
import { RolePage } from "./roles";
import { site, zone } from "./state";
import type { Me } from "./types";
import { WallPage } from "./wall";

export async function wardPage(who: Me, phone: boolean): Promise<ComponentChild> {
  if (!phone && who.sites.length === 0) return <RolePage />;
  const asked = new URLSearchParams(location.search);
  site.value = who.sites.find((s) => s.id === asked.get("site"))?.id ?? (who.sites.length === 1 ? (who.sites[0]?.id ?? null) : null);
  zone.value = site.value === null ? null : asked.get("zone");
  if (phone) site.value = zone.value = null;
  await open(!phone);
  return phone ? <Phone /> : <WallPage />;
}
