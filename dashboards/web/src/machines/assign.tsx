// To whom a device goes, from when, and where it is worn. One that is somebody's is moved only by who has been shown whose it is.
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { t } from "../i18n";
import { asProblem, CheckField, Dialog, Field, Form, Show, TextField, useLoad } from "../ui";
import { type Assigned, machines, type ResidentRow, type Whose } from "./data";
import { when } from "./parts";
import { w, wCode } from "./words";

const WORN = ["wrist", "finger", "chest", "waist", "hand", "ear lobe", "foot", "other"];
export interface Suggestion {
  resident_id: string;
  why: string;
}

function nameOf(one: Whose): string {
  return one.resident === null ? one.place : `${one.resident.name} ${one.place}`.trim();
}

interface Choosing {
  device: string;
  worn: string;
  current: Whose | null;
  suggested?: readonly Suggestion[];
  onDone: (done: Assigned, name: string) => void;
  onCancel?: () => void;
  prepare?: () => Promise<string>; // gives the device's id, where it has to be entered first
}

export function AssignForm({ device, worn, current, suggested = [], onDone, onCancel, prepare }: Choosing) {
  const list = useLoad<{ residents: ResidentRow[] }>("/residents");
  const text = useSignal("");
  const chosen = useSignal("");
  const site = useSignal(worn);
  const from = useSignal("");
  const agreed = useSignal(false);
  const known = useSignal(current);
  useEffect(() => {
    known.value = current;
  }, [current]);
  const send = async () => {
    const id = prepare === undefined ? device : await prepare();
    const person = list.data.value?.residents.find((one) => one.id === chosen.value);
    const body = { resident_id: chosen.value, agreed: agreed.value, ...(site.value === "" ? {} : { worn: site.value }), ...(from.value === "" ? {} : { from_ms: new Date(from.value).getTime() }), ...(known.value === null ? {} : { moves: known.value.id }) };
    try {
      onDone(await machines.assign(id, body), person?.name ?? "");
    } catch (caught) {
      const problem = asProblem(caught);
      if (problem.code !== "device.elsewhere") throw problem;
      known.value = problem.current as unknown as Whose; // somebody else's since: shown, and asked again
    }
  };
  return (
    <Show of={list}>
      {({ residents }) => {
        const wanted = text.value.trim().toLowerCase();
        const rank = (one: ResidentRow) => (suggested.some((s) => s.resident_id === one.id) ? 0 : 1);
        const shown = residents.filter((one) => one.status === "admitted" || one.status === "away")
          .filter((one) => wanted === "" || `${one.name} ${one.place?.label ?? ""}`.toLowerCase().includes(wanted)).sort((a, b) => rank(a) - rank(b)).slice(0, 60);
        return (
          <Form submit={known.value === null ? w("assign.verb") : w("assign.move_now")} onSubmit={send} disabled={chosen.value === "" || !agreed.value} {...(onCancel === undefined ? {} : { onCancel })}>
            {known.value !== null && <p class="notice" data-moves={known.value.id}>{w("assign.elsewhere", { name: nameOf(known.value), at: when(known.value.from_ms) })}</p>}
            <TextField label={w("assign.find")} name="find" type="search" value={text} />
            <fieldset class="choices">
              <legend>{w("assign.to")}</legend>
              {shown.length === 0 && <p>{w("assign.nobody")}</p>}
              {shown.map((one) => (
                <label key={one.id} class="choice" data-resident={one.id}>
                  <input type="radio" name="resident" value={one.id} checked={chosen.value === one.id} onChange={() => (chosen.value = one.id)} />
                  <span><b>{one.name}</b> {one.place?.label ?? ""}{suggested.filter((s) => s.resident_id === one.id).map((s) => <span key={s.why} class="need">{s.why}</span>)}</span>
                </label>
              ))}
            </fieldset>
            <div class="filters">
              <Field label={w("assign.worn")} name="worn">
                {(wired) => (
                  <select {...wired} value={site.value} onChange={(e) => (site.value = e.currentTarget.value)}>
                    <option value="">{w("assign.not_worn")}</option>
                    {WORN.map((one) => <option key={one} value={one}>{wCode("worn", one)}</option>)}
                  </select>
                )}
              </Field>
              <TextField label={w("assign.from")} name="from" type="datetime-local" hint={w("assign.from_hint")} value={from} />
            </div>
            <CheckField name="agreed" label={w("assign.agreed")} value={agreed} />
          </Form>
        );
      }}
    </Show>
  );
}

interface DialogProps extends Omit<Choosing, "onCancel"> {
  open: boolean;
  onClose: () => void;
}

export function AssignDialog({ open, onClose, ...rest }: DialogProps) {
  return (
    <Dialog open={open} title={rest.current === null ? w("assign.title") : w("assign.move_title")} onClose={onClose} wide>
      <p class="fine">{rest.device}{rest.current === null ? "" : ` · ${t("ui.undo")}: 24 h`}</p>
      <AssignForm {...rest} onCancel={onClose} />
    </Dialog>
  );
}
