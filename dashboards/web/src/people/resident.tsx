// One resident as the house keeps the file: place, contacts, what an ambulance asks for, every step, and what can be done.
import { useSignal } from "@preact/signals";
import { t, tCode } from "../i18n";
import { say } from "../notice";
import { me, tz } from "../state";
import { Button, Card, ConfirmWithReason, Facts, Form, SelectField, Show, useLoad, type Loaded } from "../ui";
import { id, post, when, type Contact, type Detail, type MergePreview, type Resident, type Step } from "./data";
import { AwayForm, ContactForm, CorrectForm, HomeForm, MoveForm } from "./resident-forms";
import { Status } from "./residents";
import { h } from "./words";

type Doing = "move" | "away" | "correct" | "home" | "contact" | "merge" | "discharge" | "died";

function Acts({ of, start, back }: { of: Resident; start: (what: Doing) => void; back: () => void }) {
  const present = of.status === "admitted" || of.status === "away";
  return (
    <div class="row">
      {of.status === "away" && <Button tone="primary" data-do="back" onClick={back}>{h("res.is_back")}</Button>}
      {present && <Button data-do="move" onClick={() => start("move")}>{h("res.move")}</Button>}
      {present && <Button data-do="away" onClick={() => start("away")}>{h(of.status === "away" ? "res.away.change" : "res.away")}</Button>}
      <Button data-do="correct" onClick={() => start("correct")}>{h("res.correct")}</Button>
      <Button data-do="merge" onClick={() => start("merge")}>{h("res.merge")}</Button>
      {present && <Button data-do="discharge" onClick={() => start("discharge")}>{h("res.discharge")}</Button>}
      {present && <Button data-do="died" onClick={() => start("died")}>{h("res.died")}</Button>}
    </div>
  );
}

function Story({ steps }: { steps: readonly Step[] }) {
  return (
    <Card title={h("res.story")} id="story">
      <ol class="plain-list">
        {steps.map((one) => (
          <li key={`${one.at_ms}${one.step}`} data-step={one.step}>
            <span class="fine">{when(one.at_ms, tz.value)}</span> <b>{h(`res.step.${one.step}` as "res.step.moved")}</b> {one.place}
            {one.back_ms !== null && one.step === "away" && ` · ${h("res.back_at", { at: when(one.back_ms, tz.value) })}`}
            {one.into !== "" && ` → ${one.into}`}{one.reason !== "" && ` · ${one.reason}`} <span class="fine">{one.by}</span>
          </li>
        ))}
      </ol>
    </Card>
  );
}

