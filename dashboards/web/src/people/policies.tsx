// Who is called when nobody answers: policies in force, an editor that is checked before it is saved, and every version with who set it.
import type { ComponentChild } from "preact";
import { useSignal, type Signal } from "@preact/signals";
import { Problem } from "../api";
import { t } from "../i18n";
import { say } from "../notice";
import { me, tz } from "../state";
import { asProblem, Button, Card, CheckField, Dialog, Form, PageFrame, Pill, SelectField, Show, Table, TextField, useLoad } from "../ui";
import { day, hour, id, post, put, when, type Choices, type Hole, type Policy, type Registry, type Report, type Rung, type Target, type Version } from "./data";
import "./people.css";
import { DaysField } from "./staff";
import { roleWord } from "./week";
import { h } from "./words";

interface Policies { defaults: Policy[]; policies: Policy[]; unreadable: Record<string, string> }
type Draft = Omit<Policy, "version">;

const LANES = ["call", "high", "medium", "low"] as const;
const lane = (word: string): string => h(`pol.lane.${word}` as "pol.lane.call");

export function spanOf(s: number): string {
  if (s === 0) return h("pol.at_once");
  if (s % 3600 === 0) return h("pol.hours", { n: s / 3600 });
  return s % 60 === 0 ? h("pol.minutes", { n: s / 60 }) : h("pol.seconds", { n: s });
}

export function targetWord(target: Target, choices: Choices | null): string {
  if (target.kind === "role") return h("pol.target.role", { who: roleWord(target.id) });
  if (target.kind === "staff") return choices?.staff.find((one) => one.id === target.id)?.name ?? target.id;
  if (target.kind === "group") return h("pol.target.group", { who: choices?.groups.find((one) => one.id === target.id)?.name ?? target.id });
  if (target.kind === "contact") return h(target.id === "family" ? "pol.target.family" : "pol.target.responder");
  return h(target.kind === "emergency" ? "pol.target.emergency" : "pol.target.desk");
}

// A policy of one's own begins as the installation's, with a name to be kept or changed.
function copyOf({ version: _, ...one }: Policy): Draft {
  const site = me.value?.sites.length === 1 ? me.value.sites[0]?.id ?? null : null;
  return { ...one, id: `own-${one.lane}`, site_id: site };
}

function Ladder({ policy, choices }: { policy: Draft; choices: Choices | null }) {
  return (
    <ol class="ladder">
      {policy.steps.map((step, n) => (
        <li key={n}><b>{n === 0 ? h("pol.at_once") : h("pol.after", { span: spanOf(step.delay_s) })}</b> {step.targets.map((one) => targetWord(one, choices)).join("、")}{step.channels.length > 0 && <span class="fine"> · {step.channels.join("、")}</span>}</li>
      ))}
      <li class="fine">{policy.by_shift ? h("pol.by_shift") : h("pol.repeats", { span: spanOf(policy.repeat_s) })}</li>
    </ol>
  );
}

function Holes({ title, holes, choices, sites, bad }: { title: string; holes: readonly Hole[]; choices: Choices; sites: ReadonlyMap<string, string>; bad: boolean }) {
  if (holes.length === 0) return null;
  const text = (one: Hole) => {
    const [kind, ...rest] = one.target.split(":");
    const who = one.target === "" ? h("pol.nobody_at_all") : h("pol.not_there", { who: targetWord({ kind: kind ?? "", id: rest.join(":") }, choices) });
    return h("pol.hole", { n: one.step + 1, from: `${day(one.from_ms, tz.value, true)} ${hour(one.from_ms, tz.value)}`, until: `${day(one.until_ms, tz.value, true)} ${hour(one.until_ms, tz.value)}`, who, place: sites.get(one.site_id) ?? one.site_id });
  };
  return <div data-holes={bad ? "dead" : "empty"}><p class={bad ? "error" : ""}><b>{title}</b></p><ul>{holes.map((one) => <li key={`${one.site_id}${one.step}${one.target}${one.from_ms}`} class={bad ? "error" : ""}>{text(one)}</li>)}</ul></div>;
}

