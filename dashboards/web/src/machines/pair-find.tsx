// Steps 1 and 2: who is on the air, and which of them is the one in the hand.
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { Problem } from "../api";
import { ago, tCode } from "../i18n";
import { asProblem, Button, Card, CheckField, Empty, ErrorState, Expired, Loading } from "../ui";
import { type Heard, machines, type Search as Found } from "./data";
import { kindWord, SignalBars } from "./parts";
import { w, wCode } from "./words";

const LOOK_MS = 1000;
const STEP_DBM = 6; // smaller differences do not change the order: a list that jumps cannot be tapped
const FRESH_S = 5;
const BLINK_MS = 700;

// Asks again and again as long as the step stands; an answer that was overtaken does not count.
export function usePoll<T>(ask: () => Promise<T>, everyMs: number, take: (found: T) => void, fail: (problem: Problem) => void): void {
  const latest = useRef({ ask, take, fail });
  latest.current = { ask, take, fail };
  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const turn = async () => {
      try {
        const found = await latest.current.ask();
        if (!over) latest.current.take(found);
      } catch (caught) {
        if (!over) latest.current.fail(asProblem(caught));
      }
      if (!over) timer = setTimeout(() => void turn(), everyMs);
    };
    void turn();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [everyMs]);
}

function standing(row: Heard): string {
  if (row.binding != null) return w("find.of", { name: row.binding.resident?.name || row.binding.place });
  return wCode("found", row.status);
}

function Row({ row, onChoose }: { row: Heard; onChoose: () => void }) {
  return (
    <li data-address={row.address} data-status={row.status}>
      <div>
        <b>{row.name || row.address}</b> <span>{kindWord(row.kind)}</span>
        <p class="fine">{[row.model, row.device_id, standing(row), ago(row.age_s * 1000)].filter(Boolean).join(" · ")}</p>
      </div>
      <SignalBars dbm={row.age_s > FRESH_S ? null : row.rssi_dbm} />
      <Button tone="primary" data-choose disabled={row.status === "foreign"} onClick={onChoose}>{w("find.choose")}</Button>
    </li>
  );
}

export function Search({ onChoose }: { onChoose: (heard: Heard) => void }) {
  const found = useSignal<Found | null>(null);
  const problem = useSignal<Problem | null>(null);
  const every = useSignal(false);
  const begun = useRef(false);
  const wanted = new URLSearchParams(location.search).get("address");
  const ask = async () => {
    if (begun.current) return machines.found();
    const first = await machines.search();
    begun.current = true;
    return first;
  };
  usePoll(ask, LOOK_MS, (fresh) => {
    found.value = fresh;
    problem.value = null;
  }, (failed) => (problem.value = failed));
  const again = () => void machines.search().then((fresh) => (found.value = fresh));
  if (problem.value?.status === 401) return <Expired />;
  if (problem.value !== null && found.value === null) return <ErrorState problem={problem.value} />;
  if (found.value === null) return <Loading />;
  const all = found.value.heard;
  const loud = (row: Heard) => Math.round((row.rssi_dbm ?? -130) / STEP_DBM);
  const shown = all.filter((row) => every.value || row.kind !== "" || row.device_id !== null || row.address === wanted)
    .sort((a, b) => Number(b.address === wanted) - Number(a.address === wanted) || loud(b) - loud(a) || a.address.localeCompare(b.address));
  return (
    <Card title={w("find.title")} id="search">
      <p>{w("find.lead")}</p>
      {problem.value !== null && <p class="error" role="alert">{tCode(`error.${problem.value.code}`)}</p>}
      <p class="row" role="status">
        {found.value.open ? w("find.left", { s: found.value.left_s }) : w("find.over")}
        {!found.value.open && <Button tone="primary" onClick={again}>{w("find.again")}</Button>}
      </p>
      {shown.length === 0 ? <Empty text={found.value.open ? w("find.nothing_yet") : w("find.nothing")} /> : <ul class="heard">{shown.map((row) => <Row key={row.address} row={row} onChoose={() => onChoose(row)} />)}</ul>}
      <CheckField name="every" label={w("find.every", { n: all.length })} value={every} />
    </Card>
  );
}

export function Identify({ heard, onThis, onOther }: { heard: Heard; onThis: () => void; onOther: () => void }) {
  const found = useSignal<Found | null>(null);
  const blink = useSignal("none");
  const problem = useSignal<Problem | null>(null);
  usePoll(machines.found, LOOK_MS, (fresh) => {
    found.value = fresh;
    problem.value = null;
  }, (failed) => (problem.value = failed));
  usePoll(async () => (blink.value === "none" ? { state: "none" } : machines.showing(heard.address)), BLINK_MS, (fresh) => (blink.value = fresh.state), () => undefined);
  const ask = () => void machines.show(heard.address).then((fresh) => (blink.value = fresh.state), (caught) => (problem.value = asProblem(caught)));
  const mine = found.value?.heard.find((row) => row.address === heard.address);
  const fresh = mine !== undefined && mine.age_s <= FRESH_S;
  const louder = (found.value?.heard ?? []).filter((row) => row.address !== heard.address && row.age_s <= FRESH_S && (row.rssi_dbm ?? -130) > (mine?.rssi_dbm ?? -130)).length;
  return (
    <Card title={w("which.title")} id="identify">
      {problem.value !== null && <p class="error" role="alert">{tCode(`error.${problem.value.code}`)}</p>}
      <p class="row"><Button data-blink onClick={ask}>{w("which.blink")}</Button> <span role="status" data-blink-state={blink.value}>{blink.value === "none" ? "" : wCode("blink", blink.value)}</span></p>
      <p>{w("which.near")}</p>
      <p class="row" data-loudest={fresh && louder === 0}>
        <SignalBars dbm={fresh ? (mine?.rssi_dbm ?? null) : null} />
        <b>{!fresh ? w("which.silent") : louder === 0 ? w("which.loudest") : w("which.louder", { n: louder })}</b>
      </p>
      <p class="row">
        <Button tone="primary" data-this onClick={onThis}>{w("which.this")}</Button>
        <Button data-other onClick={onOther}>{w("which.other")}</Button>
      </p>
    </Card>
  );
}
