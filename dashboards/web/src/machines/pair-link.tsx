// Steps 3 and 4: whose the device is, the keys, and the first reading that proves it.
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { Problem } from "../api";
import { say } from "../notice";
import { tCode } from "../i18n";
import { asProblem, Button, Card } from "../ui";
import { AssignForm } from "./assign";
import { type First, machines, type Pairing, type Whose } from "./data";
import type { Chosen } from "./pair";
import { usePoll } from "./pair-find";
import { figures, quantityWord } from "./parts";
import { w, wCode, type Word } from "./words";

const LOOK_MS = 800;
const DIGITS = 6;

interface StepProps {
  chosen: Chosen;
  onChange: (more: Partial<Chosen>) => void;
  onNext: () => void;
  onBack: () => void;
}

export function Owner({ chosen, onChange, onNext, onBack }: StepProps) {
  const { heard, entered, assigned, owner } = chosen;
  const current: Whose | null = heard.binding ?? null;
  if (assigned !== null) {
    const undo = () => void machines.undo(assigned.binding.id).then(() => {
      say({ text: w("assign.undone") });
      onChange({ assigned: null, owner: "" });
    });
    return (
      <Card title={w("whose.title")} id="owner">
        <p class="good" data-assigned={assigned.binding.id}>{w("assign.done", { name: owner })}</p>
        {assigned.former !== null && <p>{w("whose.moved", { name: assigned.former.resident?.name || assigned.former.place })}</p>}
        <p class="row"><Button tone="primary" data-next onClick={onNext}>{w("pair.next")}</Button><Button data-undo onClick={undo}>{w("pair.undo")}</Button></p>
      </Card>
    );
  }
  const prepare = async () => {
    const made = (await machines.enter(heard.address)).device;
    onChange({ entered: made });
    return made.id;
  };
  return (
    <Card title={w("whose.title")} id="owner">
      <p>{w("whose.lead")}</p>
      <AssignForm device={entered?.id ?? heard.device_id ?? ""} worn="" current={current} prepare={prepare} onDone={(done, name) => onChange({ assigned: done, owner: name })} />
      <p class="row"><Button tone="plain" onClick={onBack}>{w("pair.back")}</Button></p>
    </Card>
  );
}

// What to do with a device of this kind while it is being paired, and to get its first reading.
function guide(prefix: "hold" | "measure", kind: string): string {
  const word = `${prefix}.${kind}` as Word;
  const text = w(word);
  return text === word ? w(`${prefix}.any`) : text;
}

function Keys({ chosen, pairing, onPairing, onChange }: { chosen: Chosen; pairing: Pairing | null; onPairing: (fresh: Pairing) => void; onChange: (more: Partial<Chosen>) => void }) {
  const device = chosen.entered?.id ?? "";
  const digits = useSignal("");
  const problem = useSignal<Problem | null>(null);
  const run = (work: Promise<{ pairing: Pairing }>) => void work.then((fresh) => {
    problem.value = null;
    onPairing(fresh.pairing);
  }, (caught) => (problem.value = asProblem(caught)));
  const begin = () => run(machines.pair(device, chosen.heard.address));
  const undo = () => void machines.dropKeys(device).then(() => {
    onPairing({ step: "none", cause: "", over: true });
    onChange({ paired: false });
    say({ text: w("pair.keys_dropped") });
  });
  const step = pairing?.step ?? "none";
  return (
    <div class="stack" data-pairing={step}>
      {problem.value !== null && <p class="error" role="alert">{tCode(`error.${problem.value.code}`)}</p>}
      <p role="status" class={step === "paired" ? "good" : step === "failed" ? "error" : "lead"}>
        {step === "none" ? guide("hold", chosen.entered?.kind ?? "") : step === "failed" ? wCode("cause", pairing?.cause ?? "") : wCode("pairing", step)}
      </p>
      {step === "waiting" && <p class="fine">{guide("hold", chosen.entered?.kind ?? "")}</p>}
      {step === "passkey" && (
        <form class="row" onSubmit={(event) => { event.preventDefault(); run(machines.passkey(device, Number(digits.value))); }}>
          <label class="digits">{w("pair.number")} <input name="passkey" inputMode="numeric" autocomplete="off" maxLength={DIGITS} value={digits.value} onInput={(e) => (digits.value = e.currentTarget.value.replace(/\D/g, ""))} /></label>
          <Button type="submit" tone="primary" disabled={digits.value.length !== DIGITS}>{w("pair.number_send")}</Button>
        </form>
      )}
      <p class="row">
        {(pairing === null || pairing.over) && step !== "paired" && <Button tone="primary" data-pair onClick={begin}>{step === "none" ? w("pair.begin") : w("pair.again")}</Button>}
        {pairing !== null && !pairing.over && <Button data-cancel onClick={() => run(machines.cancelPairing(device))}>{w("pair.cancel")}</Button>}
        {step === "paired" && <Button data-undo onClick={undo}>{w("pair.undo_keys")}</Button>}
      </p>
    </div>
  );
}

export function PairStep({ chosen, onChange, onNext, onBack }: StepProps) {
  const device = chosen.entered?.id ?? "";
  const pairing = useSignal<Pairing | null>(null);
  const skipped = useSignal(chosen.paired);
  const first = useSignal<First | null>(null);
  const failed = useSignal<Problem | null>(null);
  usePoll(async () => (pairing.value === null || pairing.value.over ? null : (await machines.pairing(device)).pairing), LOOK_MS, (fresh) => {
    if (fresh !== null) pairing.value = fresh;
  }, (problem) => (failed.value = problem));
  usePoll(() => machines.first(device), LOOK_MS, (fresh) => {
    first.value = fresh;
    failed.value = null;
  }, (problem) => (failed.value = problem));
  const paired = pairing.value?.step === "paired";
  useEffect(() => {
    if (paired && !chosen.paired) onChange({ paired: true });
  }, [paired]);
  const measures = paired || skipped.value;
  const readings = first.value?.readings ?? [];
  const proved = readings.some((one) => one.plausible && one.quantity !== "battery");
  return (
    <>
      <Card title={w("pair.title")} id="pairing">
        <Keys chosen={chosen} pairing={pairing.value} onPairing={(fresh) => (pairing.value = fresh)} onChange={onChange} />
        {!measures && (pairing.value === null || pairing.value.over) && <p><Button tone="plain" data-skip onClick={() => (skipped.value = true)}>{w("pair.skip")}</Button></p>}
      </Card>
      {measures && (
        <Card title={w("first.title")} id="first">
          {failed.value !== null && <p class="error" role="alert">{tCode(`error.${failed.value.code}`)}</p>}
          {readings.length === 0 ? <p role="status" class="lead"><span class="waiting" aria-hidden="true" /> {guide("measure", chosen.entered?.kind ?? "")}</p> : (
            <ul class="readings" role="status">
              {readings.map((one) => <li key={one.quantity} data-reading={one.quantity} data-plausible={one.plausible}>{quantityWord(one.quantity)} <b>{figures(one.value, one.unit)}</b> {one.plausible ? <span class="good">✓</span> : <span class="need">{w("first.implausible")}</span>}</li>)}
            </ul>
          )}
          <p class="row">
            <Button tone="primary" data-next disabled={!proved} onClick={onNext}>{w("pair.next")}</Button>
            {!proved && <Button tone="plain" data-later onClick={onNext}>{w("first.later")}</Button>}
          </p>
          <p class="fine">{w("first.private")}</p>
        </Card>
      )}
      <p class="row"><Button tone="plain" onClick={onBack}>{w("pair.back")}</Button></p>
    </>
  );
}
