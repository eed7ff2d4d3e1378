// Messages that could not be taken, by reason: what is wrong in words, the bytes for who may, and another try after a repair.
import type { ComponentChild } from "preact";
import { useSignal } from "@preact/signals";
import { t, tCode } from "../i18n";
import { say } from "../notice";
import { asProblem, Button, Card, Empty, Forbidden, PageFrame, Show, useLoad } from "../ui";
import { type Letter, type Letters, machines } from "./data";
import "./machines.css";
import { size, when } from "./parts";
import { me } from "../state";
import { ready, w, wCode, type Word } from "./words";

const EVERY_MS = 15_000;
// What a decoder's own words mean to somebody who is no programmer; the first that fits.
const REASONS: readonly (readonly [RegExp, Word])[] = [
  [/^not JSON|^not CBOR/, "why.not_json"], [/^topic:/, "why.topic"], [/^device/, "why.device"], [/^unit: missing/, "why.no_unit"], [/^unit/, "why.unit"],
  [/^quantity|no quantity/, "why.quantity"], [/out of range/, "why.range"], [/unknown key|duplicate key/, "why.key"], [/^too (long|large)|^more than|: more than/, "why.size"],
  [/cut off|^empty/, "why.cut"], [/CRC/, "why.crc"], [/missing/, "why.missing"], [/not a (whole )?number|not text|not true|not finite|not an? /, "why.type"],
  [/^decoder/, "why.bug"], [/nothing in it|no decoder|unknown/, "why.unknown"],
];

function why(reason: string): string {
  return w(REASONS.find(([pattern]) => pattern.test(reason))?.[1] ?? "why.other");
}

function hexOf(base64: string): string {
  return Array.from(atob(base64).slice(0, 512), (char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join(" ");
}

function One({ letter, raw, onChange }: { letter: Letter; raw: boolean; onChange: () => void }) {
  const bytes = useSignal("");
  const look = () => void machines.letter(letter.id).then(({ letter: full }) => (bytes.value = hexOf(full.payload_base64)));
  const retry = () => void machines.retry(letter.id).then(({ fate }) => { say({ text: wCode("fate", fate) }); onChange(); }, (caught: unknown) => say({ text: tCode(`error.${asProblem(caught).code}`) }));
  return (
    <li data-letter={letter.id}>
      <p><b>{when(letter.t_ms)}</b> {letter.device ?? ""} <span class="fine">{letter.topic} · {size(letter.size)}{letter.retried_ms !== null && ` · ${w("letters.tried", { at: when(letter.retried_ms) })}`}</span></p>
      {letter.detail !== letter.reason && <p class="fine">{letter.detail}</p>}
      {bytes.value !== "" && <code class="hex">{bytes.value}</code>}
      <p class="row">{raw && bytes.value === "" && <Button data-bytes onClick={look}>{w("letters.bytes")}</Button>}{raw && <Button data-retry onClick={retry}>{w("letters.retry")}</Button>}</p>
    </li>
  );
}

function Reason({ reason, count, ever, raw, onChange }: { reason: string; count: number; ever: number; raw: boolean; onChange: () => void }) {
  const open = useSignal(false);
  const busy = useSignal(false);
  const some = useLoad<Letters>(open.value ? `/deadletters?limit=20&reason=${encodeURIComponent(reason)}` : null);
  const retry = async () => {
    busy.value = true;
    try {
      const done = await machines.retryAll(reason);
      const taken = (done.fates.stored ?? 0) + (done.fates.duplicate ?? 0);
      say({ text: w("letters.retried", { taken, stays: done.tried - taken }) });
      onChange();
      some.reload();
    } catch (caught) {
      say({ text: tCode(`error.${asProblem(caught).code}`) });
    } finally {
      busy.value = false;
    }
  };
  return (
    <Card title={<>{why(reason)} <span class="how-many">{count}</span></>} id={reason} tools={raw && <Button data-retry-all busy={busy.value} onClick={() => void retry()}>{w("letters.retry_all", { n: count })}</Button>}>
      <p class="fine"><code>{reason}</code>{ever > count && ` · ${w("letters.ever", { n: ever })}`}</p>
      <Button tone="plain" aria-expanded={open.value} data-open onClick={() => (open.value = !open.value)}>{open.value ? w("letters.close") : w("letters.open")}</Button>
      {open.value && <Show of={some}>{({ letters }) => <ul class="plain-list">{letters.map((one) => <One key={one.id} letter={one} raw={raw} onChange={() => { some.reload(); onChange(); }} />)}</ul>}</Show>}
    </Card>
  );
}

function LettersPage() {
  const all = useLoad<Letters>("/deadletters?limit=1", EVERY_MS);
  return (
    <PageFrame title={t("ui.page.deadletters")} narrow>
      <div class="stack" data-page="deadletters">
        <p class="lead">{w("letters.lead")}</p>
        {all.problem.value?.status === 404 ? <Forbidden text={w("letters.whole_house")} /> : (
          <Show of={all}>
            {({ kept, counts, may_see_bytes }) => {
              const reasons = Object.entries(kept);
              if (reasons.length === 0) return <Empty text={w("letters.none")} />;
              return <>{reasons.map(([reason, n]) => <Reason key={reason} reason={reason} count={n} ever={counts[reason] ?? n} raw={may_see_bytes && me.value?.role === "operator"} onChange={all.reload} />)}{!may_see_bytes && <p class="fine">{w("letters.no_bytes")}</p>}</>;
            }}
          </Show>
        )}
      </div>
    </PageFrame>
  );
}

export async function lettersPage(): Promise<ComponentChild> {
  await ready;
  return <LettersPage />;
}
