// Sites, zones, rooms and beds: one list per site, and a form for what is added or changed.
import type { ComponentChild } from "preact";
import { useSignal } from "@preact/signals";
import { t } from "../i18n";
import { Button, Card, Dialog, Empty, Form, PageFrame, Pill, SelectField, Show, Table, TextField, useLoad } from "../ui";
import { filled, post, type Bed, type Registry } from "./data";
import "./people.css";
import { h } from "./words";

type Kind = "site" | "zone" | "room" | "bed";
interface Draft { kind: Kind; id: string | null; site: string; name: string; code: string; zone: string; room: string; tz: string; type: string }
const KINDS = ["institution", "daycare", "home"] as const;
const fresh = (kind: Kind, site: string): Draft => ({ kind, id: null, site, name: "", code: "", zone: "", room: "", tz: "Asia/Shanghai", type: "institution" });

function PlaceForm({ draft, of, onDone, onCancel }: { draft: Draft; of: Registry; onDone: () => void; onCancel: () => void }) {
  const name = useSignal(draft.name), code = useSignal(draft.code), zone = useSignal(draft.zone), room = useSignal(draft.room), tz = useSignal(draft.tz), type = useSignal(draft.type);
  const send = async () => {
    const own = draft.id === null ? {} : { [`${draft.kind}_id`]: draft.id };
    const where = draft.kind === "site" ? {} : { site: draft.site };
    const named = draft.kind === "bed" ? { label: name.value.trim() } : { name: name.value.trim() };
    const more = draft.kind === "site" ? { tz: tz.value, kind: type.value } : draft.kind === "zone" ? {} : filled({ zone: zone.value, room: draft.kind === "bed" ? room.value : null });
    await post(`/registry/${draft.kind}s`, { ...own, ...where, ...named, ...more, ...filled({ code: code.value }) });
    onDone();
  };
  const zones = [["", t("value.none")] as const, ...of.zones.filter((one) => one.site_id === draft.site).map((one) => [one.id, one.name] as const)];
  const rooms = [["", t("value.none")] as const, ...of.rooms.filter((one) => one.site_id === draft.site).map((one) => [one.id, one.name] as const)];
  return (
    <Form submit={h("do.save")} onSubmit={send} onCancel={onCancel} disabled={name.value.trim() === ""}>
      <TextField label={h(`place.${draft.kind}.name`)} name="name" value={name} maxLength={120} required />
      <TextField label={h("place.code")} name="code" value={code} maxLength={64} hint={h("place.code.hint")} />
      {draft.kind === "site" && <TextField label={h("place.tz")} name="tz" value={tz} maxLength={64} />}
      {draft.kind === "site" && <SelectField label={h("place.kind")} name="kind" value={type} choices={KINDS.map((one) => [one, h(`place.kind.${one}`)] as const)} />}
      {(draft.kind === "room" || draft.kind === "bed") && <SelectField label={h("place.zone")} name="zone" value={zone} choices={zones} />}
      {draft.kind === "bed" && <SelectField label={h("place.room")} name="room" value={room} choices={rooms} />}
    </Form>
  );
}

function Beds({ beds, edit }: { beds: readonly Bed[]; edit: (bed: Bed) => void }) {
  return (
    <Table
      caption={h("place.beds")} showCaption rows={beds} id={(one) => one.id}
      columns={[
        { id: "label", head: h("place.bed.name"), cell: (one) => one.label, sort: (one) => one.label }, { id: "zone", head: h("place.zone"), cell: (one) => one.zone || t("value.none"), sort: (one) => one.zone },
        { id: "room", head: h("place.room"), cell: (one) => one.room || t("value.none") }, { id: "code", head: h("place.code"), cell: (one) => one.code || t("value.none") },
        { id: "who", head: h("place.who"), cell: (one) => (one.taken ? one.occupant || h("bed.taken") : <Pill tone="ok">{h("bed.free")}</Pill>), sort: (one) => (one.taken ? 1 : 0) },
        { id: "do", head: h("do.change"), cell: (one) => <Button onClick={() => edit(one)}>{h("do.change")}</Button>, acts: true },
      ]}
    />
  );
}

function SiteCard({ site, of, beds, edit }: { site: Registry["sites"][number]; of: Registry; beds: readonly Bed[]; edit: (draft: Draft) => void }) {
  const zones = of.zones.filter((one) => one.site_id === site.id), rooms = of.rooms.filter((one) => one.site_id === site.id), own = beds.filter((one) => one.site_id === site.id);
  const change = (kind: Kind, one: { id: string; name: string; code: string; zone_id?: string | null }) => edit({ ...fresh(kind, site.id), id: one.id, name: one.name, code: one.code, zone: one.zone_id ?? "" });
  return (
    <Card id={site.id} title={`${site.name} · ${h(`place.kind.${site.kind}` as "place.kind.home")}`} tools={<Button onClick={() => edit({ ...fresh("site", site.id), id: site.id, name: site.name, code: site.code, tz: site.tz, type: site.kind })}>{h("do.change")}</Button>}>
      <p class="fine">{h("place.counts", { zones: zones.length, rooms: rooms.length, beds: own.length, free: own.filter((one) => !one.taken).length })} · {site.tz}</p>
      <div class="row">{(["zone", "room", "bed"] as const).map((kind) => <Button key={kind} data-add={kind} onClick={() => edit(fresh(kind, site.id))}>{h(`place.add.${kind}`)}</Button>)}</div>
      {zones.length > 0 && <div class="chips" role="group" aria-label={h("place.zones")}><b>{h("place.zones")}</b>{zones.map((one) => <Button key={one.id} onClick={() => change("zone", one)}>{one.name}</Button>)}</div>}
      {rooms.length > 0 && <div class="chips" role="group" aria-label={h("place.rooms")}><b>{h("place.rooms")}</b>{rooms.map((one) => <Button key={one.id} onClick={() => change("room", one)}>{one.name}</Button>)}</div>}
      {own.length > 0 && <Beds beds={own} edit={(one) => edit({ ...fresh("bed", site.id), id: one.id, name: one.label, code: one.code, zone: one.zone_id ?? "", room: one.room_id ?? "" })} />}
    </Card>
  );
}

function Places() {
  const registry = useLoad<Registry>("/registry"), beds = useLoad<{ beds: Bed[] }>("/house/beds");
  const draft = useSignal<Draft | null>(null);
  const done = () => {
    draft.value = null;
    registry.reload();
    beds.reload();
  };
  return (
    <PageFrame title={t("ui.page.places")}>
      <Show of={registry}>
        {(of) => (
          <div class="stack">
            <div class="row"><Button tone="primary" data-add="site" onClick={() => (draft.value = fresh("site", ""))}>{h("place.add.site")}</Button></div>
            {of.sites.length === 0 && <Empty text={h("place.none")} />}
            {of.sites.map((site) => <SiteCard key={site.id} site={site} of={of} beds={beds.data.value?.beds ?? []} edit={(one) => (draft.value = one)} />)}
            <Dialog open={draft.value !== null} title={draft.value === null ? "" : h(draft.value.id === null ? `place.add.${draft.value.kind}` : "do.change")} onClose={() => (draft.value = null)}>
              {draft.value !== null && <PlaceForm draft={draft.value} of={of} onDone={done} onCancel={() => (draft.value = null)} />}
            </Dialog>
          </div>
        )}
      </Show>
    </PageFrame>
  );
}

export function placesPage(): ComponentChild {
  return <Places />;
}
