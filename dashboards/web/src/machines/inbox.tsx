// Devices that speak and belong to nobody: give them to somebody, or say that they are not ours. Each can be taken back.
import type { ComponentChild } from "preact";
import { useSignal } from "@preact/signals";
import { ago, t } from "../i18n";
import { say } from "../notice";
import { me, now } from "../state";
import { Button, ConfirmWithReason, Empty, LinkButton, PageFrame, sayUndo, Show, useLoad } from "../ui";
import { AssignDialog, type Suggestion } from "./assign";
import { machines } from "./data";
import "./machines.css";
import { kindWord, quantityWord } from "./parts";
import { ready, w } from "./words";

const EVERY_MS = 5000;

interface Stranger {
  id: string;
  model: string;
  kind: string;
  status: string;
  quantities: string[];
  first_seen_ms: number | null;
  suggestions?: Suggestion[];
}

function Row({ one, onChange }: { one: Stranger; onChange: () => void }) {
  const giving = useSignal(false);
  const leaving = useSignal(false);
  const operator = me.value?.role === "operator";
  return (
    <li class="card" data-device={one.id}>
      <div>
        <h2>{one.id}</h2>
        <p class="fine">{[one.kind === "" && one.model !== "" ? "" : kindWord(one.kind), one.model, one.quantities.map(quantityWord).join(" · "), one.first_seen_ms === null ? "" : w("inbox.since", { age: ago(now.value - one.first_seen_ms) })].filter(Boolean).join(" · ")}</p>
        {(one.suggestions ?? []).map((s) => <p key={s.resident_id} class="need">{s.why}</p>)}
      </div>
      <p class="row">
        {operator && <Button tone="primary" data-give onClick={() => (giving.value = true)}>{w("assign.verb")}</Button>}
        <LinkButton href={`/devices?device=${encodeURIComponent(one.id)}`}>{w("inbox.look")}</LinkButton>
        {operator && <Button tone="plain" data-not-ours onClick={() => (leaving.value = true)}>{w("inbox.not_ours")}</Button>}
      </p>
      <AssignDialog device={one.id} worn="" open={giving.value} current={null} suggested={one.suggestions ?? []} onClose={() => (giving.value = false)} onDone={(done, name) => {
        giving.value = false;
        sayUndo(w("assign.done_device", { device: one.id, name }), () => void machines.undo(done.binding.id).then(() => { say({ text: w("assign.undone") }); onChange(); }));
        onChange();
      }} />
      <ConfirmWithReason open={leaving.value} title={w("inbox.not_ours_title", { device: one.id })} text={w("inbox.not_ours_text")} verb={w("inbox.not_ours")} reasons={[w("inbox.reason.neighbour"), w("inbox.reason.test")]} onClose={() => (leaving.value = false)} onConfirm={async (reason) => {
        await machines.retire(one.id, reason);
        leaving.value = false;
        onChange();
      }} />
    </li>
  );
}

function InboxPage() {
  const inbox = useLoad<{ devices: Stranger[] }>("/inbox", EVERY_MS);
  return (
    <PageFrame title={t("ui.page.inbox")} narrow>
      <div class="stack" data-page="inbox">
        <p class="lead">{w("inbox.lead")}</p>
        <Show of={inbox}>
          {({ devices }) => (devices.length === 0 ? <Empty text={w("inbox.none")} /> : <ul class="cards">{devices.map((one) => <Row key={one.id} one={one} onChange={inbox.reload} />)}</ul>)}
        </Show>
      </div>
    </PageFrame>
  );
}

export async function inboxPage(): Promise<ComponentChild> {
  await ready;
  return <InboxPage />;
}
