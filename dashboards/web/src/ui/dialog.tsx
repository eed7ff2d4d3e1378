// The browser's own dialog: it keeps the focus inside, Escape closes it, and the focus goes back to where it was.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { t } from "../i18n";
import { Button } from "./basics";
import { AreaField, Form } from "./form";

interface DialogProps {
  open: boolean;
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
}

export function Dialog({ open, title, onClose, children, wide = false }: DialogProps) {
  const box = useRef<HTMLDialogElement>(null);
  const name = useId();
  useEffect(() => {
    if (open && box.current?.open === false) box.current.showModal();
    if (!open && box.current?.open === true) box.current.close();
  }, [open]);
  return (
    <dialog class={wide ? "dialog wide" : "dialog"} ref={box} aria-labelledby={name} onClose={() => open && onClose()}>
      {open && (
        <>
          <header><h2 id={name}>{title}</h2><Button tone="plain" data-close onClick={onClose}>{t("ui.close")}</Button></header>
          <div class="dialog-body">{children}</div>
        </>
      )}
    </dialog>
  );
}

interface ConfirmProps {
  open: boolean;
  title: string;
  text: ComponentChildren; // what will happen, to whom, and how to undo it
  verb: string; // on the button: what it does, never "OK"
  danger?: boolean;
  reasons?: readonly string[]; // to choose from; one's own words go too
  onConfirm: (reason: string) => unknown; // a promise is waited for; throws the Problem of the server
  onClose: () => void;
}

// For what must not happen by a slip: says what will happen and asks why. The reason is kept with the act.
export function ConfirmWithReason({ open, title, text, verb, danger = false, reasons = [], onConfirm, onClose }: ConfirmProps) {
  const reason = useSignal("");
  const missing = useSignal(false);
  useEffect(() => {
    if (!open) return;
    reason.value = "";
    missing.value = false;
  }, [open]);
  const send = async () => {
    missing.value = reason.value.trim() === "";
    if (!missing.value) await onConfirm(reason.value.trim());
  };
  return (
    <Dialog open={open} title={title} onClose={onClose}>
      <p>{text}</p>
      <Form submit={verb} danger={danger} onSubmit={send} onCancel={onClose}>
        {reasons.length > 0 && (
          <div class="chips" role="group" aria-label={t("ui.reason")}>
            {reasons.map((one) => <Button key={one} aria-pressed={reason.value === one} onClick={() => (reason.value = one)}>{one}</Button>)}
          </div>
        )}
        <AreaField name="reason" label={t("ui.reason")} value={reason} maxLength={200} {...(missing.value ? { error: t("ui.reason.missing") } : {})} />
      </Form>
    </Dialog>
  );
}
