// Every device with how it is, by place; those that need somebody first. One device has a page of its own: ?device=
import type { ComponentChild } from "preact";
import { useSignal } from "@preact/signals";
import { ago, t } from "../i18n";
import { me, now } from "../state";
import { type Column, Empty, Field, LinkButton, PageFrame, Show, Table, TextField, useLoad } from "../ui";
import { type DeviceRow, type Devices, NEEDS, type RegistryRows, type ResidentRow } from "./data";
import { DevicePage } from "./device";
import "./machines.css";
import { Battery, kindWord, NeedPills, offset, SignalBars, StateDot } from "./parts";
import { ready, w, wCode } from "./words";

const EVERY_MS = 10_000;
const STATES = ["online", "offline", "idle", "unknown", "never"];

interface Names {
  residents: Map<string, string>;
  places: Map<string, string>;
}

function placeOf(row: DeviceRow, names: Names): string {
  const place = row.place;
  if (place === null) return w("devices.nowhere");
  return [names.places.get(place.site_id), place.zone_id === null ? undefined : names.places.get(place.zone_id)].filter(Boolean).join(" · ");
}

function rate(row: DeviceRow): string {
  const { per_h, expected_per_h, messages_per_h } = row.heard;
  if (per_h !== null && expected_per_h !== null) return `${Math.round(per_h)} / ${Math.round(expected_per_h)}`;
  return messages_per_h === null ? t("value.none") : String(Math.round(messages_per_h));
}

function columns(names: Names): Column<DeviceRow>[] {
  return [
    { id: "device", head: w("devices.device"), sort: (r) => r.id, cell: (r) => <><a class="strong" href={`/devices?device=${encodeURIComponent(r.id)}`}>{r.id}</a><span class="fine">{[r.kind === "" && r.model !== "" ? "" : kindWord(r.kind), r.model].filter(Boolean).join(" · ")}</span></> },
    { id: "state", head: w("devices.state"), sort: (r) => STATES.indexOf(r.availability.state), cell: (r) => <><StateDot state={r.availability.state} /><NeedPills needs={r.needs} state={r.availability.state} /></> },
    { id: "whose", head: w("devices.whose"), sort: (r) => r.place?.label ?? "", cell: (r) => (r.resident_id === null ? (r.place === null ? <em>{w("devices.nobody")}</em> : r.place.label) : `${names.residents.get(r.resident_id) ?? ""} ${r.place?.label ?? ""}`.trim()) },
    { id: "seen", head: w("devices.seen"), sort: (r) => -(r.last_seen_ms ?? 0), cell: (r) => (r.last_seen_ms === null ? w("devices.never") : ago(now.value - r.last_seen_ms)) },
    { id: "battery", head: w("devices.battery"), sort: (r) => r.battery.days_left ?? r.battery.percent ?? 1e6, cell: (r) => <Battery of={r.battery} /> },
    { id: "signal", head: w("devices.signal"), sort: (r) => -(r.rssi.dbm ?? -999), cell: (r) => (r.rssi.dbm === null ? t("value.none") : <SignalBars dbm={r.rssi.dbm} />) },
    { id: "heard", head: w("devices.heard"), number: true, sort: (r) => (r.heard.expected_per_h ? (r.heard.per_h ?? 0) / r.heard.expected_per_h : 1e6), cell: rate },
    { id: "clock", head: w("devices.clock"), sort: (r) => -Math.abs(r.clock.offset_s ?? 0), cell: (r) => offset(r.clock.offset_s) },
    { id: "firmware", head: w("devices.firmware"), cell: (r) => r.firmware ?? t("value.none") },
  ];
}

function asked(): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(location.search));
}

function List({ all, names }: { all: Devices; names: Names }) {
  const need = useSignal(asked().need ?? (asked().visit === "1" ? "any" : ""));
  const state = useSignal(asked().state ?? "");
  const text = useSignal("");
  const keep = () => {
    const query = new URLSearchParams([["need", need.value], ["state", state.value]].filter(([, value]) => value !== "") as [string, string][]);
    history.replaceState(null, "", `${location.pathname}${query.size > 0 ? `?${query}` : ""}`);
  };
  const wanted = text.value.trim().toLowerCase();
  const rows = all.devices.filter((r) => (need.value === "" || (need.value === "any" ? r.needs.length > 0 : r.needs.includes(need.value as never)))
    && (state.value === "" || r.availability.state === state.value)
    && (wanted === "" || [r.id, r.model, kindWord(r.kind), names.residents.get(r.resident_id ?? "") ?? "", r.place?.label ?? ""].join(" ").toLowerCase().includes(wanted)));
  const groups = new Map<string, DeviceRow[]>();
  for (const row of rows) {
    const place = placeOf(row, names);
    groups.set(place, [...(groups.get(place) ?? []), row]);
  }
  return (
    <>
      <div class="filters" role="search">
        <TextField label={w("devices.find")} name="find" type="search" value={text} />
        <Field label={w("devices.visit")} name="need">
          {(wired) => (
            <select {...wired} value={need.value} onChange={(e) => { need.value = e.currentTarget.value; keep(); }}>
              <option value="">{w("devices.all", { n: all.devices.length })}</option>
              <option value="any">{w("devices.any_need", { n: all.devices.filter((r) => r.needs.length > 0).length })}</option>
              {NEEDS.map((one) => <option key={one} value={one}>{`${wCode("need", one)} (${all.devices.filter((r) => r.needs.includes(one)).length})`}</option>)}
            </select>
          )}
        </Field>
        <Field label={w("devices.state")} name="state">
          {(wired) => (
            <select {...wired} value={state.value} onChange={(e) => { state.value = e.currentTarget.value; keep(); }}>
              <option value="">{w("devices.any_state")}</option>
              {STATES.map((one) => <option key={one} value={one}>{wCode("state", one)}</option>)}
            </select>
          )}
        </Field>
      </div>
      {rows.length === 0 && <Empty text={all.devices.length === 0 ? w("devices.none") : w("devices.none_such")} />}
      {[...groups].map(([place, some]) => (
        <section key={place} class="group" data-group={place}>
          <h2>{place} <span class="fine">{w("devices.count", { n: some.length, visit: some.filter((r) => r.needs.length > 0).length })}</span></h2>
          <Table caption={place} columns={columns(names)} rows={some} id={(r) => r.id} />
        </section>
      ))}
    </>
  );
}

function DevicesPage() {
  const devices = useLoad<Devices>("/devices/health", EVERY_MS);
  const residents = useLoad<{ residents: ResidentRow[] }>(me.value?.role === "operator" ? "/residents" : null);
  const registry = useLoad<RegistryRows>("/registry");
  const places = registry.data.value;
  const names: Names = {
    residents: new Map((residents.data.value?.residents ?? []).map((r) => [r.id, r.name])),
    places: new Map([...(places?.sites ?? []), ...(places?.zones ?? [])].map((r) => [r.id, r.name])),
  };
  const tools = me.value?.role === "operator" ? <LinkButton href="/pair" tone="primary">{t("ui.page.pair")}</LinkButton> : undefined;
  return (
    <PageFrame title={t("ui.page.devices")} tools={tools}>
      <div class="stack" data-page="devices"><Show of={devices}>{(all) => <List all={all} names={names} />}</Show></div>
    </PageFrame>
  );
}

export async function devicesPage(): Promise<ComponentChild> {
  await ready;
  const one = asked().device;
  return one === undefined ? <DevicesPage /> : <DevicePage id={one} />;
}
