// Visits of a resident: planned, held, cancelled.
import { useSignal } from "@preact/signals";
import { care, type CareDoc } from "./desk-data";
import { moment, type Visit } from "./family-data";
import { t, tCode } from "./i18n";
import { Button, Card, Form, SelectField, TextField } from "./ui";

const KINDS = ["doctor", "nurse", "therapist", "family", "outing", "examination", "other"];

// "2026-11-25T14:00" of the site's own clock as a moment, whatever zone the browser is in.
export function siteMs(text: string, tz: string): number {
  const asUtc = Date.parse(`${text}:00Z`);
  const shown = new Intl.DateTimeFormat("sv-SE", { timeZone: tz, dateStyle: "short", timeStyle: "medium" }).format(asUtc);
  return asUtc - (Date.parse(`${shown.replace(" ", "T")}Z`) - asUtc);
}

function localNow(ms: number, tz: string): string {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: tz, dateStyle: "short", timeStyle: "short" }).format(ms).replace(" ", "T").slice(0, 16);
}

function Plan({ shown, onDone }: { shown: CareDoc; onDone: () => void }) {
  const [kind, when, note] = [useSignal("doctor"), useSignal(localNow(shown.t_ms + 86_400_000, shown.tz)), useSignal("")];
  const send = async () => {
    await care.plan(shown.resident.id, kind.value, siteMs(when.value, shown.tz), note.value);
    note.value = "";
    onDone();
  };
  return (
    <Card id="plan" title={t("care.visit.add")}>
      <Form submit={t("care.visit.add")} onSubmit={send} disabled={when.value === ""}>
        <SelectField label={t("care.visit.kind")} name="kind" value={kind} choices={KINDS.map((one) => [one, tCode(`visit.kind.${one}`)] as const)} />
        <TextField label={t("care.visit.at")} name="at" type="datetime-local" value={when} />
        <TextField label={t("care.visit.note")} name="visit-note" value={note} maxLength={500} />
      </Form>
    </Card>
  );
}

function End({ row, onDone }: { row: Visit; onDone: () => void }) {
  const result = useSignal("");
  const held = async () => {
    await care.close(row.id, "held", result.value);
    onDone();
  };
  const cancel = async () => {
    await care.close(row.id, "cancelled", result.value);
    onDone();
  };
  return (
    <Form submit={t("care.visit.held")} onSubmit={held}>
      <TextField label={t("care.visit.result")} name={`result-${row.id}`} value={result} maxLength={500} />
      <Button onClick={() => void cancel()}>{t("care.visit.cancel")}</Button>
    </Form>
  );
}

export function Visits({ shown, onDone }: { shown: CareDoc; onDone: () => void }) {
  const rows = shown.visits ?? [];
  return (
    <div class="stack">
      <Card id="visits">
        {rows.length === 0 ? <p>{t("care.visit.none")}</p> : (
          <ul class="care-list">
            {rows.map((row) => (
              <li key={row.id} data-visit={row.status}>
                <p><b>{moment(row.at_ms, shown.tz)} · {tCode(`visit.kind.${row.kind}`)}</b> · {tCode(`visit.status.${row.status}`)}</p>
                {(row.result || row.note) && <p class="letter">{row.result || row.note}</p>}
                {row.status === "planned" && <End row={row} onDone={onDone} />}
              </li>
            ))}
          </ul>
        )}
      </Card>
      <Plan shown={shown} onDone={onDone} />
    </div>
  );
}