// The check speaks of keys; people get the sentence that is behind it.
function errorWord(text: string): string {
  if (text.includes("is not configured")) return h("pol.error.channel", { what: text.split(": ").slice(1).join(": ").replace(" is not configured", "") });
  const role = /role (\S+) is not known/.exec(text);
  if (role !== null) return h("pol.error.role", { who: roleWord(role[1] ?? "") });
  if (text.includes("is not known")) return h("pol.error.unknown", { what: text.split(": ").slice(1).join(": ").replace(" is not known", "") });
  if (text.includes("each later than")) return h("pol.error.order");
  if (text.includes("people outside the house")) return h("pol.error.outside");
  if (text.includes("not a zone of that site") || text.startsWith("zone_id")) return h("pol.error.zone");
  return h("pol.error.other", { what: text });
}

function ReportCard({ report, choices, sites }: { report: Report; choices: Choices; sites: ReadonlyMap<string, string> }) {
  return (
    <div class="stack" data-report={report.ok ? "ok" : "refused"} role="status">
      <p class={report.ok ? "said-well" : "error"}><b>{report.ok ? h("pol.ok") : h("pol.refused")}</b></p>
      {report.errors.length > 0 && <ul>{report.errors.map((one) => <li key={one} class="error">{errorWord(one)}</li>)}</ul>}
      <Holes title={h("pol.dead")} holes={report.dead_ends} choices={choices} sites={sites} bad />
      <Holes title={h("pol.empty")} holes={report.holes} choices={choices} sites={sites} bad={false} />
    </div>
  );
}

function StepEditor({ steps, n, choices }: { steps: Signal<Rung[]>; n: number; choices: Choices }) {
  const step = steps.value[n] as Rung;
  const change = (next: Partial<Rung>) => (steps.value = steps.value.map((one, at) => (at === n ? { ...one, ...next } : one)));
  const options: Target[] = [
    ...choices.roles.map((one) => ({ kind: "role", id: one })), { kind: "desk", id: "" }, { kind: "emergency", id: "" }, { kind: "contact", id: "family" }, { kind: "contact", id: "responder" },
    ...choices.groups.map((one) => ({ kind: "group", id: one.id })), ...choices.staff.map((one) => ({ kind: "staff", id: one.id })),
  ];
  const has = (one: Target) => step.targets.some((other) => other.kind === one.kind && other.id === one.id);
  const turn = (one: Target) => change({ targets: has(one) ? step.targets.filter((other) => other.kind !== one.kind || other.id !== one.id) : [...step.targets, one] });
  const way = (one: string) => change({ channels: step.channels.includes(one) ? step.channels.filter((other) => other !== one) : [...step.channels, one] });
  return (
    <fieldset class="field step" data-step={n}><legend>{h("pol.step", { n: n + 1 })}</legend>
      {n > 0 && <label class="row">{h("pol.delay")}<input type="number" name={`delay-${n}`} min={1} value={step.delay_s} onInput={(e) => change({ delay_s: Number(e.currentTarget.value) })} /><span class="fine">{spanOf(step.delay_s)}</span></label>}
      <div class="chips" role="group" aria-label={h("pol.who")}>{options.map((one) => <Button key={`${one.kind}:${one.id}`} data-target={`${one.kind}:${one.id}`} aria-pressed={has(one)} onClick={() => turn(one)}>{targetWord(one, choices)}</Button>)}</div>
      {choices.channels.length > 0 && <div class="chips" role="group" aria-label={h("pol.channels")}><span class="fine">{h("pol.channels")}</span>{choices.channels.map((one) => <Button key={one} aria-pressed={step.channels.includes(one)} onClick={() => way(one)}>{one}</Button>)}</div>}
      {steps.value.length > 1 && n > 0 && <Button tone="plain" onClick={() => (steps.value = steps.value.filter((_, at) => at !== n))}>{h("pol.step.remove")}</Button>}
    </fieldset>
  );
}

const SPANS = ["repeat_s", "arrive_s", "resolve_s", "ack_timeout_s", "recheck_s", "silence_max_s"] as const;

