// Staff and rota: the week with its gaps, shifts, exceptions, people, groups and quiet hours of one site.
import type { ComponentChild } from "preact";
import { useSignal, type Signal } from "@preact/signals";
import { t } from "../i18n";
import { me } from "../state";
import { Button, Card, CheckField, Dialog, Empty, Form, PageFrame, Pill, SelectField, Show, Table, Tabs, TextField, useLoad } from "../ui";
import { filled, id, post, toMs, when, type Choices, type Duty, type Person, type Registry, type Week } from "./data";
import "./people.css";
import { roleWord, WeekGrid } from "./week";
import { h } from "./words";

const DAYS = [0, 1, 2, 3, 4, 5, 6] as const;
const WEEK_MS = 7 * 86_400_000;
const TABS = ["week", "shifts", "people", "groups"] as const;
type Doing = "shift" | "override" | "person" | "group" | "quiet" | null;
interface Ended { onDone: () => void; onCancel: () => void }

export function DaysField({ value }: { value: Signal<number[]> }) {
  return (
    <fieldset class="field"><legend>{h("rota.days")}</legend>
      <div class="chips">
        {DAYS.map((n) => <Button key={n} aria-pressed={value.value.includes(n)} onClick={() => (value.value = value.value.includes(n) ? value.value.filter((one) => one !== n) : [...value.value, n].sort())}>{h(`day.${n}`)}</Button>)}
      </div>
    </fieldset>
  );
}

const people = (list: readonly Person[]) => list.filter((one) => one.status === "active").map((one) => [one.id, `${one.name} · ${roleWord(one.role)}`] as const);

function ShiftForm({ site, staff, roles, zones, onDone, onCancel }: Ended & { site: string; staff: readonly Person[]; roles: readonly string[]; zones: readonly { id: string; name: string }[] }) {
  const who = useSignal(people(staff)[0]?.[0] ?? ""), start = useSignal("08:00"), end = useSignal("20:00"), days = useSignal<number[]>([...DAYS]), zone = useSignal(""), from = useSignal(""), to = useSignal("");
  const role = useSignal(staff.find((one) => one.id === who.value)?.role ?? roles[0] ?? "caregiver");
  const send = async () => {
    await post("/registry/rota", { site, staff: who.value, role: role.value, weekdays: days.value, start: start.value, end: end.value, ...filled({ zone: zone.value, valid_from: from.value, valid_to: to.value }) });
    onDone();
  };
  return (
    <Form submit={h("rota.add")} onSubmit={send} onCancel={onCancel} disabled={who.value === "" || days.value.length === 0}>
      <div class="grid small">
        <SelectField label={h("rota.who")} name="staff" value={who} choices={people(staff)} />
        <SelectField label={h("rota.role")} name="role" value={role} choices={roles.map((one) => [one, roleWord(one)] as const)} />
        <TextField label={h("rota.start")} name="start" type="time" value={start} />
        <TextField label={h("rota.end")} name="end" type="time" value={end} hint={h("rota.end.hint")} />
        <SelectField label={h("place.zone")} name="zone" value={zone} choices={[["", h("rota.whole_site")], ...zones.map((one) => [one.id, one.name] as const)]} />
        <TextField label={h("rota.from")} name="valid_from" type="date" value={from} />
        <TextField label={h("rota.to")} name="valid_to" type="date" value={to} />
      </div>
      <DaysField value={days} />
    </Form>
  );
}

function OverrideForm({ site, tz, staff, roles, onDone, onCancel }: Ended & { site: string; tz: string; staff: readonly Person[]; roles: readonly string[] }) {
  const kind = useSignal("absent"), who = useSignal(people(staff)[0]?.[0] ?? ""), instead = useSignal(""), from = useSignal(""), to = useSignal(""), role = useSignal(roles[0] ?? ""), reason = useSignal("");
  const send = async () => {
    await post("/registry/overrides", {
      site, staff: who.value, kind: kind.value, from_ms: toMs(from.value, tz) ?? 0, until_ms: toMs(to.value, tz) ?? 0,
      ...filled({ reason: reason.value, role: kind.value === "extra" ? role.value : null, for_staff: kind.value === "swap" ? instead.value : null }),
    });
    onDone();
  };
  return (
    <Form submit={h("do.save")} onSubmit={send} onCancel={onCancel} disabled={who.value === "" || from.value === "" || to.value === ""}>
      <SelectField label={h("over.kind")} name="kind" value={kind} choices={(["absent", "extra", "swap"] as const).map((one) => [one, h(`over.${one}`)] as const)} />
      <SelectField label={h("rota.who")} name="staff" value={who} choices={people(staff)} />
      {kind.value === "swap" && <SelectField label={h("over.for")} name="for_staff" value={instead} choices={[["", t("value.none")], ...people(staff)]} />}
      {kind.value === "extra" && <SelectField label={h("rota.role")} name="role" value={role} choices={roles.map((one) => [one, roleWord(one)] as const)} />}
      <div class="grid small"><TextField label={h("over.from")} name="from" type="datetime-local" value={from} /><TextField label={h("over.until")} name="until" type="datetime-local" value={to} /></div>
      <TextField label={h("res.reason")} name="reason" value={reason} maxLength={120} />
    </Form>
  );
}

