// Every page, who may open it and the word that leads there; one more page is one row here and one file beside it.
import type { ComponentChild } from "preact";
import type { Key } from "./i18n";
import type { Me, Role } from "./types";

export interface PageEntry {
  path: string;
  word: Key; // in the list of pages
  roles: readonly Role[];
  aside?: true; // opened by its address or from another page; not in the list of pages
  words?: "core"; // needs no words but those of the queue, which every screen has
  load: (who: Me) => Promise<ComponentChild>; // draws the page; its code is fetched only now
}

export const PAGES: readonly PageEntry[] = [
  { path: "/wall", word: "ui.wall", roles: ["caregiver", "clinician", "display"], words: "core", load: async (who) => (await import("./ward")).wardPage(who, false) },
  { path: "/phone", word: "ui.tab.queue", roles: ["caregiver", "clinician", "operator"], words: "core", load: async (who) => (await import("./ward")).wardPage(who, true) },
  { path: "/clinic", word: "ui.page.clinic", roles: ["clinician"], load: async () => (await import("./clinic")).clinicPage() },
  { path: "/family", word: "ui.page.family", roles: ["family"], load: async () => (await import("./family")).familyPage() },
  { path: "/house", word: "ui.page.house", roles: ["operator", "admin"], load: async (who) => (who.role === "operator" || who.role === "admin" ? (await import("./machines/house")).housePage() : (await import("./roles")).rolePage()) },
  { path: "/devices", word: "ui.page.devices", roles: ["operator", "admin"], load: async () => (await import("./machines/devices")).devicesPage() },
  { path: "/pair", word: "ui.page.pair", roles: ["operator"], load: async () => (await import("./machines/pair")).pairPage() },
  { path: "/inbox", word: "ui.page.inbox", roles: ["operator", "admin"], load: async () => (await import("./machines/inbox")).inboxPage() },
  { path: "/deadletters", word: "ui.page.deadletters", roles: ["operator", "admin"], load: async () => (await import("./machines/deadletters")).lettersPage() },
  { path: "/backups", word: "ui.page.backups", roles: ["operator", "admin"], load: async () => (await import("./machines/backups")).backupsPage() },
  { path: "/messages", word: "ui.page.messages", roles: ["caregiver", "clinician", "operator"], load: async () => (await import("./messages")).messagesPage() },
  { path: "/terminals", word: "ui.page.terminals", roles: ["operator", "admin"], load: async () => (await import("./terminals")).terminalsPage() },
  { path: "/account", word: "ui.page.account", roles: ["caregiver", "clinician", "family", "operator", "admin", "supervisor"], load: async () => (await import("./account")).accountPage() },
  { path: "/residents", word: "ui.page.residents", roles: ["operator"], load: async () => (await import("./people/residents")).residentsPage() },
  { path: "/places", word: "ui.page.places", roles: ["operator", "admin"], load: async () => (await import("./people/places")).placesPage() },
  { path: "/staff", word: "ui.page.staff", roles: ["operator", "admin"], load: async () => (await import("./people/staff")).staffPage() },
  { path: "/policies", word: "ui.page.policies", roles: ["operator", "admin"], load: async () => (await import("./people/policies")).policiesPage() },
  { path: "/consents", word: "ui.page.consents", roles: ["operator"], load: async () => (await import("./people/consents")).consentsPage() },
  { path: "/users", word: "ui.page.users", roles: ["admin"], load: async () => (await import("./people/users")).usersPage() },
  { path: "/audit", word: "ui.page.audit", roles: ["admin"], load: async () => (await import("./people/audit")).auditPage() },
  { path: "/supervision", word: "ui.page.supervision", roles: ["operator", "admin", "supervisor"], load: async () => (await import("./people/supervision")).supervisionPage() },
  { path: "/styleguide", word: "ui.page.styleguide", roles: ["caregiver", "clinician", "family", "operator", "admin"], aside: true, load: async () => (await import("./styleguide")).styleguidePage() },
];

export function mayOpen(who: Me): PageEntry[] {
  return PAGES.filter((page) => page.aside !== true && page.roles.includes(who.role));
}

// Where "/" leads: the page that fits the person and the screen.
export function homeOf(who: Me): string {
  if (who.role === "caregiver") return who.sites.length === 0 ? "/house" : innerWidth < 800 ? "/phone" : "/wall";
  return { clinician: "/clinic", family: "/family", operator: "/house", admin: "/house", display: "/wall", supervisor: "/supervision" }[who.role];
}