function Editor({ draft, choices, registry, onDone, onCancel }: { draft: Draft; choices: Choices; registry: Registry; onDone: () => void; onCancel: () => void }) {
  const policyId = useSignal(draft.id), laneOf = useSignal(draft.lane), site = useSignal(draft.site_id ?? ""), zone = useSignal(draft.zone_id ?? ""), steps = useSignal<Rung[]>(draft.steps);
  const limited = useSignal(draft.hours !== null), start = useSignal(draft.hours?.start ?? "22:00"), end = useSignal(draft.hours?.end ?? "06:00"), days = useSignal(draft.hours?.weekdays ?? [0, 1, 2, 3, 4, 5, 6]);
  const desk = useSignal(draft.fallback_to_desk), report = useSignal<Report | null>(null), failed = useSignal("");
  const spans = Object.fromEntries(SPANS.map((name) => [name, useSignal(String(draft[name]))])) as Record<(typeof SPANS)[number], Signal<string>>;
  const sites = new Map(registry.sites.map((one) => [one.id, one.name]));
  const body = () => ({
    lane: laneOf.value, site_id: site.value || null, zone_id: zone.value || null, hours: limited.value ? { start: start.value, end: end.value, weekdays: days.value } : null, steps: steps.value,
    ...Object.fromEntries(SPANS.map((name) => [name, Number(spans[name].value)])), flap_s: draft.flap_s, by_shift: draft.by_shift, fallback_to_desk: desk.value, cancel_window_s: draft.cancel_window_s, confirm_s: draft.confirm_s,
  });
  const check = async () => {
    failed.value = "";
    try {
      report.value = await post<Report>("/policies/check", body());
    } catch (caught) {
      failed.value = h("pol.invalid", { code: asProblem(caught).code });
    }
  };
  const save = async () => {
    await check();
    if (report.value?.ok !== true) throw new Problem(409, "policy.dead_ends");
    await put(`/policies/${id(policyId.value)}`, body());
    say({ text: h("pol.saved") });
    onDone();
  };
  const zones = [["", h("rota.whole_site")] as const, ...registry.zones.filter((one) => one.site_id === site.value).map((one) => [one.id, one.name] as const)];
  return (
    <Form submit={h("pol.save")} onSubmit={save} onCancel={onCancel} disabled={policyId.value.trim() === ""}>
      <div class="grid small">
        <TextField label={h("pol.id")} name="id" value={policyId} maxLength={64} disabled={"version" in draft && draft.id !== ""} hint={h("pol.id.hint")} />
        <SelectField label={h("pol.lane")} name="lane" value={laneOf} choices={LANES.map((one) => [one, lane(one)] as const)} />
        <SelectField label={t("ui.site")} name="site" value={site} choices={[["", h("pol.all_sites")], ...registry.sites.map((one) => [one.id, one.name] as const)]} />
        {site.value !== "" && <SelectField label={h("place.zone")} name="zone" value={zone} choices={zones} />}
      </div>
      <CheckField label={h("pol.limited")} name="limited" value={limited} />
      {limited.value && <><div class="grid small"><TextField label={h("rota.start")} name="start" type="time" value={start} /><TextField label={h("rota.end")} name="end" type="time" value={end} /></div><DaysField value={days} /></>}
      {steps.value.map((_, n) => <StepEditor key={n} steps={steps} n={n} choices={choices} />)}
      <Button data-do="step" onClick={() => (steps.value = [...steps.value, { delay_s: (steps.value.at(-1)?.delay_s ?? 0) + 60, targets: [{ kind: "desk", id: "" }], channels: [] }])}>{h("pol.step.add")}</Button>
      <CheckField label={h("pol.desk")} name="desk" value={desk} />
      <details><summary>{h("pol.spans")}</summary><div class="grid small">{SPANS.map((name) => <TextField key={name} label={h(`pol.${name}`)} name={name} type="number" min={1} value={spans[name]} hint={spanOf(Number(spans[name].value) || 0)} />)}</div></details>
      <Button data-do="check" onClick={() => void check()}>{h("pol.check")}</Button>
      {failed.value !== "" && <p class="error" role="alert">{failed.value}</p>}
      {report.value !== null && <ReportCard report={report.value} choices={choices} sites={sites} />}
    </Form>
  );
}

