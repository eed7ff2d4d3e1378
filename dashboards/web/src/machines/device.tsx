// One device: how it is, what is known of it, whose it was and is, what it said last; and what may be done with it.
import { useSignal } from "@preact/signals";
import { ago, t } from "../i18n";
import { me, now } from "../state";
import { Sparkline } from "../sparkline";
import { say } from "../notice";
import { Button, Card, ConfirmWithReason, Facts, LinkButton, PageFrame, sayUndo, Show, useLoad } from "../ui";
import { AssignDialog } from "./assign";
import { type Detail, type DeviceRow, machines, type Message, type Whose } from "./data";
import "./machines.css";
import { Battery, figures, kindWord, NeedPills, offset, quantityWord, SignalBars, StateDot, when } from "./parts";
import { w, wCode, type Word } from "./words";

const EVERY_MS = 10_000;
const WIDTH = 320;

function Course({ row }: { row: DeviceRow }) {
  const course = row.course;
  if (course === undefined || course.t_ms.length < 2) return null;
  const loud = course.rssi_dbm.some((v) => v !== null);
  const battery = row.battery.course ?? [];
  return (
    <div class="courses">
      {loud && <figure><figcaption>{w("device.signal_week")}</figcaption><Sparkline values={course.rssi_dbm} times={course.t_ms} quantity="rssi" width={WIDTH} height={48} label={w("device.signal_week")} /></figure>}
      <figure><figcaption>{w("device.messages_week")}</figcaption><Sparkline values={course.messages} times={course.t_ms} quantity="messages" width={WIDTH} height={48} label={w("device.messages_week")} /></figure>
      {battery.length > 1 && <figure><figcaption>{w("device.battery_course")}</figcaption><Sparkline values={battery.map(([, v]) => v)} times={battery.map(([at]) => at)} quantity="battery" width={WIDTH} height={48} label={w("device.battery_course")} /></figure>}
    </div>
  );
}

function How({ row }: { row: DeviceRow }) {
  const { per_h, expected_per_h, messages_per_h } = row.heard;
  const heard = per_h !== null && expected_per_h !== null ? w("device.heard", { got: Math.round(per_h), expected: Math.round(expected_per_h) }) : messages_per_h === null ? t("value.none") : w("device.messages", { n: Math.round(messages_per_h) });
  return (
    <Card title={w("device.how")} id="how">
      <p class="row"><StateDot state={row.availability.state} /><NeedPills needs={row.needs} state={row.availability.state} /></p>
      <Facts
        rows={[
          [w("devices.seen"), row.last_seen_ms === null ? w("devices.never") : `${ago(now.value - row.last_seen_ms)} · ${when(row.last_seen_ms)}`],
          [w("devices.battery"), <Battery of={row.battery} />],
          [w("devices.signal"), row.rssi.dbm === null ? t("value.none") : <SignalBars dbm={row.rssi.dbm} />],
          [w("devices.heard"), heard],
          [w("devices.clock"), offset(row.clock.offset_s)],
          [w("devices.firmware"), row.firmware ?? t("value.none")],
        ]}
      />
      <Course row={row} />
    </Card>
  );
}

function Said({ one }: { one: Message }) {
  return (
    <li>
      <p><b>{when(one.t_ms)}</b> <span class="fine">{one.channel} · {one.topic} · {w("device.bytes", { n: one.bytes })}</span></p>
      {one.values.length === 0 ? <p class="fine">{w("device.no_values")}</p> : (
        <p>{one.values.map((v, i) => <span key={i} class="said-value">{quantityWord(v.quantity)} {one.hidden && v.value === null ? "•••" : figures(v.value, v.unit)}{v.quality.concat(v.marks).map((word) => ` (${wCode("mark", word)})`).join("")}</span>)}{one.count > one.values.length && ` +${one.count - one.values.length}`}</p>
      )}
      {one.hex !== null && <details><summary>{w("device.hex")}</summary><code class="hex">{one.hex.replace(/(..)(?=.)/g, "$1 ")}</code></details>}
    </li>
  );
}

function Owner({ one, current }: { one: Whose; current: boolean }) {
  const name = one.resident === null ? one.place : one.resident.name === "" ? w("device.somebody") : `${one.resident.name} ${one.place}`.trim();
  return <li data-binding={one.id} data-current={current}><b>{name || w("devices.nowhere")}</b> <span class="fine">{w("device.since", { at: when(one.from_ms) })}{one.to_ms != null && ` – ${when(one.to_ms)}`}</span></li>;
}

