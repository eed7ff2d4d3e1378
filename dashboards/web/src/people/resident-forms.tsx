// Forms about one resident: admission, move, absence with its return, leaving, corrections, contacts, what an ambulance asks for.
import { useEffect } from "preact/hooks";
import { useSignal, type Signal } from "@preact/signals";
import { say } from "../notice";
import type { Site } from "../types";
import { AreaField, Button, Form, SelectField, Show, TextField, useLoad } from "../ui";
import { filled, id, post, put, toMs, type Bed, type Contact, type Detail } from "./data";
import { h } from "./words";

interface Ended { onDone: () => void; onCancel: () => void }

// Free beds by zone as buttons; how many are taken is said, and none of those can be pressed.
export function BedPicker({ site, value }: { site: string; value: Signal<string> }) {
  const beds = useLoad<{ beds: Bed[] }>("/house/beds");
  return (
    <fieldset class="field beds" data-field="bed">
      <legend>{h("bed.choose")}</legend>
      <Show of={beds}>
        {(data) => {
          const here = data.beds.filter((bed) => bed.site_id === site);
          const zones = [...new Set(here.map((bed) => bed.zone))];
          return (
            <>
              {zones.map((zone) => {
                const own = here.filter((bed) => bed.zone === zone);
                const free = own.filter((bed) => !bed.taken);
                return (
                  <div key={zone} class="stack tight">
                    <p><b>{zone || h("bed.no_zone")}</b> <span class="fine">{h("bed.counts", { free: free.length, taken: own.length - free.length })}</span></p>
                    <div class="chips" role="group" aria-label={zone || h("bed.no_zone")}>
                      {free.map((bed) => <Button key={bed.id} data-bed-free={bed.label} aria-pressed={value.value === bed.id} onClick={() => (value.value = value.value === bed.id ? "" : bed.id)}>{bed.label}</Button>)}
                    </div>
                  </div>
                );
              })}
              {here.length === 0 && <p>{h("bed.none")}</p>}
              <p class="fine">{h("bed.optional")}</p>
            </>
          );
        }}
      </Show>
    </fieldset>
  );
}

function SiteField({ sites, value, bed }: { sites: readonly Site[]; value: Signal<string>; bed: Signal<string> }) {
  useEffect(() => {
    bed.value = "";
  }, [value.value]);
  if (sites.length < 2) return null;
  return <SelectField label={h("res.site")} name="site" value={value} choices={sites.map((one) => [one.id, one.name] as const)} />;
}

const SEXES = ["", "female", "male", "other"] as const;
const sexes = () => SEXES.map((one) => [one, one === "" ? h("res.sex.unknown") : h(`res.sex.${one}`)] as const);

export function AdmitForm({ sites, onDone, onCancel }: Ended & { sites: readonly Site[] }) {
  const name = useSignal(""), code = useSignal(""), born = useSignal(""), sex = useSignal(""), site = useSignal(sites[0]?.id ?? ""), bed = useSignal("");
  const send = async () => {
    await post("/residents", { name: name.value.trim(), site: site.value, ...filled({ code: code.value, birth_date: born.value, sex: sex.value, bed: bed.value }) });
    say({ text: h("res.admitted", { name: name.value.trim() }) });
    onDone();
  };
  return (
    <Form submit={h("res.admit")} onSubmit={send} onCancel={onCancel} disabled={name.value.trim() === ""}>
      <TextField label={h("res.name")} name="name" value={name} maxLength={120} required />
      <div class="grid small">
        <TextField label={h("res.code")} name="code" value={code} maxLength={64} hint={h("res.code.hint")} />
        <TextField label={h("res.born")} name="birth_date" type="date" value={born} />
        <SelectField label={h("res.sex")} name="sex" value={sex} choices={sexes()} />
      </div>
      <SiteField sites={sites} value={site} bed={bed} />
      <BedPicker site={site.value} value={bed} />
    </Form>
  );
}

export function MoveForm({ of, sites, onDone, onCancel }: Ended & { of: Detail; sites: readonly Site[] }) {
  const site = useSignal(of.resident.place.site_id), bed = useSignal("");
  const send = async () => {
    await post(`/residents/${id(of.resident.id)}/move`, bed.value === "" ? { site: site.value } : { bed: bed.value });
    say({ text: h("res.moved", { name: of.resident.name }) });
    onDone();
  };
  return (
    <Form submit={h("res.move")} onSubmit={send} onCancel={onCancel} disabled={bed.value === "" && site.value === of.resident.place.site_id}>
      <p>{h("res.move.text", { name: of.resident.name, place: of.resident.place.label })}</p>
      <SiteField sites={sites} value={site} bed={bed} />
      <BedPicker site={site.value} value={bed} />
    </Form>
  );
}