function Versions({ policyId, choices, onDone }: { policyId: string; choices: Choices; onDone: () => void }) {
  const list = useLoad<{ versions: Version[] }>(`/policies/${id(policyId)}/versions`);
  const failed = useSignal("");
  const again = async (one: Version) => {
    const { id: _, version: __, ...body } = one.policy;
    failed.value = "";
    try {
      await put(`/policies/${id(policyId)}`, body);
      say({ text: h("pol.restored", { n: one.policy.version }) });
      onDone();
    } catch (caught) {
      failed.value = h("pol.invalid", { code: asProblem(caught).code });
    }
  };
  return (
    <Show of={list}>
      {(data) => (
        <ol class="plain-list">
          {failed.value !== "" && <li class="error" role="alert">{failed.value}</li>}
          {data.versions.map((one, n) => (
            <li key={one.at_ms} data-version={one.ended ? "ended" : one.policy.version} class="version">
              <p><b>{one.ended ? h("pol.ended") : h("pol.version", { n: one.policy.version })}</b> <span class="fine">{when(one.at_ms, tz.value)} · {one.by}</span>{n === 0 && !one.ended && <> <Pill tone="ok">{h("pol.in_force")}</Pill></>}</p>
              {!one.ended && <Ladder policy={one.policy} choices={choices} />}
              {!one.ended && n > 0 && <Button data-again={one.policy.version} onClick={() => void again(one)}>{h("pol.again")}</Button>}
            </li>
          ))}
        </ol>
      )}
    </Show>
  );
}

function PoliciesPage() {
  const list = useLoad<Policies>("/policies"), choices = useLoad<Choices>("/house/choices"), registry = useLoad<Registry>("/registry");
  const draft = useSignal<Draft | null>(null), past = useSignal<string | null>(null);
  const done = () => {
    draft.value = null;
    past.value = null;
    list.reload();
  };
  const where = (one: Policy) => (one.site_id === null ? h("pol.all_sites") : [registry.data.value?.sites.find((site) => site.id === one.site_id)?.name ?? one.site_id, registry.data.value?.zones.find((zone) => zone.id === one.zone_id)?.name].filter(Boolean).join(" · "));
  const end = async (one: Policy) => {
    await post(`/policies/${id(one.id)}/end`);
    say({ text: h("pol.withdrawn") });
    done();
  };
  return (
    <PageFrame title={t("ui.page.policies")}>
      <Show of={list}>
        {(data) => (
          <div class="stack">
            <p class="lead">{h("pol.lead")}</p>
            {data.policies.length > 0 && (
              <Table
                caption={h("pol.own")} showCaption rows={data.policies} id={(one) => one.id}
                columns={[
                  { id: "id", head: h("pol.id"), cell: (one) => one.id }, { id: "lane", head: h("pol.lane"), cell: (one) => lane(one.lane) }, { id: "where", head: h("pol.where"), cell: where },
                  { id: "hours", head: h("rota.hours"), cell: (one) => (one.hours === null ? h("pol.always") : `${one.hours.start}–${one.hours.end}`) }, { id: "steps", head: h("pol.steps"), cell: (one) => <Ladder policy={one} choices={choices.data.value} /> },
                  { id: "do", head: h("do.change"), cell: (one) => <><Button data-edit={one.id} onClick={() => (draft.value = one)}>{h("do.change")}</Button><Button data-past={one.id} onClick={() => (past.value = one.id)}>{h("pol.versions", { n: one.version })}</Button><Button tone="plain" onClick={() => void end(one)}>{h("pol.withdraw")}</Button></>, acts: true },
                ]}
              />
            )}
            <h2>{h("pol.defaults")}</h2>
            <div class="grid">
              {data.defaults.map((one) => (
                <Card key={one.lane} id={`default-${one.lane}`} title={lane(one.lane)} tools={<Button data-copy={one.lane} onClick={() => (draft.value = copyOf(one))}>{h("pol.copy")}</Button>}>
                  <Ladder policy={one} choices={choices.data.value} />
                </Card>
              ))}
            </div>
            <Dialog open={draft.value !== null && choices.data.value !== null && registry.data.value !== null} title={h("pol.edit")} onClose={() => (draft.value = null)} wide>
              {draft.value !== null && choices.data.value !== null && registry.data.value !== null && <Editor draft={draft.value} choices={choices.data.value} registry={registry.data.value} onDone={done} onCancel={() => (draft.value = null)} />}
            </Dialog>
            <Dialog open={past.value !== null && choices.data.value !== null} title={h("pol.past")} onClose={() => (past.value = null)} wide>{past.value !== null && choices.data.value !== null && <Versions policyId={past.value} choices={choices.data.value} onDone={done} />}</Dialog>
          </div>
        )}
      </Show>
    </PageFrame>
  );
}

export function policiesPage(): ComponentChild {
  return <PoliciesPage />;
}
