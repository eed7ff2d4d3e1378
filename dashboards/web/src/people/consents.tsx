// Consents: per resident who may see what until when; given, withdrawn, printed.
import type { ComponentChild } from "preact";
import { useSignal } from "@preact/signals";
import { t } from "../i18n";
import { say } from "../notice";
import { me, tz } from "../state";
import { Button, Card, ConfirmWithReason, Dialog, Empty, Form, PageFrame, Pill, SelectField, Show, Table, TextField, useLoad } from "../ui";
import { day, id, post, toMs, when, type ConsentRow, type Grantees, type Residents } from "./data";
import "./people.css";
import { h } from "./words";

const CLASSES = ["summary", "vitals", "alerts", "location", "documents", "notes", "looks"] as const;
const BASES = ["separate_consent", "guardian_consent", "protect_life"] as const;
const classWord = (one: string) => h(`class.${one}` as "class.vitals");
const TONE = { live: "ok", future: "info", over: "quiet", withdrawn: "warn" } as const;

function Grant({ resident, onDone, onCancel }: { resident: string; onDone: () => void; onCancel: () => void }) {
  const people = useLoad<Grantees>("/house/grantees");
  const who = useSignal(""), classes = useSignal<string[]>(["summary"]), until = useSignal(""), giver = useSignal(""), basis = useSignal<string>("separate_consent"), text = useSignal(""), reason = useSignal("");
  const send = async () => {
    await post("/consents", {
      resident, grantee: who.value, classes: classes.value, until_ms: toMs(until.value, tz.value) ?? 0, giver: giver.value.trim(), legal_basis: basis.value, text_version: text.value.trim(),
      guardian: basis.value === "guardian_consent", reason: reason.value.trim(),
    });
    say({ text: h("consent.given") });
    onDone();
  };
  const turn = (one: string) => (classes.value = classes.value.includes(one) ? classes.value.filter((other) => other !== one) : [...classes.value, one]);
  return (
    <Form submit={h("consent.give")} onSubmit={send} onCancel={onCancel} disabled={who.value === "" || classes.value.length === 0 || until.value === "" || giver.value.trim() === ""}>
      <SelectField label={h("consent.who")} name="grantee" value={who} choices={[["", h("consent.choose")], ...(people.data.value?.grantees ?? []).map((one) => [one.id, `${one.name} (${one.login})`] as const)]} hint={h("consent.who.hint")} />
      <fieldset class="field"><legend>{h("consent.what")}</legend><div class="chips">{CLASSES.map((one) => <Button key={one} data-class={one} aria-pressed={classes.value.includes(one)} onClick={() => turn(one)}>{classWord(one)}</Button>)}</div></fieldset>
      <div class="grid small">
        <TextField label={h("consent.until")} name="until" type="date" value={until} hint={h("consent.until.hint")} />
        <SelectField label={h("consent.basis")} name="legal_basis" value={basis} choices={BASES.map((one) => [one, h(`basis.${one}`)] as const)} />
        <TextField label={h("consent.giver")} name="giver" value={giver} maxLength={120} />
        <TextField label={h("consent.text")} name="text_version" value={text} maxLength={60} hint={h("consent.text.hint")} />
      </div>
      {basis.value === "protect_life" && <TextField label={h("res.reason")} name="reason" value={reason} maxLength={300} hint={h("consent.emergency")} />}
    </Form>
  );
}

function Rows({ rows, withdraw }: { rows: readonly ConsentRow[]; withdraw: (one: ConsentRow) => void }) {
  return (
    <Table
      caption={h("consent.title")} rows={rows} id={(one) => one.id}
      columns={[
        { id: "who", head: h("consent.who"), cell: (one) => one.grantee_name }, { id: "what", head: h("consent.what"), cell: (one) => one.classes.map(classWord).join("、") },
        { id: "until", head: h("consent.until"), cell: (one) => day(one.until_ms, tz.value), sort: (one) => one.until_ms },
        { id: "standing", head: h("res.status"), cell: (one) => <span data-standing={one.standing}><Pill tone={TONE[one.standing]}>{h(`standing.${one.standing}`)}</Pill>{one.withdrawn_ms !== null && <span class="fine"> {when(one.withdrawn_ms, tz.value)}</span>}</span> },
        { id: "giver", head: h("consent.giver"), cell: (one) => `${one.giver} · ${h(`basis.${one.legal_basis}` as "basis.protect_life")}` }, { id: "by", head: h("consent.by"), cell: (one) => `${one.recorded_by_name} ${day(one.recorded_ms, tz.value)}` },
        { id: "do", head: h("consent.withdraw"), cell: (one) => ((one.standing === "live" || one.standing === "future") && <Button data-withdraw={one.id} onClick={() => withdraw(one)}>{h("consent.withdraw")}</Button>), acts: true },
      ]}
    />
  );
}

function OfResident({ who }: { who: { id: string; name: string; place: string } }) {
  const list = useLoad<{ consents: ConsentRow[] }>(`/residents/${id(who.id)}/consents`);
  const giving = useSignal(false), ending = useSignal<ConsentRow | null>(null);
  const done = () => {
    giving.value = false;
    ending.value = null;
    list.reload();
  };
  const end = async (one: ConsentRow) => {
    await post(`/consents/${id(one.id)}/withdraw`);
    say({ text: h("consent.withdrawn") });
    done();
  };
  return (
    <Card id="consents" title={h("consent.of", { name: who.name, at: who.place })} tools={<p class="row no-print"><Button tone="primary" data-do="give" onClick={() => (giving.value = true)}>{h("consent.give")}</Button><Button onClick={() => print()}>{h("do.print")}</Button></p>} foot={h("consent.printed", { at: when(Date.now(), tz.value), by: me.value?.name ?? "" })}>
      <Show of={list}>{(data) => (data.consents.length === 0 ? <Empty text={h("consent.none")} /> : <Rows rows={data.consents} withdraw={(one) => (ending.value = one)} />)}</Show>
      <Dialog open={giving.value} title={h("consent.give")} onClose={() => (giving.value = false)} wide><Grant resident={who.id} onDone={done} onCancel={() => (giving.value = false)} /></Dialog>
      <ConfirmWithReason open={ending.value !== null} title={h("consent.withdraw")} text={h("consent.withdraw.text", { name: ending.value?.grantee_name ?? "" })} verb={h("consent.withdraw")} danger reasons={[h("consent.reason.resident"), h("consent.reason.family")]} onConfirm={() => ending.value !== null && end(ending.value)} onClose={() => (ending.value = null)} />
    </Card>
  );
}

function Consents() {
  const list = useLoad<Residents>("/house/residents");
  const chosen = useSignal(new URLSearchParams(location.search).get("resident") ?? "");
  return (
    <PageFrame title={t("ui.page.consents")}>
      <Show of={list}>
        {(data) => {
          const one = data.residents.find((row) => row.id === chosen.value);
          return (
            <div class="stack">
              <div class="no-print"><SelectField label={h("res.person")} name="resident" value={chosen} choices={[["", h("consent.choose")], ...data.residents.map((row) => [row.id, `${row.name} · ${row.place.label}`] as const)]} /></div>
              {one === undefined ? <Empty text={h("consent.pick")} /> : <OfResident key={one.id} who={{ id: one.id, name: one.name, place: one.place.label }} />}
            </div>
          );
        }}
      </Show>
    </PageFrame>
  );
}

export function consentsPage(): ComponentChild {
  return <Consents />;
}