const KNOWN: readonly string[] = ["manufacturer", "model", "serial", "firmware", "hardware", "software", "ble_address", "ble_name", "body_location", "walk_dbm"];

function Known({ detail }: { detail: Detail }) {
  const facts = Object.entries(detail.device.facts).filter(([key]) => KNOWN.includes(key));
  const others = Object.entries(detail.device.facts).filter(([key]) => !KNOWN.includes(key));
  return (
    <Card title={w("device.facts")} id="facts">
      <Facts rows={[[w("device.kind"), kindWord(detail.device.kind)], [w("device.expects"), detail.device.quantities.map(quantityWord).join(" · ") || t("value.none")], ...facts.map(([key, value]) => [w(`fact.${key}` as Word), key === "body_location" ? wCode("worn", value) : value] as const)]} />
      {others.length + detail.device.secret_facts.length > 0 && (
        <details><summary>{w("device.more")}</summary><Facts rows={[...others, ...detail.device.secret_facts.map((key) => [key, w("device.secret")] as const)]} /></details>
      )}
    </Card>
  );
}

function Deeds({ detail, onChange }: { detail: Detail; onChange: () => void }) {
  const moving = useSignal(false);
  const retiring = useSignal(false);
  const device = detail.device.id;
  const current = detail.bindings.find((one) => one.to_ms === null) ?? null;
  const undo = (binding: string) => void machines.undo(binding).then(() => { say({ text: w("assign.undone") }); onChange(); });
  const address = detail.device.facts.ble_address;
  return (
    <>
      <p class="row">
        <Button tone="primary" data-move onClick={() => (moving.value = true)}>{current === null ? w("assign.verb") : w("assign.move")}</Button>
        {address !== undefined && <LinkButton href={`/pair?address=${encodeURIComponent(address)}`}>{w("device.pair_again")}</LinkButton>}
        {detail.device.status !== "retired" && <Button tone="danger" data-retire onClick={() => (retiring.value = true)}>{w("device.retire")}</Button>}
      </p>
      <AssignDialog device={device} worn={detail.device.facts.body_location ?? ""} open={moving.value} current={current} onClose={() => (moving.value = false)} onDone={(done, name) => {
        moving.value = false;
        sayUndo(w("assign.done", { name }), () => undo(done.binding.id));
        onChange();
      }} />
      <ConfirmWithReason open={retiring.value} title={w("device.retire_title", { device })} text={w("device.retire_text")} verb={w("device.retire")} danger reasons={[w("device.reason.broken"), w("device.reason.lost"), w("device.reason.replaced")]} onClose={() => (retiring.value = false)} onConfirm={async (reason) => {
        await machines.retire(device, reason);
        retiring.value = false;
        say({ text: w("device.retired") });
        onChange();
      }} />
    </>
  );
}

export function DevicePage({ id }: { id: string }) {
  const detail = useLoad<Detail>(`/devices/${encodeURIComponent(id)}/detail`, EVERY_MS);
  const health = useLoad<{ device: DeviceRow }>(`/devices/${encodeURIComponent(id)}/health`, EVERY_MS);
  const again = () => {
    detail.reload();
    health.reload();
  };
  return (
    <PageFrame title={id} tools={<LinkButton href="/devices">{w("device.all")}</LinkButton>}>
      <div class="stack" data-page="device">
        <Show of={detail}>
          {(found) => (
            <>
              {me.value?.role === "operator" && <Deeds detail={found} onChange={again} />}
              <div class="grid wide">
                <Show of={health}>{(how) => <How row={how.device} />}</Show>
                <Known detail={found} />
                <Card title={w("device.owners")} id="owners">
                  {found.bindings.length === 0 ? <p>{w("devices.nobody")}</p> : <ul class="plain-list">{found.bindings.map((one) => <Owner key={one.id} one={one} current={one.to_ms === null} />)}</ul>}
                </Card>
                <Card title={w("device.last")} id="messages" foot={w("device.last_foot")}>
                  {found.messages.length === 0 ? <p>{w("device.nothing_lately")}</p> : <ul class="plain-list">{found.messages.map((one, i) => <Said key={i} one={one} />)}</ul>}
                  {found.messages.some((one) => one.hidden && one.values.some((v) => v.value === null)) && <p class="fine">{w("device.hidden")}</p>}
                </Card>
              </div>
            </>
          )}
        </Show>
      </div>
    </PageFrame>
  );
}
