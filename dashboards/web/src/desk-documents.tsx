// Documents of a resident: what is there, a new one, and taking one away for good.
import { useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { Problem } from "./api";
import { care, type CareDoc } from "./desk-data";
import { list, type Paper } from "./family-data";
import { t, tCode } from "./i18n";
import { say } from "./notice";
import { Button, Card, ConfirmWithReason, Field, Form, LinkButton, SelectField, TextField } from "./ui";

const KINDS = ["examination", "report", "letter", "other"];
const LIMIT_MB = 10;
const PATIENCE_MS = 120_000; // ten megabytes over a weak connection

// The file itself is the body; what it is, the server finds in its bytes.
async function upload(resident: string, file: File, about: { title: string; kind: string; day: string }): Promise<void> {
  if (file.size > LIMIT_MB * 1024 * 1024) throw new Problem(413, "documents.too_large", null, { limit: LIMIT_MB });
  let answer: Response;
  try {
    answer = await fetch(`/api/v1/care/${encodeURIComponent(resident)}/documents?${new URLSearchParams(about)}`, {
      method: "POST", body: file, credentials: "same-origin", headers: { "Content-Type": "application/octet-stream" }, signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch {
    throw new Problem(0, "unreachable");
  }
  if (answer.ok) return;
  const problem = (await answer.json().catch(() => ({}))) as { code?: string; params?: Record<string, unknown> };
  throw new Problem(answer.status, problem.code ?? "internal", null, problem.params ?? {});
}

function Add({ shown, onDone }: { shown: CareDoc; onDone: () => void }) {
  const [title, kind, day] = [useSignal(""), useSignal("examination"), useSignal("")];
  const missing = useSignal(false);
  const box = useRef<HTMLInputElement>(null);
  const send = async () => {
    const file = box.current?.files?.[0];
    missing.value = file === undefined;
    if (file === undefined) return;
    await upload(shown.resident.id, file, { title: title.value.trim() || file.name.replace(/\.[^.]*$/, "").slice(0, 120), kind: kind.value, day: day.value });
    title.value = "";
    if (box.current !== null) box.current.value = "";
    say({ text: t("care.document.done") });
    onDone();
  };
  return (
    <Card id="upload" title={t("care.document.add")}>
      <Form submit={t("care.document.add")} onSubmit={send}>
        <Field label={t("care.document.file")} name="file" {...(missing.value ? { error: t("care.document.missing") } : {})}>
          {(wired) => <input type="file" accept="application/pdf,image/jpeg" ref={box} {...wired} />}
        </Field>
        <TextField label={t("care.document.title")} name="title" value={title} maxLength={120} />
        <SelectField label={t("care.document.kind")} name="kind" value={kind} choices={KINDS.map((one) => [one, tCode(`document.kind.${one}`)] as const)} />
        <TextField label={t("care.document.day")} name="day" type="date" value={day} />
      </Form>
    </Card>
  );
}

export function Documents({ shown, onDone }: { shown: CareDoc; onDone: () => void }) {
  const gone = useSignal<Paper | null>(null);
  const rows = shown.documents ?? [];
  const take = async (reason: string) => {
    if (gone.value !== null) await care.remove(gone.value.id, reason);
    gone.value = null;
    onDone();
  };
  return (
    <div class="stack">
      <Card id="documents">
        {rows.length === 0 ? <p>{t("care.document.none")}</p> : (
          <ul class="care-list">
            {rows.map((row) => (
              <li key={row.id} class="care-paper" data-document={row.id}>
                <span><b>{row.title}</b><br /><span class="fine">{list([tCode(`document.kind.${row.kind}`), row.day].filter(Boolean))}</span></span>
                <span class="row">
                  {row.opens && <LinkButton href={`/api/v1/documents/${row.id}`} download>{t("family.documents.open")}<span class="only-read"> {row.title}</span></LinkButton>}
                  <Button data-act="remove" onClick={() => (gone.value = row)}>{t("care.document.remove")}</Button>
                </span>
              </li>
            ))}
          </ul>
        )}
      </Card>
      <Add shown={shown} onDone={onDone} />
      <ConfirmWithReason
        open={gone.value !== null} title={t("care.document.remove.title", { title: gone.value?.title ?? "" })} text={t("care.document.remove.text")} verb={t("care.document.remove")}
        danger reasons={[t("care.document.wrong"), t("care.document.newer")]} onConfirm={take} onClose={() => (gone.value = null)}
      />
    </div>
  );
}
