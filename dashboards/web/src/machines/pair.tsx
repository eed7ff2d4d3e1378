// The wizard that sets a Bluetooth device up: six steps, each with its way back. It stands beside the device on a phone.
import type { ComponentChild } from "preact";
import { useEffect } from "preact/hooks";
import { batch, useSignal } from "@preact/signals";
import { t } from "../i18n";
import { say } from "../notice";
import { Button, PageFrame, Steps } from "../ui";
import { type Assigned, type Entered, type Heard, machines } from "./data";
import "./machines.css";
import { Identify, Search } from "./pair-find";
import { Label, Walk } from "./pair-last";
import { Owner, PairStep } from "./pair-link";
import { kindWord } from "./parts";
import { ready, w } from "./words";

const WORDS = ["step.find", "step.which", "step.whose", "step.pair", "step.walk", "step.label"] as const;

export interface Chosen {
  heard: Heard;
  entered: Entered | null;
  assigned: Assigned | null;
  owner: string;
  paired: boolean;
}

function About({ of }: { of: Chosen }) {
  const { heard, entered, owner } = of;
  return (
    <p class="about" data-device={entered?.id ?? heard.device_id ?? ""}>
      <b>{entered?.id ?? heard.device_id ?? (heard.name || heard.address)}</b> {kindWord(entered?.kind || heard.kind)} <span class="fine">{heard.address}</span>
      {owner !== "" && <> → <b>{owner}</b></>}
    </p>
  );
}

function Wizard() {
  const step = useSignal(0);
  const chosen = useSignal<Chosen | null>(null);
  useEffect(() => () => void machines.stop().catch(() => undefined), []);
  const go = (next: number) => {
    step.value = next;
    scrollTo(0, 0);
    document.getElementById("content")?.focus({ preventScroll: true });
  };
  const again = () => batch(() => {
    chosen.value = null;
    go(0);
  });
  const change = (more: Partial<Chosen>) => {
    if (chosen.value !== null) chosen.value = { ...chosen.value, ...more };
  };
  // Takes back what has been done so far, the last thing first.
  const undoAll = async () => {
    const now = chosen.value;
    if (now?.paired === true && now.entered !== null) await machines.dropKeys(now.entered.id);
    if (now?.assigned != null) await machines.undo(now.assigned.binding.id);
    say({ text: w("pair.all_undone") });
    again();
  };
  const at = chosen.value;
  return (
    <PageFrame title={t("ui.page.pair")} narrow>
      <div class="stack" data-page="pair" data-step={step.value + 1}>
        <Steps words={WORDS.map((word) => w(word))} at={step.value} />
        {at !== null && step.value > 0 && <About of={at} />}
        {step.value === 0 && <Search onChoose={(heard) => batch(() => { chosen.value = { heard, entered: null, assigned: null, owner: "", paired: false }; go(1); })} />}
        {step.value === 1 && at !== null && <Identify heard={at.heard} onThis={() => go(2)} onOther={again} />}
        {step.value === 2 && at !== null && <Owner chosen={at} onChange={change} onNext={() => go(3)} onBack={() => go(1)} />}
        {step.value === 3 && at?.entered != null && <PairStep chosen={at} onChange={change} onNext={() => go(4)} onBack={() => go(2)} />}
        {step.value === 4 && at?.entered != null && <Walk device={at.entered.id} onNext={() => go(5)} onBack={() => go(3)} />}
        {step.value === 5 && at?.entered != null && <Label device={at.entered.id} owner={at.owner} onBack={() => go(4)} onAgain={again} />}
        {at !== null && (at.assigned !== null || at.paired) && <p class="row"><Button tone="plain" data-undo-all onClick={() => void undoAll()}>{w("pair.undo_all")}</Button></p>}
      </div>
    </PageFrame>
  );
}

export async function pairPage(): Promise<ComponentChild> {
  await ready;
  return <Wizard />;
}