function PersonForm({ one, roles, channels, onDone, onCancel }: Ended & { one: Person | null; roles: readonly string[]; channels: readonly string[] }) {
  const name = useSignal(one?.name ?? ""), role = useSignal(one?.role ?? "caregiver"), code = useSignal(one?.code ?? "");
  const ways = channels.map((channel) => ({ channel, on: useSignal(one?.channels[channel] !== undefined), to: useSignal(one?.channels[channel] ?? "") }));
  const send = async () => {
    const reached = Object.fromEntries(ways.filter((way) => way.on.value).map((way) => [way.channel, way.to.value.trim()]));
    await post("/registry/staff", { name: name.value.trim(), role: role.value, channels: reached, ...filled({ code: code.value, staff_id: one?.id ?? null, user_id: one?.user_id ?? null }) });
    onDone();
  };
  const known = [...new Set([...roles, "caregiver", "nurse", "head_nurse"])];
  return (
    <Form submit={h("do.save")} onSubmit={send} onCancel={onCancel} disabled={name.value.trim() === ""}>
      <TextField label={h("res.name")} name="name" value={name} maxLength={120} />
      <div class="grid small"><SelectField label={h("rota.role")} name="role" value={role} choices={known.map((word) => [word, roleWord(word)] as const)} /><TextField label={h("res.code")} name="code" value={code} maxLength={64} /></div>
      {ways.length > 0 && <fieldset class="field"><legend>{h("staff.ways")}</legend>{ways.map((way) => <div key={way.channel} class="row"><CheckField label={way.channel} name={`way-${way.channel}`} value={way.on} />{way.on.value && <TextField label={h("staff.address", { channel: way.channel })} name={`to-${way.channel}`} value={way.to} maxLength={120} hint={h("staff.address.hint")} />}</div>)}</fieldset>}
    </Form>
  );
}

function GroupForm({ site, staff, onDone, onCancel }: Ended & { site: string; staff: readonly Person[] }) {
  const name = useSignal(""), who = useSignal<string[]>([]);
  const send = async () => {
    await post("/registry/groups", { site, name: name.value.trim(), staff: who.value });
    onDone();
  };
  const turn = (one: string) => (who.value = who.value.includes(one) ? who.value.filter((other) => other !== one) : [...who.value, one]);
  return (
    <Form submit={h("do.save")} onSubmit={send} onCancel={onCancel} disabled={name.value.trim() === "" || who.value.length === 0}>
      <TextField label={h("group.name")} name="name" value={name} maxLength={60} />
      <fieldset class="field"><legend>{h("group.people")}</legend><div class="chips">{people(staff).map(([one, word]) => <Button key={one} aria-pressed={who.value.includes(one)} onClick={() => turn(one)}>{word}</Button>)}</div></fieldset>
    </Form>
  );
}

function QuietForm({ site, of, onDone, onCancel }: Ended & { site: string; of: Duty["quiet"] }) {
  const start = useSignal(of?.start ?? "22:00"), end = useSignal(of?.end ?? "06:00");
  const send = async () => {
    await post("/registry/quiet", { site, start: start.value, end: end.value });
    onDone();
  };
  return <Form submit={h("do.save")} onSubmit={send} onCancel={onCancel}><p>{h("quiet.text")}</p><div class="grid small"><TextField label={h("rota.start")} name="start" type="time" value={start} /><TextField label={h("rota.end")} name="end" type="time" value={end} /></div></Form>;
}

interface Parts { site: { id: string; tz: string }; week: Week; duty: Duty; staff: readonly Person[]; registry: Registry; choices: Choices; start: (what: Doing, one?: Person) => void; again: () => void }

