// The house's side of talking with families: what waits for an answer, and for each resident messages, visits, documents, invitations.
import type { ComponentChild } from "preact";
import { useSignal } from "@preact/signals";
import { Documents } from "./desk-documents";
import type { CareDoc, DeskDoc, ResidentLine } from "./desk-data";
import { Invitations } from "./desk-invite";
import { Answer, Letters, Messages } from "./desk-notes";
import { Visits } from "./desk-visits";
import { span, t } from "./i18n";
import { me } from "./state";
import { Card, Empty, LinkButton, PageFrame, Pill, Show, Tabs, useLoad, type Tab } from "./ui";
import "./desk.css";

const AGAIN_MS = 15_000;

function People({ rows }: { rows: (ResidentLine & { family?: number })[] }) {
  if (rows.length === 0) return <Empty text={t("care.residents.none")} />;
  return (
    <ul class="care-people">
      {rows.map((row) => (
        <li key={row.id}>
          <a href={`/messages?resident=${encodeURIComponent(row.id)}`}>
            <span>{row.place}</span><b>{row.name}</b>{row.family !== undefined && <span class="fine">{t("care.family_n", { n: row.family })}</span>}
          </a>
        </li>
      ))}
    </ul>
  );
}

function Waiting({ shown, reload }: { shown: DeskDoc; reload: () => void }) {
  return (
    <Card id="waiting" title={t("care.waiting", { n: shown.waiting.length })}>
      {shown.waiting.length === 0 ? <p>{t("care.waiting.none")}</p> : (
        <ul class="care-list">
          {shown.waiting.map((thread) => (
            <li key={thread.id} data-thread={thread.id}>
              <p><a href={`/messages?resident=${encodeURIComponent(thread.resident.id)}`}><b>{thread.resident.place} {thread.resident.name}</b></a> <Pill tone="warn">{t("care.since", { age: span(shown.t_ms - (thread.waiting_ms ?? shown.t_ms)) })}</Pill></p>
              <Letters rows={thread.letters} />
              <Answer thread={thread.id} onDone={reload} />
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function DeskPage() {
  const loaded = useLoad<DeskDoc>("/care", AGAIN_MS);
  return (
    <PageFrame title={t("care.title")} narrow>
      <Show of={loaded}>
        {(shown) => <div class="stack"><Waiting shown={shown} reload={loaded.reload} /><Card title={t("care.residents")}><People rows={shown.residents} /></Card></div>}
      </Show>
    </PageFrame>
  );
}

// The office reads no messages; it lets people in and scans paper.
function OfficePage() {
  const loaded = useLoad<{ residents: { id: string; name: string; initials: string; status: string; place?: { label: string } }[] }>("/residents");
  return (
    <PageFrame title={t("care.title")} narrow>
      <Show of={loaded}>
        {(shown) => <Card title={t("care.residents")}><People rows={shown.residents.map((row) => ({ ...row, place: row.place?.label ?? "" }))} /></Card>}
      </Show>
    </PageFrame>
  );
}

function tabsOf(shown: CareDoc): Tab[] {
  const found: Tab[] = [];
  if (shown.notes !== undefined) found.push({ id: "messages", word: t("care.tab.messages") });
  if (shown.visits !== undefined) found.push({ id: "visits", word: t("care.tab.visits") });
  if (shown.documents !== undefined) found.push({ id: "documents", word: t("care.tab.documents") });
  if (shown.invitations !== undefined) found.push({ id: "invite", word: t("care.tab.invite") });
  return found;
}

function Parts({ shown, reload }: { shown: CareDoc; reload: () => void }) {
  const part = useSignal(new URLSearchParams(location.search).get("part") ?? "");
  const tabs = tabsOf(shown);
  const chosen = tabs.some((tab) => tab.id === part.value) ? part.value : (tabs[0]?.id ?? "");
  return (
    <>
      <h2 class="care-who">{shown.resident.place} {shown.resident.name}</h2>
      <Tabs label={t("care.title")} tabs={tabs} chosen={chosen} onChoose={(id) => (part.value = id)}>
        {chosen === "messages" && <Messages shown={shown} onDone={reload} />}
        {chosen === "visits" && <Visits shown={shown} onDone={reload} />}
        {chosen === "documents" && <Documents shown={shown} onDone={reload} />}
        {chosen === "invite" && <Invitations shown={shown} onDone={reload} />}
      </Tabs>
    </>
  );
}

function ResidentPage({ resident }: { resident: string }) {
  const loaded = useLoad<CareDoc>(`/care/${encodeURIComponent(resident)}`, AGAIN_MS);
  return (
    <PageFrame title={t("care.title")} narrow tools={<LinkButton href="/messages">{t("care.back")}</LinkButton>}>
      <Show of={loaded}>{(shown) => <Parts shown={shown} reload={loaded.reload} />}</Show>
    </PageFrame>
  );
}

export function messagesPage(): ComponentChild {
  const resident = new URLSearchParams(location.search).get("resident");
  if (resident !== null) return <ResidentPage resident={resident} />;
  return me.value?.role === "operator" ? <OfficePage /> : <DeskPage />;
}

