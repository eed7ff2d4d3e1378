// Forms: a label over every field, the error under the field that it is about, one button that says what it does.
import { createContext, type ComponentChildren, type ComponentProps } from "preact";
import { useContext, useEffect, useId, useRef } from "preact/hooks";
import { useSignal, type Signal } from "@preact/signals";
import type { Problem } from "../api";
import { t, tCode } from "../i18n";
import { Button } from "./basics";
import { asProblem } from "./load";
import { backHere } from "./session";

const Failed = createContext<Problem | null>(null);

interface FormProps {
  submit: string;
  onSubmit: () => unknown; // a promise is waited for; throws the Problem of the server
  onCancel?: () => void;
  danger?: boolean;
  disabled?: boolean;
  children: ComponentChildren;
}

// Sends once however often it is pressed. What the server refuses stands under the field it names (params.field), else over the button.
export function Form({ submit, onSubmit, onCancel, danger = false, disabled = false, children }: FormProps) {
  const busy = useSignal(false);
  const problem = useSignal<Problem | null>(null);
  const box = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (problem.value !== null) box.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [problem.value]);
  const send = async (event: Event) => {
    event.preventDefault();
    if (busy.value) return;
    busy.value = true;
    problem.value = null;
    try {
      await onSubmit();
    } catch (caught) {
      problem.value = asProblem(caught);
    } finally {
      busy.value = false;
    }
  };
  const found = problem.value;
  return (
    <form class="form" ref={box} noValidate onSubmit={(event) => void send(event)}>
      <Failed.Provider value={found}>{children}</Failed.Provider>
      {found !== null && (
        <p class="error" role="alert" data-form-error={found.code}>
          {found.status === 401 ? <a href={backHere()}>{t("ui.expired")}</a> : tCode(`error.${found.code}`, found.params)}
        </p>
      )}
      <div class="row">
        <Button type="submit" tone={danger ? "danger" : "primary"} busy={busy.value} disabled={disabled}>{submit}</Button>
        {onCancel !== undefined && <Button tone="plain" onClick={onCancel}>{t("ui.cancel")}</Button>}
      </div>
    </form>
  );
}

export interface FieldProps {
  label: string;
  name: string;
  hint?: string;
  error?: string;
}

interface Wired {
  id: string;
  name: string;
  "aria-describedby"?: string;
  "aria-invalid"?: true;
}

// Wires label, hint and error to whatever control the child draws with the given attributes.
export function Field({ label, name, hint, error, children }: FieldProps & { children: (wired: Wired) => ComponentChildren }) {
  const id = useId();
  const failed = useContext(Failed);
  const wrong = error ?? (failed !== null && failed.params.field === name ? tCode(`error.${failed.code}`, failed.params) : undefined);
  const about = [hint === undefined ? "" : `${id}-hint`, wrong === undefined ? "" : `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class="field" data-field={name}>
      <label for={id}>{label}</label>
      {hint !== undefined && <span class="hint" id={`${id}-hint`}>{hint}</span>}
      {children({ id, name, ...(about === "" ? {} : { "aria-describedby": about }), ...(wrong === undefined ? {} : { "aria-invalid": true as const }) })}
      {wrong !== undefined && <span class="error" id={`${id}-error`}>{wrong}</span>}
    </div>
  );
}

interface Input {
  type?: "text" | "password" | "number" | "date" | "time" | "datetime-local" | "tel" | "email" | "search";
  maxLength?: number;
  min?: string | number;
  max?: string | number;
  step?: string | number;
  autocomplete?: string;
  inputMode?: "text" | "numeric" | "decimal" | "tel";
  required?: boolean;
  disabled?: boolean;
}

// Spreads into an element whose type of input is known only at run time.
function controlled(value: Signal<string>, rest: object): ComponentProps<"input"> {
  return { type: "text", autocomplete: "off", ...rest, value: value.value, onInput: (e: Event) => (value.value = (e.currentTarget as HTMLInputElement).value) } as ComponentProps<"input">;
}

export function TextField({ label, name, hint, error, value, ...rest }: FieldProps & Input & { value: Signal<string> }) {
  return (
    <Field label={label} name={name} {...(hint === undefined ? {} : { hint })} {...(error === undefined ? {} : { error })}>
      {(wired) => <input {...controlled(value, { ...rest, ...wired })} />}
    </Field>
  );
}

export function AreaField({ label, name, hint, error, value, maxLength = 500 }: FieldProps & { value: Signal<string>; maxLength?: number }) {
  return (
    <Field label={label} name={name} {...(hint === undefined ? {} : { hint })} {...(error === undefined ? {} : { error })}>
      {(wired) => <textarea rows={3} maxLength={maxLength} {...wired} value={value.value} onInput={(e) => (value.value = e.currentTarget.value)} />}
    </Field>
  );
}

export type Choice = readonly [value: string, word: string];

export function SelectField({ label, name, hint, error, value, choices }: FieldProps & { value: Signal<string>; choices: readonly Choice[] }) {
  return (
    <Field label={label} name={name} {...(hint === undefined ? {} : { hint })} {...(error === undefined ? {} : { error })}>
      {(wired) => (
        <select {...wired} value={value.value} onChange={(e) => (value.value = e.currentTarget.value)}>
          {choices.map(([one, word]) => <option key={one} value={one}>{word}</option>)}
        </select>
      )}
    </Field>
  );
}

export function CheckField({ label, name, value }: { label: ComponentChildren; name: string; value: Signal<boolean> }) {
  return (
    <label class="check" data-field={name}>
      <input type="checkbox" name={name} checked={value.value} onChange={(e) => (value.value = e.currentTarget.checked)} />{label}
    </label>
  );
}
