// Backups: how old the newest is, one now with its progress, what is in each, and the command by which one comes back.
import type { ComponentChild } from "preact";
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { ago, span, t, tCode } from "../i18n";
import { Button, Card, CheckField, type Column, Empty, PageFrame, Progress, Show, Table, asProblem, useLoad } from "../ui";
import { type Archive, type BackupState, machines } from "./data";
import "./machines.css";
import { size, when } from "./parts";
import { ready, w } from "./words";

const EVERY_MS = 10_000;
const RUNNING_MS = 500;
const PERCENT = 100;

interface Backups extends BackupState {
  t_ms: number;
  archives: Archive[];
}

const COLUMNS: () => Column<Archive>[] = () => [
  { id: "made", head: w("backups.made"), sort: (a) => -(a.created_ms ?? 0), cell: (a) => (a.created_ms === null ? a.name : when(a.created_ms)) },
  { id: "size", head: w("backups.size"), number: true, sort: (a) => a.bytes, cell: (a) => size(a.bytes) },
  { id: "inside", head: w("backups.inside"), cell: (a) => (a.readable ? <details><summary>{w("backups.files", { n: a.files.length })}</summary><ul class="plain-list">{a.files.map((f) => <li key={f.name}>{f.name} · {size(f.bytes)}</li>)}</ul></details> : <b class="need">{w("backups.unreadable")}</b>) },
  { id: "name", head: w("backups.name"), cell: (a) => <code>{a.name}</code> },
];

function Now({ state, onChange }: { state: Backups; onChange: () => void }) {
  const error = useSignal("");
  const history = useSignal(false);
  const run = state.run;
  const running = run?.state === "running";
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(onChange, RUNNING_MS);
    return () => clearInterval(timer);
  }, [running]);
  const begin = () => void machines.backUp(history.value ? true : null).then(() => { error.value = ""; onChange(); }, (caught: unknown) => (error.value = tCode(`error.${asProblem(caught).code}`)));
  return (
    <Card title={w("backups.newest")} id="now">
      <p class="lead" data-age={state.age_s ?? ""}>{state.age_s === null ? w("backups.never") : ago(state.age_s * 1000)} <span class="fine">{w("backups.every", { every: span(state.every_s * 1000) })}</span></p>
      {running && <Progress label={w("backups.running", { file: run.file })} value={run.of > 0 ? Math.round((run.done / run.of) * PERCENT) : null} max={PERCENT} />}
      {run?.state === "done" && <p class="good" role="status" data-made={run.archive}>{w("backups.done", { name: run.archive })}</p>}
      {run?.state === "failed" && <p class="error" role="alert">{w("backups.failed")}</p>}
      {error.value !== "" && <p class="error" role="alert">{error.value}</p>}
      <CheckField name="history" label={w("backups.history")} value={history} />
      <p class="row"><Button tone="primary" data-back-up busy={running} onClick={begin}>{w("backups.now")}</Button></p>
    </Card>
  );
}

function BackupsPage() {
  const state = useLoad<Backups>("/backups", EVERY_MS);
  return (
    <PageFrame title={t("ui.page.backups")} narrow>
      <div class="stack" data-page="backups">
        <Show of={state}>
          {(found) => (
            <>
              <Now state={found} onChange={state.reload} />
              <Card title={w("backups.all")} id="all">
                <p class="fine">{found.folder}</p>
                {found.archives.length === 0 ? <Empty text={w("backups.none")} /> : <Table caption={w("backups.all")} columns={COLUMNS()} rows={found.archives} id={(a) => a.name} />}
              </Card>
              <Card title={w("backups.restore")} id="restore">
                <ol class="how">
                  <li>{w("backups.restore_1")}</li>
                  <li>{w("backups.restore_2")}<code class="command">{`anxin --data NEW_FOLDER restore ${found.folder}/${found.archives.find((a) => a.readable)?.name ?? "ARCHIVE.zip"}`}</code></li>
                  <li>{w("backups.restore_3")}<code class="command">anxin --data NEW_FOLDER run</code></li>
                </ol>
              </Card>
            </>
          )}
        </Show>
      </div>
    </PageFrame>
  );
}

export async function backupsPage(): Promise<ComponentChild> {
  await ready;
  return <BackupsPage />;
}
