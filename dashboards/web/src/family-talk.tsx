// What house and family say to each other, what was shared until when, and who has looked.
import { useSignal } from "@preact/signals";
import { call } from "./api";
import { at, list, load, loadLooks, looks, moment, type FamilyDoc, type Letter, type Paper, type Thread, type Visit } from "./family-data";
import { t, tCode } from "./i18n";
import { say } from "./notice";
import { AreaField, Button, Form, LinkButton } from "./ui";

export function Notes({ rows, tz }: { rows: Letter[]; tz: string }) {
  return (
    <section data-part="notes">
      <h2>{t("family.notes")}</h2>
      {rows.length === 0 ? <p>{t("family.notes.none")}</p> : <ul>{rows.map((row) => <Said key={row.id} row={row} tz={tz} />)}</ul>}
    </section>
  );
}

function Said({ row, tz }: { row: Letter; tz: string }) {
  return (
    <li data-letter={row.id}>
      <p class="letter">{row.text}</p>
      <p class="small">{row.mine ? t("family.desk.me") : row.name} · {moment(row.t_ms, tz)}</p>
    </li>
  );
}

export function Visits({ rows, tz }: { rows: Visit[]; tz: string }) {
  return (
    <section data-part="visits">
      <h2>{t("family.visits")}</h2>
      {rows.length === 0 ? <p>{t("family.visits.none")}</p> : (
        <ul>
          {rows.map((row) => (
            <li key={row.id} data-visit={row.status}>
              {moment(row.at_ms, tz)} · {tCode(`visit.kind.${row.kind}`)} · {tCode(`visit.status.${row.status}`)}
              {(row.result || row.note) && <p class="letter">{row.result || row.note}</p>}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

export function Documents({ rows }: { rows: Paper[] }) {
  return (
    <section data-part="documents">
      <h2>{t("family.documents")}</h2>
      {rows.length === 0 ? <p>{t("family.documents.none")}</p> : (
        <ul>
          {rows.map((row) => (
            <li key={row.id} class="paper">
              <span>{row.title}<br /><span class="small">{list([tCode(`document.kind.${row.kind}`), row.day].filter(Boolean))}</span></span>
              <LinkButton href={`/api/v1/documents/${row.id}`} download>{t("family.documents.open")}<span class="only-read"> {row.title}</span></LinkButton>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

// --- the desk --------------------------------------------------------------------------------------------------------

function Ask({ resident, thread, word }: { resident: string; thread: string | null; word: string }) {
  const text = useSignal("");
  const send = async () => {
    await call("POST", `/family/${encodeURIComponent(resident)}/questions`, { text: text.value, thread });
    text.value = "";
    say({ text: t("family.desk.sent") });
    await load();
  };
  return (
    <Form submit={t("family.desk.send")} onSubmit={send} disabled={text.value.trim() === ""}>
      <AreaField label={word} name={thread === null ? "question" : `more-${thread}`} value={text} maxLength={1000} hint={t("family.desk.hint")} />
    </Form>
  );
}

function Talk({ row, resident, tz }: { row: Thread; resident: string; tz: string }) {
  const open = useSignal(false);
  return (
    <li class="talk" data-thread={row.id}>
      <ul>{row.letters.map((letter) => <Said key={letter.id} row={letter} tz={tz} />)}</ul>
      {row.waiting_ms !== null && <p class="small">{t("family.desk.waiting")}</p>}
      {open.value ? <Ask resident={resident} thread={row.id} word={t("family.desk.more")} /> : <Button onClick={() => (open.value = true)}>{t("family.desk.more")}</Button>}
    </li>
  );
}

export function Desk({ shown }: { shown: FamilyDoc }) {
  const { site, phone, questions } = shown.desk;
  return (
    <section data-part="desk" id="desk">
      <h2>{t("family.desk")}</h2>
      <p>{site}</p>
      {phone !== "" && <p><LinkButton tone="primary" href={`tel:${phone.replace(/[^0-9+]/g, "")}`}>{t("family.desk.call", { phone })}</LinkButton></p>}
      <Ask resident={shown.resident.id} thread={null} word={t("family.desk.write")} />
      {questions.length > 0 && <ul class="talks">{questions.map((row) => <Talk key={row.id} row={row} resident={shown.resident.id} tz={shown.tz} />)}</ul>}
    </section>
  );
}

// --- what was shared, and who looked ---------------------------------------------------------------------------------

export function Scope({ shown }: { shown: FamilyDoc }) {
  const key = (grant: FamilyDoc["scope"]["consents"][number]) =>
    grant.emergency ? "family.scope.emergency" : grant.relation === "self" ? "family.scope.self" : grant.guardian ? "family.scope.guardian" : "family.scope.until";
  return (
    <section data-part="scope">
      <h2>{t("family.scope")}</h2>
      <ul>
        {shown.scope.consents.map((grant) => (
          <li key={`${grant.until_ms}${grant.classes.join()}`}>
            {list(grant.classes.map((word) => tCode(`class.${word}`)))}
            <br /><span class="small">{t(key(grant), { giver: grant.giver, until: at(grant.until_ms, shown.tz, true) })}</span>
          </li>
        ))}
      </ul>
      <p class="small">{t("family.scope.revoke")}</p>
    </section>
  );
}

export function Looks() {
  if (looks.value === null) return <p><Button data-act="looks" onClick={() => void loadLooks()}>{t("family.looks")}</Button></p>;
  return (
    <section data-part="looks">
      <h2>{t("family.looks")}</h2>
      {looks.value.length === 0 ? <p>{t("family.looks.none")}</p> : (
        <ul>
          {looks.value.map((look) => (
            <li key={`${look.day}${look.name}${look.what}`}>
              {t("family.looks.row", { day: look.day, name: look.name, role: tCode(`role.${look.role}`), what: tCode(`look.${look.what}`), n: look.times })}
            </li>
          ))}
        </ul>
      )}
      <p class="no-print"><Button onClick={() => print()}>{t("family.print")}</Button></p>
    </section>
  );
}
