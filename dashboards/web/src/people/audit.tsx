// The audit: who looked and who changed what, by person, resident, kind and time; and whether the chain is whole.
import type { ComponentChild } from "preact";
import { useSignal } from "@preact/signals";
import { call } from "../api";
import { has, t, tCode } from "../i18n";
import { tz } from "../state";
import { asProblem, Button, Card, Empty, LinkButton, PageFrame, Pill, SelectField, Show, Table, TextField, useLoad } from "../ui";
import { toMs, when, type AuditPage, type AuditRow, type Verdict } from "./data";
import "./people.css";
import { h, type HouseKey } from "./words";

const KINDS = ["", "read", "act", "refused", "sign_in"] as const;

function action(one: AuditRow): string {
  const key = `act.${one.action}` as HouseKey;
  return has(`house.${key}`) ? h(key) : one.action.startsWith("read.") ? h("audit.looked", { what: one.action.slice(5) }) : one.action;
}

function Chain() {
  const verdict = useSignal<Verdict | null>(null), failed = useSignal(""), busy = useSignal(false);
  const look = async () => {
    busy.value = true;
    failed.value = "";
    try {
      verdict.value = await call<Verdict>("GET", "/audit/verify");
    } catch (caught) {
      failed.value = tCode(`error.${asProblem(caught).code}`);
    } finally {
      busy.value = false;
    }
  };
  const found = verdict.value;
  return (
    <Card id="chain" title={h("audit.chain")} tools={<Button busy={busy.value} data-do="verify" onClick={() => void look()}>{h("audit.verify")}</Button>}>
      {found === null && <p>{h("audit.chain.text")}</p>}
      {found !== null && found.ok && <p class="said-well" role="status" data-chain="whole">{h("audit.whole", { n: found.rows, at: when(found.t_ms, tz.value) })}</p>}
      {found !== null && !found.ok && <p class="error" role="alert" data-chain="broken">{h("audit.broken", { n: found.first_bad ?? 0, what: h(`audit.fault.${found.fault ?? "edited"}` as HouseKey) })}</p>}
      {failed.value !== "" && <p class="error" role="alert">{failed.value}</p>}
    </Card>
  );
}

function Rows({ rows }: { rows: readonly AuditRow[] }) {
  return (
    <Table
      caption={t("ui.page.audit")} rows={rows} id={(one) => String(one.n)}
      columns={[
        { id: "at", head: h("audit.at"), cell: (one) => when(one.t_ms, tz.value) }, { id: "who", head: h("audit.who"), cell: (one) => `${one.name || one.actor}${one.role === "" ? "" : ` · ${tCode(`role.${one.role}`)}`}` },
        { id: "what", head: h("audit.what"), cell: (one) => action(one) }, { id: "resident", head: h("audit.resident"), cell: (one) => (one.resident === null ? t("value.none") : one.code || one.resident) },
        { id: "of", head: h("audit.subject"), cell: (one) => one.subject }, { id: "outcome", head: h("audit.outcome"), cell: (one) => <Pill tone={one.outcome === "allowed" ? "quiet" : "bad"}>{h(`outcome.${one.outcome}` as HouseKey)}</Pill> },
      ]}
    />
  );
}

function Audit() {
  const who = useSignal(""), resident = useSignal(""), kind = useSignal<string>(""), from = useSignal(""), until = useSignal("");
  const asked = useSignal(""), before = useSignal<number[]>([]);
  const query = (more: Record<string, string> = {}) => {
    const times = { from_ms: toMs(from.value, tz.value), until_ms: toMs(until.value, tz.value) };
    const fields = { actor: who.value, resident: resident.value.trim(), kind: kind.value, from_ms: times.from_ms?.toString() ?? "", until_ms: times.until_ms?.toString() ?? "", ...more };
    return new URLSearchParams(Object.entries(fields).filter(([, value]) => value !== "")).toString();
  };
  const search = (event?: Event) => {
    event?.preventDefault();
    before.value = [];
    asked.value = query();
  };
  const last = before.value.at(-1);
  const page = useLoad<AuditPage>(`/audit/search?${asked.value}${last === undefined ? "" : `&before=${last}`}`);
  return (
    <PageFrame title={t("ui.page.audit")}>
      <div class="stack">
        <Chain />
        <form class="form" role="search" onSubmit={search}>
          <div class="grid small">
            <SelectField label={h("audit.who")} name="actor" value={who} choices={[["", h("audit.anybody")], ...(page.data.value?.people ?? []).map((one) => [one.id, `${one.name} · ${tCode(`role.${one.role}`)}`] as const)]} />
            <TextField label={h("audit.resident")} name="resident" value={resident} maxLength={64} hint={h("audit.resident.hint")} />
            <SelectField label={h("audit.kind")} name="kind" value={kind} choices={KINDS.map((one) => [one, h(one === "" ? "audit.any" : `audit.kind.${one}`)] as const)} />
            <TextField label={h("over.from")} name="from" type="datetime-local" value={from} /><TextField label={h("over.until")} name="until" type="datetime-local" value={until} />
          </div>
          <div class="row"><Button type="submit" tone="primary">{h("audit.search")}</Button><LinkButton href={`/api/v1/audit/search.csv?${asked.value}`} download>{h("do.csv")}</LinkButton></div>
        </form>
        <Show of={page}>
          {(data) => (
            <div class="stack" data-rows={data.rows.length}>
              {data.rows.length === 0 ? <Empty text={h("audit.none")} /> : <Rows rows={data.rows} />}
              <div class="row">
                {before.value.length > 0 && <Button onClick={() => (before.value = before.value.slice(0, -1))}>{h("audit.newer")}</Button>}
                {data.next !== null && <Button data-do="older" onClick={() => (before.value = [...before.value, data.next as number])}>{h("audit.older")}</Button>}
              </div>
            </div>
          )}
        </Show>
      </div>
    </PageFrame>
  );
}

export function auditPage(): ComponentChild {
  return <Audit />;
}