function Shifts({ site, duty, staff, registry, start, again }: Parts) {
  const named = new Map(staff.map((one) => [one.id, one.name])), zones = new Map(registry.zones.map((one) => [one.id, one.name]));
  const end = async (path: string) => {
    await post(path);
    again();
  };
  const rows = registry.rota.filter((one) => one.site_id === site.id);
  return (
    <div class="stack">
      <div class="row"><Button tone="primary" data-do="shift" onClick={() => start("shift")}>{h("rota.add")}</Button><Button data-do="override" onClick={() => start("override")}>{h("over.add")}</Button></div>
      {rows.length === 0 ? <Empty text={h("rota.none")} /> : (
        <Table
          caption={h("rota.title")} showCaption rows={rows} id={(one) => one.id}
          columns={[
            { id: "who", head: h("rota.who"), cell: (one) => named.get(one.staff_id) ?? one.staff_id, sort: (one) => named.get(one.staff_id) ?? "" }, { id: "role", head: h("rota.role"), cell: (one) => roleWord(one.role), sort: (one) => one.role },
            { id: "days", head: h("rota.days"), cell: (one) => (one.weekdays.length === 7 ? h("rota.daily") : one.weekdays.map((n) => h(`day.${n}` as "day.0")).join(" ")) },
            { id: "hours", head: h("rota.hours"), cell: (one) => (one.start === one.end ? h("rota.all_day", { at: one.start }) : `${one.start}–${one.end}`), sort: (one) => one.start },
            { id: "zone", head: h("place.zone"), cell: (one) => (one.zone_id === null ? h("rota.whole_site") : zones.get(one.zone_id) ?? "") },
            { id: "do", head: h("do.remove"), cell: (one) => <Button data-end={one.id} onClick={() => void end(`/registry/rota/${id(one.id)}/end`)}>{h("do.end")}</Button>, acts: true },
          ]}
        />
      )}
      {duty.overrides.length > 0 && (
        <Table
          caption={h("over.title")} showCaption rows={duty.overrides} id={(one) => one.id}
          columns={[
            { id: "who", head: h("rota.who"), cell: (one) => named.get(one.staff_id) ?? one.staff_id }, { id: "kind", head: h("over.kind"), cell: (one) => h(`over.${one.kind}` as "over.absent") + (one.for_staff_id === null ? "" : ` · ${named.get(one.for_staff_id) ?? ""}`) },
            { id: "when", head: h("rota.hours"), cell: (one) => `${when(one.from_ms, site.tz)} – ${when(one.until_ms, site.tz)}` }, { id: "why", head: h("res.reason"), cell: (one) => one.reason || t("value.none") },
            { id: "do", head: h("do.remove"), cell: (one) => <Button onClick={() => void end(`/registry/overrides/${id(one.id)}/end`)}>{h("do.end")}</Button>, acts: true },
          ]}
        />
      )}
    </div>
  );
}

function Staff({ staff, start, again }: Parts) {
  const retire = async (one: Person) => {
    await post(`/house/staff/${id(one.id)}/retire`);
    again();
  };
  return (
    <div class="stack">
      <div class="row"><Button tone="primary" data-do="person" onClick={() => start("person")}>{h("staff.add")}</Button></div>
      <Table
        caption={h("staff.title")} rows={staff} id={(one) => one.id}
        columns={[
          { id: "name", head: h("res.name"), cell: (one) => one.name, sort: (one) => one.name }, { id: "role", head: h("rota.role"), cell: (one) => roleWord(one.role), sort: (one) => one.role },
          { id: "ways", head: h("staff.ways"), cell: (one) => Object.keys(one.channels).join("、") || h("staff.screen_only") }, { id: "login", head: h("user.login"), cell: (one) => one.login || t("value.none") },
          { id: "status", head: h("res.status"), cell: (one) => (one.status === "active" ? h("staff.active") : <Pill>{h("staff.retired")}</Pill>) },
          { id: "do", head: h("do.change"), cell: (one) => <><Button onClick={() => start("person", one)}>{h("do.change")}</Button>{one.status === "active" && <Button tone="plain" onClick={() => void retire(one)}>{h("staff.retire")}</Button>}</>, acts: true },
        ]}
      />
    </div>
  );
}