export function AwayForm({ of, tz, onDone, onCancel }: Ended & { of: Detail; tz: string }) {
  const back = useSignal(""), reason = useSignal("");
  const send = async () => {
    const backMs = toMs(back.value, tz);
    await post(`/residents/${id(of.resident.id)}/away`, { ...filled({ reason: reason.value }), ...(backMs === null ? {} : { back_ms: backMs }) });
    say({ text: h("res.went", { name: of.resident.name }) });
    onDone();
  };
  return (
    <Form submit={h("res.away")} onSubmit={send} onCancel={onCancel}>
      <p>{h("res.away.text")}</p>
      <TextField label={h("res.back")} name="back" type="datetime-local" value={back} hint={h("res.back.hint")} />
      <div class="chips" role="group" aria-label={h("res.reason")}>
        {(["hospital", "family", "outing"] as const).map((one) => <Button key={one} aria-pressed={reason.value === h(`res.away.${one}`)} onClick={() => (reason.value = h(`res.away.${one}`))}>{h(`res.away.${one}`)}</Button>)}
      </div>
      <AreaField label={h("res.reason")} name="reason" value={reason} maxLength={500} />
    </Form>
  );
}

export function CorrectForm({ of, onDone, onCancel }: Ended & { of: Detail }) {
  const one = of.resident;
  const name = useSignal(one.name), code = useSignal(one.code), born = useSignal(one.birth_date ?? ""), sex = useSignal(one.sex ?? "");
  const send = async () => {
    await post(`/house/residents/${id(one.id)}/correct`, { name: name.value.trim(), ...filled({ code: code.value, birth_date: born.value, sex: sex.value }) });
    onDone();
  };
  return (
    <Form submit={h("do.save")} onSubmit={send} onCancel={onCancel} disabled={name.value.trim() === ""}>
      <TextField label={h("res.name")} name="name" value={name} maxLength={120} />
      <div class="grid small">
        <TextField label={h("res.code")} name="code" value={code} maxLength={64} />
        <TextField label={h("res.born")} name="birth_date" type="date" value={born} />
        <SelectField label={h("res.sex")} name="sex" value={sex} choices={sexes()} />
      </div>
    </Form>
  );
}

export function HomeForm({ of, onDone, onCancel }: Ended & { of: Detail }) {
  const address = useSignal(of.home.address), door = useSignal(of.home.door_code), medical = useSignal(of.home.medical);
  const send = async () => {
    await put(`/residents/${id(of.resident.id)}/home`, { address: address.value.trim(), door_code: door.value.trim(), medical: medical.value.replace(/\s+/g, " ").trim() });
    onDone();
  };
  return (
    <Form submit={h("do.save")} onSubmit={send} onCancel={onCancel}>
      <p class="fine">{h("home.why")}</p>
      <TextField label={h("home.address")} name="address" value={address} maxLength={200} />
      <TextField label={h("home.door")} name="door_code" value={door} maxLength={40} />
      <AreaField label={h("home.medical")} name="medical" value={medical} maxLength={500} hint={h("home.medical.hint")} />
    </Form>
  );
}

export function ContactForm({ of, one, onDone, onCancel }: Ended & { of: Detail; one: Contact | null }) {
  const name = useSignal(one?.name ?? ""), kind = useSignal<string>(one?.kind ?? "family"), relation = useSignal(one?.relation ?? ""), phone = useSignal(one?.phone ?? "");
  const order = useSignal(String(one?.order ?? of.contacts.length + 1));
  const send = async () => {
    await post("/contacts", {
      resident: of.resident.id, name: name.value.trim(), kind: kind.value, order: Number(order.value) || 1, ...filled({ relation: relation.value, phone: phone.value, contact_id: one?.id ?? null }),
    });
    onDone();
  };
  return (
    <Form submit={h("do.save")} onSubmit={send} onCancel={onCancel} disabled={name.value.trim() === ""}>
      <TextField label={h("res.name")} name="name" value={name} maxLength={120} />
      <div class="grid small">
        <SelectField label={h("con.kind")} name="kind" value={kind} choices={[["family", h("con.kind.family")], ["responder", h("con.kind.responder")]]} />
        <TextField label={h("con.relation")} name="relation" value={relation} maxLength={60} />
        <TextField label={h("con.phone")} name="phone" type="tel" value={phone} maxLength={40} />
        <TextField label={h("con.order")} name="order" type="number" min={1} max={99} value={order} />
      </div>
    </Form>
  );
}