function Contacts({ of, edit, reload }: { of: Detail; edit: (one: Contact | null) => void; reload: () => void }) {
  const end = async (one: Contact) => {
    await post(`/contacts/${id(one.id)}/end`);
    reload();
  };
  return (
    <Card title={h("con.title")} tools={<Button data-do="contact" onClick={() => edit(null)}>{h("do.add")}</Button>} id="contacts">
      {of.contacts.length === 0 ? <p>{h("con.none")}</p> : (
        <ul class="plain-list">
          {of.contacts.map((one) => (
            <li key={one.id} class="row">
              <span><b>{one.order}. {one.name}</b> {h(`con.kind.${one.kind}`)}{one.relation && ` · ${one.relation}`}</span> {one.phone && <a href={`tel:${one.phone}`}>{one.phone}</a>}
              <Button tone="plain" onClick={() => edit(one)}>{h("do.change")}</Button><Button tone="plain" onClick={() => void end(one)}>{h("do.remove")}</Button>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function Merge({ of, others, onDone, onCancel }: { of: Resident; others: readonly Resident[]; onDone: () => void; onCancel: () => void }) {
  const into = useSignal(""), sure = useSignal(false);
  const preview = useLoad<MergePreview>(into.value === "" ? null : `/house/residents/${id(of.id)}/merge?into=${id(into.value)}`);
  const choices = [["", h("merge.choose")] as const, ...others.filter((one) => one.id !== of.id).map((one) => [one.id, `${one.name} ${one.code} ${one.place.label}`] as const)];
  const send = async (reason: string) => {
    await post(`/residents/${id(of.id)}/merge`, { into: into.value, reason });
    onDone();
  };
  const words = (list: readonly string[]) => (list.length === 0 ? t("value.none") : list.map((one) => tCode(`quantity.${one}`)).join("、"));
  return (
    <Card title={h("res.merge")} id="merge">
      <p>{h("merge.text", { name: of.name })}</p>
      <SelectField label={h("merge.into")} name="into" value={into} choices={choices} />
      {into.value !== "" && (
        <Show of={preview}>
          {(found) => (
            <div class="stack" data-merge={found.refused ?? "possible"}>
              <Facts
                rows={[
                  [h("merge.devices"), found.devices.join("、") || t("value.none")], [h("merge.limits"), words(found.limits)], [h("merge.limits_left"), words(found.limits_left)],
                  [h("merge.contacts"), found.contacts], [h("merge.consents"), found.consents],
                ]}
              />
              <p class="error">{found.refused === null ? h("merge.no_undo") : tCode(`error.${found.refused}`, { status: found.into.status })}</p>
              <div class="row"><Button tone="danger" disabled={found.refused !== null} onClick={() => (sure.value = true)}>{h("res.merge")}</Button><Button tone="plain" onClick={onCancel}>{t("ui.cancel")}</Button></div>
              <ConfirmWithReason open={sure.value} title={h("res.merge")} text={h("merge.sure", { name: of.name, into: found.into.name })} verb={h("res.merge")} danger onConfirm={send} onClose={() => (sure.value = false)} />
            </div>
          )}
        </Show>
      )}
    </Card>
  );
}

function Forms({ doing, of, others, contact, done, stop }: { doing: Doing; of: Detail; others: readonly Resident[]; contact: Contact | null; done: () => void; stop: () => void }) {
  const ended = { onDone: done, onCancel: stop };
  const leave = async (reason: string) => {
    await post(`/residents/${id(of.resident.id)}/discharge`, { reason });
    say({ text: h("res.left", { name: of.resident.name }) });
    done();
  };
  const died = async () => {
    await post(`/residents/${id(of.resident.id)}/died`);
    done();
  };
  switch (doing) {
    case "move": return <Card title={h("res.move")}><MoveForm of={of} sites={me.value?.sites ?? []} {...ended} /></Card>;
    case "away": return <Card title={h("res.away")}><AwayForm of={of} tz={tz.value} {...ended} /></Card>;
    case "correct": return <Card title={h("res.correct")}><CorrectForm of={of} {...ended} /></Card>;
    case "home": return <Card title={h("home.title")}><HomeForm of={of} {...ended} /></Card>;
    case "contact": return <Card title={h("con.title")}><ContactForm of={of} one={contact} {...ended} /></Card>;
    case "merge": return <Merge of={of.resident} others={others} {...ended} />;
    case "died": return <Card title={h("res.died")}><Form submit={h("res.died.do")} danger onSubmit={died} onCancel={stop}><p>{h("res.died.text", { name: of.resident.name })}</p></Form></Card>;
    case "discharge": return <ConfirmWithReason open title={h("res.discharge")} text={h("res.discharge.text", { name: of.resident.name })} verb={h("res.discharge")} danger reasons={[h("res.reason.home"), h("res.reason.other_house"), h("res.reason.hospital")]} onConfirm={leave} onClose={stop} />;
  }
}

function Sheet({ of, loaded, others, onGone }: { of: Detail; loaded: Loaded<Detail>; others: readonly Resident[]; onGone: () => void }) {
  const doing = useSignal<Doing | null>(null), contact = useSignal<Contact | null>(null);
  const stop = () => (doing.value = null);
  const done = () => {
    const gone = doing.value === "merge";
    stop();
    if (gone) onGone();
    else loaded.reload();
  };
  const back = async () => {
    await post(`/residents/${id(of.resident.id)}/back`);
    loaded.reload();
  };
  const one = of.resident;
  const none = t("value.none");
  return (
    <div class="stack" data-person={one.id} data-status={one.status}>
      <h3 class="person">{one.name} <Status one={one} /></h3>
      <Facts
        rows={[
          [h("res.place"), one.place.label], [h("res.site"), one.site], [h("res.code"), one.code || none], [h("res.born"), one.birth_date ?? none],
          [h("res.sex"), one.sex === null ? none : h(`res.sex.${one.sex}` as "res.sex.female")], [h("res.devices"), of.devices.map((device) => device.id).join("、") || none],
        ]}
      />
      <Acts of={one} start={(what) => (doing.value = what)} back={() => void back()} />
      {doing.value !== null && <Forms key={doing.value} doing={doing.value} of={of} others={others} contact={contact.value} done={done} stop={stop} />}
      <Card title={h("home.title")} tools={<Button data-do="home" onClick={() => (doing.value = "home")}>{h("do.change")}</Button>} id="home">
        <Facts rows={[[h("home.address"), of.home.address || none], [h("home.door"), of.home.door_code || none], [h("home.medical"), of.home.medical || none]]} />
      </Card>
      <Contacts of={of} edit={(which) => { contact.value = which; doing.value = "contact"; }} reload={loaded.reload} />
      <p class="row"><a href={`/consents?resident=${id(one.id)}`}>{t("ui.page.consents")}</a></p>
      <Story steps={of.steps} />
    </div>
  );
}

export function Person({ who, others, onGone }: { who: string; others: readonly Resident[]; onGone: () => void }) {
  const loaded = useLoad<Detail>(`/house/residents/${id(who)}`);
  return <Show of={loaded}>{(of) => <Sheet of={of} loaded={loaded} others={others} onGone={onGone} />}</Show>;
}