function Groups({ site, duty, staff, start, again }: Parts) {
  const named = new Map(staff.map((one) => [one.id, one.name]));
  const end = async (path: string) => {
    await post(path);
    again();
  };
  return (
    <div class="grid">
      <Card title={h("group.title")} tools={<Button data-do="group" onClick={() => start("group")}>{h("do.add")}</Button>}>
        {duty.groups.length === 0 ? <p>{h("group.none")}</p> : <ul class="plain-list">{duty.groups.map((one) => <li key={one.id} class="row"><span><b>{one.name}</b> {one.staff_ids.map((who) => named.get(who) ?? who).join("、")}</span><Button tone="plain" onClick={() => void end(`/registry/groups/${id(one.id)}/end`)}>{h("do.remove")}</Button></li>)}</ul>}
      </Card>
      <Card title={h("quiet.title")} tools={<Button data-do="quiet" onClick={() => start("quiet")}>{h("do.change")}</Button>}>
        <p>{duty.quiet === null ? h("quiet.none") : h("quiet.now", { from: duty.quiet.start, until: duty.quiet.end })}</p>
        {duty.quiet !== null && <Button tone="plain" onClick={() => void end(`/registry/quiet/${id(site.id)}/end`)}>{h("do.end")}</Button>}
      </Card>
    </div>
  );
}

function SiteStaff({ site }: { site: { id: string; name: string; tz: string } }) {
  const at = useSignal(Date.now());
  const week = useLoad<Week>(`/house/week?site=${id(site.id)}&at_ms=${at.value}`), duty = useLoad<Duty>(`/duty?site=${id(site.id)}`);
  const staff = useLoad<{ staff: Person[] }>("/house/staff"), registry = useLoad<Registry>("/registry"), choices = useLoad<Choices>("/house/choices");
  const tab = useSignal<string>("week"), doing = useSignal<Doing>(null), person = useSignal<Person | null>(null);
  const again = () => [week, duty, staff, registry, choices].forEach((one) => one.reload());
  const done = () => {
    doing.value = null;
    again();
  };
  const start = (what: Doing, one?: Person) => {
    person.value = one ?? null;
    doing.value = what;
  };
  return (
    <Show of={week}>
      {(found) => {
        const parts: Parts | null = duty.data.value && staff.data.value && registry.data.value && choices.data.value
          ? { site, week: found, duty: duty.data.value, staff: staff.data.value.staff, registry: registry.data.value, choices: choices.data.value, start, again } : null;
        const ended = { onDone: done, onCancel: () => (doing.value = null) };
        return (
          <Tabs label={t("ui.page.staff")} tabs={TABS.map((one) => ({ id: one, word: h(`staff.tab.${one}`) }))} chosen={tab.value} onChoose={(one) => (tab.value = one)}>
            {tab.value === "week" && <><div class="row week-bar"><Button onClick={() => (at.value -= WEEK_MS)}>{h("week.before")}</Button><Button onClick={() => (at.value = Date.now())}>{h("week.this")}</Button><Button onClick={() => (at.value += WEEK_MS)}>{h("week.next")}</Button></div><WeekGrid week={found} /></>}
            {parts !== null && tab.value === "shifts" && <Shifts {...parts} />}
            {parts !== null && tab.value === "people" && <Staff {...parts} />}
            {parts !== null && tab.value === "groups" && <Groups {...parts} />}
            <Dialog open={doing.value !== null && parts !== null} title={doing.value === null ? "" : h(`staff.do.${doing.value}`)} onClose={() => (doing.value = null)} wide>
              {parts !== null && doing.value === "shift" && <ShiftForm site={site.id} staff={parts.staff} roles={parts.choices.roles} zones={found.zones} {...ended} />}
              {parts !== null && doing.value === "override" && <OverrideForm site={site.id} tz={site.tz} staff={parts.staff} roles={parts.choices.roles} {...ended} />}
              {parts !== null && doing.value === "person" && <PersonForm one={person.value} roles={parts.choices.roles} channels={parts.choices.channels} {...ended} />}
              {parts !== null && doing.value === "group" && <GroupForm site={site.id} staff={parts.staff} {...ended} />}
              {parts !== null && doing.value === "quiet" && <QuietForm site={site.id} of={parts.duty.quiet} {...ended} />}
            </Dialog>
          </Tabs>
        );
      }}
    </Show>
  );
}

export function SiteChoice({ value }: { value: Signal<string> }) {
  const sites = me.value?.sites ?? [];
  return sites.length < 2 ? null : <SelectField label={t("ui.site")} name="site" value={value} choices={sites.map((one) => [one.id, one.name] as const)} />;
}

function StaffPage() {
  const site = useSignal(new URLSearchParams(location.search).get("site") ?? me.value?.sites[0]?.id ?? "");
  const one = (me.value?.sites ?? []).find((which) => which.id === site.value);
  return (
    <PageFrame title={t("ui.page.staff")}>
      <div class="stack"><SiteChoice value={site} />{one === undefined ? <Empty text={h("place.none")} /> : <SiteStaff key={one.id} site={one} />}</div>
    </PageFrame>
  );
}

export function staffPage(): ComponentChild {
  return <StaffPage />;
}
