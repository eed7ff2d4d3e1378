// Diagnoses, medication, allergies and notes: written once, taken back with a reason, never changed.
import { useSignal } from "@preact/signals";
import { call } from "./api";
import { NOTE_KINDS, type Note } from "./clinic-data";
import { when } from "./events";
import { t } from "./i18n";
import { say } from "./notice";
import { AreaField, Button, ConfirmWithReason, Empty, Form, Pill, SelectField, Show, useLoad } from "./ui";

function One({ note, tz, onTake }: { note: Note; tz: string; onTake: (note: Note) => void }) {
  const gone = note.withdrawn_ms !== null;
  return (
    <li data-note={note.id} data-withdrawn={String(gone)}>
      <div class="row">
        <Pill tone={gone ? "quiet" : "info"}>{t(`note.kind.${note.kind}`)}</Pill>
        <span class="fine">{t("note.by", { name: note.author_name, at: when(note.t_ms, tz) })}</span>
        {!gone && <Button tone="plain" class="no-print" data-withdraw onClick={() => onTake(note)}>{t("note.withdraw")}</Button>}
      </div>
      <p class={gone ? "note-gone" : "note-text"}>{note.text}</p>
      {note.withdrawn_ms !== null && <p class="fine">{t("note.withdrawn", { name: note.withdrawn_name, at: when(note.withdrawn_ms, tz), reason: note.withdrawn_reason })}</p>}
    </li>
  );
}

function Write({ resident, onDone }: { resident: string; onDone: () => void }) {
  const kind = useSignal("note");
  const text = useSignal("");
  const send = async () => {
    await call("POST", `/residents/${encodeURIComponent(resident)}/notes`, { kind: kind.value, text: text.value.trim() });
    text.value = "";
    say({ text: t("note.added") });
    onDone();
  };
  return (
    <div class="no-print">
      <Form submit={t("note.add")} onSubmit={send} disabled={text.value.trim() === ""}>
        <SelectField name="kind" label={t("note.kind")} value={kind} choices={NOTE_KINDS.map((one) => [one, t(`note.kind.${one}`)] as const)} />
        <AreaField name="text" label={t("note.text")} hint={t("note.hint")} value={text} maxLength={2000} />
      </Form>
    </div>
  );
}

export function Notes({ resident, tz, onChange }: { resident: string; tz: string; onChange: () => void }) {
  const loaded = useLoad<{ notes: Note[] }>(`/residents/${encodeURIComponent(resident)}/notes`);
  const taking = useSignal<Note | null>(null);
  const changed = () => {
    loaded.reload();
    onChange();
  };
  const take = async (reason: string) => {
    await call("POST", `/notes/${encodeURIComponent(taking.value?.id ?? "")}/withdraw`, { reason });
    taking.value = null;
    say({ text: t("note.withdrawn.done") });
    changed();
  };
  return (
    <section data-part="notes">
      <Write resident={resident} onDone={changed} />
      <Show of={loaded}>
        {({ notes }) => (notes.length === 0 ? <Empty text={t("note.none")} /> : <ul class="notes">{notes.map((note) => <One key={note.id} note={note} tz={tz} onTake={(one) => (taking.value = one)} />)}</ul>)}
      </Show>
      <ConfirmWithReason
        open={taking.value !== null} title={t("note.withdraw.title")} text={taking.value?.text ?? ""} verb={t("note.withdraw")} danger
        onConfirm={take} onClose={() => (taking.value = null)}
      />
    </section>
  );
}
