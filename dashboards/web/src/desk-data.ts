// What the house reads and writes about a resident's family.
import { call } from "./api";
import type { Letter, Paper, Thread, Visit } from "./family-data";

export interface ResidentLine {
  id: string;
  name: string;
  initials: string;
  status: string;
  place: string;
}

export interface DeskDoc {
  t_ms: number;
  waiting: (Thread & { resident: ResidentLine })[];
  residents: (ResidentLine & { family: number })[];
}

export interface InvitationRow {
  id: string;
  name: string;
  relation: string;
  classes: string[];
  until_ms: number;
  expires_ms: number;
  created_ms: number;
  giver: string;
  guardian: boolean;
  state: "open" | "used" | "withdrawn" | "expired";
  by: string;
  used_by: string;
}

export interface CareDoc {
  t_ms: number;
  tz: string;
  resident: ResidentLine;
  may: string[];
  questions?: Thread[];
  notes?: Thread[];
  visits?: Visit[];
  family?: { name: string; classes: string[] }[];
  documents?: (Paper & { opens: boolean })[];
  invitations?: InvitationRow[];
}

export interface Invited {
  invitation: InvitationRow;
  url: string;
  qr: string;
}

export type { Letter, Thread };

const id = encodeURIComponent;

export const care = {
  note: (resident: string, text: string) => call<unknown>("POST", `/care/${id(resident)}/notes`, { text }),
  answer: (thread: string, text: string) => call<unknown>("POST", `/questions/${id(thread)}/answer`, { text }),
  settle: (thread: string) => call<unknown>("POST", `/questions/${id(thread)}/settle`),
  withdraw: (letter: string, reason: string) => call<unknown>("POST", `/messages/${id(letter)}/withdraw`, { reason }),
  plan: (resident: string, kind: string, at_ms: number, note: string) => call<unknown>("POST", `/care/${id(resident)}/visits`, { kind, at_ms, note }),
  close: (visit: string, status: string, result: string) => call<unknown>("POST", `/visits/${id(visit)}/end`, { status, result }),
  remove: (paper: string, reason: string) => call<unknown>("POST", `/documents/${id(paper)}/withdraw`, { reason }),
  invite: (resident: string, body: unknown) => call<Invited>("POST", `/care/${id(resident)}/invitations`, body),
  uninvite: (invitation: string) => call<unknown>("POST", `/invitations/${id(invitation)}/withdraw`),
};
