// Messages of a resident: the family's questions with their answers, and what the house wrote to all.
import { useSignal } from "@preact/signals";
import { care, type CareDoc, type Letter, type Thread } from "./desk-data";
import { list, moment } from "./family-data";
import { t } from "./i18n";
import { tz } from "./state";
import { AreaField, Button, Card, ConfirmWithReason, Form, Pill } from "./ui";

export function Letters({ rows, onWithdraw }: { rows: readonly Letter[]; onWithdraw?: (letter: Letter) => void }) {
  return (
    <ul class="care-letters">
      {rows.map((row) => (
        <li key={row.id} class={row.from_family ? "theirs" : "ours"} data-letter={row.id}>
          <p class="letter">{row.withdrawn ? t("care.withdrawn") : row.text}</p>
          <p class="fine">{row.name} · {moment(row.t_ms, tz.value)}</p>
          {onWithdraw !== undefined && !row.withdrawn && !row.from_family && <Button tone="plain" data-act="withdraw" onClick={() => onWithdraw(row)}>{t("care.withdraw")}</Button>}
        </li>
      ))}
    </ul>
  );
}

export function Answer({ thread, onDone }: { thread: string; onDone: () => void }) {
  const text = useSignal("");
  const send = async () => {
    await care.answer(thread, text.value);
    text.value = "";
    onDone();
  };
  const settle = async () => {
    await care.settle(thread);
    onDone();
  };
  return (
    <>
      <Form submit={t("care.answer.send")} onSubmit={send} disabled={text.value.trim() === ""}>
        <AreaField label={t("care.answer")} name={`answer-${thread}`} value={text} maxLength={1000} />
      </Form>
      <Form submit={t("care.settle")} onSubmit={settle}><></></Form>
    </>
  );
}

function Question({ row, onDone }: { row: Thread; onDone: () => void }) {
  const open = useSignal(row.waiting_ms !== null);
  return (
    <li data-thread={row.id}>
      {row.waiting_ms !== null && <Pill tone="warn">{t("family.desk.waiting")}</Pill>}
      <Letters rows={row.letters} />
      {open.value || row.waiting_ms !== null ? <Answer thread={row.id} onDone={onDone} /> : <Button onClick={() => (open.value = true)}>{t("care.answer")}</Button>}
    </li>
  );
}

function Write({ shown, onDone }: { shown: CareDoc; onDone: () => void }) {
  const text = useSignal("");
  const readers = (shown.family ?? []).filter((one) => one.classes.includes("notes")).map((one) => one.name);
  const send = async () => {
    await care.note(shown.resident.id, text.value);
    text.value = "";
    onDone();
  };
  return (
    <Card id="write" title={t("care.note")}>
      {readers.length === 0 && <p>{t("care.note.nobody")}</p>}
      <Form submit={t("care.note.send")} onSubmit={send} disabled={text.value.trim() === ""}>
        <AreaField label={t("care.note")} name="note" value={text} maxLength={1000} {...(readers.length === 0 ? {} : { hint: t("care.note.hint", { who: list(readers) }) })} />
      </Form>
    </Card>
  );
}

export function Messages({ shown, onDone }: { shown: CareDoc; onDone: () => void }) {
  const gone = useSignal<Letter | null>(null);
  const notes = shown.notes ?? [];
  const questions = shown.questions ?? [];
  const take = async (reason: string) => {
    if (gone.value !== null) await care.withdraw(gone.value.id, reason);
    gone.value = null;
    onDone();
  };
  return (
    <div class="stack">
      {questions.length > 0 && <Card id="questions" title={t("care.questions")}><ul class="care-list">{questions.map((row) => <Question key={row.id} row={row} onDone={onDone} />)}</ul></Card>}
      <Write shown={shown} onDone={onDone} />
      <Card id="notes" title={t("care.notes")}>
        {notes.length === 0 ? <p>{t("care.notes.none")}</p> : <ul class="care-list">{notes.map((row) => <li key={row.id}><Letters rows={row.letters} onWithdraw={(letter) => (gone.value = letter)} /></li>)}</ul>}
      </Card>
      <ConfirmWithReason
        open={gone.value !== null} title={t("care.withdraw.title")} text={t("care.withdraw.text")} verb={t("care.withdraw")} danger
        reasons={[t("care.withdraw.wrong"), t("care.withdraw.mistake")]} onConfirm={take} onClose={() => (gone.value = null)}
      />
    </div>
  );
}
