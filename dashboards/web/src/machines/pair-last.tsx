// Steps 5 and 6: a walk through the rooms with the device, and the label that is stuck on it.
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { Problem } from "../api";
import { say } from "../notice";
import { tCode } from "../i18n";
import { asProblem, Button, Card, LinkButton } from "../ui";
import { machines, type Signal } from "./data";
import { usePoll } from "./pair-find";
import { SignalBars, strength } from "./parts";
import { w, wCode } from "./words";

const LOOK_MS = 700;
const SPOTS = ["bed", "bath", "door", "window", "table"] as const;
const LEAST = 3; // adverts; fewer say little
const PATIENCE = 12; // looks without enough of them: not heard here

interface Spot {
  id: (typeof SPOTS)[number];
  rssi_dbm: number | null;
}

function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? -127;
}

export function Walk({ device, onNext, onBack }: { device: string; onNext: () => void; onBack: () => void }) {
  const spots = useSignal<Spot[]>([]);
  const measuring = useSignal<{ id: (typeof SPOTS)[number]; looks: number } | null>(null);
  const now = useSignal<Signal | null>(null);
  const problem = useSignal<Problem | null>(null);
  useEffect(() => {
    machines.walk(device).catch((caught: unknown) => (problem.value = asProblem(caught)));
    return () => void machines.endWalk(device).catch(() => undefined);
  }, [device]);
  usePoll(() => machines.signal(device), LOOK_MS, (fresh) => {
    now.value = fresh;
    problem.value = null;
    const at = measuring.value;
    if (at === null) return;
    const enough = fresh.samples.length >= LEAST && at.looks >= 1;
    if (!enough && at.looks < PATIENCE) {
      measuring.value = { ...at, looks: at.looks + 1 };
      return;
    }
    spots.value = [...spots.value.filter((one) => one.id !== at.id), { id: at.id, rssi_dbm: enough ? middle(fresh.samples) : null }];
    measuring.value = null;
  }, (failed) => (problem.value = failed));
  const keep = () => void machines.keepWalk(device, spots.value.map((one) => ({ name: wCode("spot", one.id), rssi_dbm: one.rssi_dbm }))).then(onNext, (caught: unknown) => (problem.value = asProblem(caught)));
  const latest = now.value !== null && now.value.samples.length > 0 ? middle(now.value.samples) : null;
  const weak = spots.value.filter((one) => strength(one.rssi_dbm) === "weak" || one.rssi_dbm === null).length;
  return (
    <Card title={w("walk.title")} id="walk">
      <p>{w("walk.lead")}</p>
      {problem.value !== null && <p class="error" role="alert">{tCode(`error.${problem.value.code}`)}</p>}
      <p class="row">{w("walk.here")} <SignalBars dbm={latest} /></p>
      <ul class="spots">
        {SPOTS.map((id) => {
          const done = spots.value.find((one) => one.id === id);
          return (
            <li key={id} data-spot={id} data-dbm={done === undefined ? "" : String(done.rssi_dbm)}>
              <b>{wCode("spot", id)}</b>
              {done === undefined ? <span>{measuring.value?.id === id ? w("walk.measuring") : ""}</span> : <SignalBars dbm={done.rssi_dbm} />}
              <Button data-measure busy={measuring.value?.id === id} disabled={measuring.value !== null} onClick={() => (measuring.value = { id, looks: 0 })}>{done === undefined ? w("walk.measure") : w("walk.anew")}</Button>
            </li>
          );
        })}
      </ul>
      {weak > 0 && <p class="notice">{w("walk.weak", { n: weak })}</p>}
      <p class="row">
        <Button tone="primary" data-next disabled={spots.value.length === 0} onClick={keep}>{w("walk.keep")}</Button>
        <Button tone="plain" data-skip onClick={onNext}>{w("walk.skip")}</Button>
        {spots.value.length > 0 && <Button tone="plain" data-undo onClick={() => (spots.value = [])}>{w("walk.undo")}</Button>}
        <Button tone="plain" onClick={onBack}>{w("pair.back")}</Button>
      </p>
    </Card>
  );
}

export function Label({ device, owner, onBack, onAgain }: { device: string; owner: string; onBack: () => void; onAgain: () => void }) {
  return (
    <Card title={w("label.title")} id="label">
      <p>{w("label.lead")}</p>
      <div class="label"><img src={machines.label(device)} alt={w("label.alt", { device })} width="180" height="180" /><p><b>{device}</b></p></div>
      <p class="row">
        <Button tone="primary" data-print onClick={() => print()}>{w("label.print")}</Button>
        <Button data-again onClick={() => { say({ text: w("label.done", { device, name: owner }) }); onAgain(); }}>{w("label.again")}</Button>
        <LinkButton href={`/devices?device=${encodeURIComponent(device)}`}>{w("label.open")}</LinkButton>
        <Button tone="plain" onClick={onBack}>{w("pair.back")}</Button>
      </p>
    </Card>
  );
}
