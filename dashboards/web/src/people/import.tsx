// Tables of a whole house: chosen, rehearsed row by row, and taken over only when every row can be.
import { useSignal } from "@preact/signals";
import { lang, t, tCode } from "../i18n";
import { asProblem, Button, Card, LinkButton, Table } from "../ui";
import { post, type ImportReport } from "./data";
import { h } from "./words";

const TABLES = ["sites", "zones", "rooms", "beds", "residents", "staff", "devices"] as const;

async function base64(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

function Result({ report }: { report: ImportReport }) {
  const counts = Object.entries(report.counts);
  const bad = report.errors.map((one) => ({ key: `${one.file}${one.line}${one.column}`, where: `${one.file} · ${h("imp.line", { n: one.line })}`, column: one.column, said: one.message }));
  const good = report.rows.map((one) => ({ key: `${one.file}${one.line}`, where: `${one.file} · ${h("imp.line", { n: one.line })}`, fate: h(`imp.fate.${one.fate}` as "imp.fate.created") }));
  return (
    <div class="stack" data-import={report.written ? "written" : report.ok ? "ok" : "errors"}>
      <p class={report.ok ? "said-well" : "error"} role="status">{report.written ? h("imp.written") : report.ok ? h("imp.ok") : h("imp.errors", { n: report.errors.length + report.omitted })}</p>
      <ul>{counts.map(([name, n]) => <li key={name}>{h("imp.counts", { table: h(`imp.table.${name}` as "imp.table.beds"), created: n.created, changed: n.changed, same: n.unchanged })}</li>)}</ul>
      {bad.length > 0 && <Table caption={h("imp.bad")} showCaption rows={bad} id={(one) => one.key} columns={[{ id: "where", head: h("imp.where"), cell: (one) => one.where }, { id: "column", head: h("imp.column"), cell: (one) => one.column || t("value.none") }, { id: "said", head: h("imp.said"), cell: (one) => one.said }]} />}
      {good.length > 0 && (
        <details><summary>{h("imp.rows", { n: good.length })}</summary>
          <Table caption={h("imp.rows", { n: good.length })} rows={good} id={(one) => one.key} columns={[{ id: "where", head: h("imp.where"), cell: (one) => one.where }, { id: "fate", head: h("imp.fate"), cell: (one) => one.fate }]} keep />
        </details>
      )}
    </div>
  );
}

export function Import() {
  const files = useSignal<{ name: string; content_base64: string }[]>([]);
  const report = useSignal<ImportReport | null>(null), failed = useSignal(""), busy = useSignal(false);
  const choose = async (list: FileList | null) => {
    report.value = null;
    files.value = await Promise.all([...(list ?? [])].map(async (file) => ({ name: file.name, content_base64: await base64(file) })));
    if (files.value.length > 0) await send(false);
  };
  const send = async (write: boolean) => {
    busy.value = true;
    failed.value = "";
    try {
      report.value = await post<ImportReport>("/house/import", { files: files.value, write, lang: lang.value });
    } catch (caught) {
      const problem = asProblem(caught);
      failed.value = problem.status === 403 ? h("imp.forbidden") : tCode(`error.${problem.code}`, problem.params);
    } finally {
      busy.value = false;
    }
  };
  return (
    <div class="stack">
      <p>{h("imp.text")}</p>
      <label class="field"><b>{h("imp.files")}</b><input type="file" name="files" accept=".csv,text/csv" multiple onChange={(e) => void choose(e.currentTarget.files)} /></label>
      {failed.value !== "" && <p class="error" role="alert">{failed.value}</p>}
      {report.value !== null && <Result report={report.value} />}
      <div class="row"><Button tone="primary" data-do="write" busy={busy.value} disabled={report.value?.ok !== true || report.value.written} onClick={() => void send(true)}>{h("imp.write")}</Button></div>
      <Card title={h("imp.templates")}><p class="fine">{h("imp.templates.text")}</p><p class="row">{TABLES.map((one) => <LinkButton key={one} href={`/api/v1/house/import/${one}?lang=${lang.value}`} download>{h(`imp.table.${one}`)}</LinkButton>)}</p></Card>
    </div>
  );
}
