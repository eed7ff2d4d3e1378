// Limits of a resident: what holds and who set it; new ones are tried on the last week before they are saved, with a reason and an end.
import { useEffect } from "preact/hooks";
import { useSignal, type Signal } from "@preact/signals";
import { call } from "./api";
import { SIDES, type Limit, type LimitRow, type Limits, type Preview } from "./clinic-data";
import { when } from "./events";
import { figure, t, tCode } from "./i18n";
import { say } from "./notice";
import { AreaField, asProblem, Button, ConfirmWithReason, Dialog, Form, Progress, Show, Table, TextField, useLoad } from "./ui";

const POLL_MS = 400;
const shown = (value: number | null) => (value === null ? t("value.none") : String(value));

interface Draft {
  values: Record<(typeof SIDES)[number], Signal<string>>;
  duration: Signal<string>;
  reason: Signal<string>;
  until: Signal<string>;
}

// The end of a day on this screen's clock: whoever sets a limit and the house are in one place.
function endOf(day: string): number | null {
  if (day === "") return null;
  const end = new Date(`${day}T23:59:59`);
  return Number.isNaN(end.getTime()) ? null : end.getTime();
}

function bodyOf(row: LimitRow, draft: Draft): Record<string, unknown> {
  const body: Record<string, unknown> = { quantity: row.quantity, reason: draft.reason.value.trim(), duration_s: Number(draft.duration.value) || 0 };
  for (const side of SIDES) {
    const text = draft.values[side].value.trim().replace(",", ".");
    if (text !== "") body[side] = Number(text);
  }
  const expires = endOf(draft.until.value);
  if (expires !== null) body.expires_ms = expires;
  return body;
}

function Told({ preview }: { preview: Preview }) {
  const found = preview.result;
  if (found === null) return <Progress label={t("limits.trying")} value={preview.done} max={preview.total} />;
  if (found.readings === 0) return <p data-tried="none">{t("limits.tried.none")}</p>;
  return (
    <div role="status" class="tried" data-tried={found.then.all}>
      <p class="lead">{t("limits.tried", { days: found.days, then: found.then.all, now: found.now.all, low: found.then.low, high: found.then.high })}</p>
      <p>{t("limits.tried.raised", { n: found.raised })} {t("limits.tried.covered", { n: 100 * found.covered })} {found.minutes && t("limits.tried.minutes")}</p>
    </div>
  );
}

// Asks again until the trial is over; a page that goes away stops asking.
function Trial({ resident, body }: { resident: string; body: () => Record<string, unknown> }) {
  const preview = useSignal<Preview | null>(null);
  const failed = useSignal<string | null>(null);
  const gone = useSignal(false);
  useEffect(() => () => { gone.value = true; }, []);
  const run = async () => {
    failed.value = null;
    try {
      preview.value = await call<Preview>("POST", `/residents/${encodeURIComponent(resident)}/limits/preview`, { ...body(), reason: String(body().reason) || "-" });
      while (preview.value.result === null && !gone.value) {
        await new Promise((done) => setTimeout(done, POLL_MS));
        preview.value = await call<Preview>("GET", `/limits/preview/${preview.value.id}`);
      }
    } catch (caught) {
      failed.value = asProblem(caught).code;
      preview.value = null;
    }
  };
  const busy = preview.value !== null && preview.value.result === null;
  return (
    <div class="trial">
      <Button data-try busy={busy} onClick={() => void run()}>{t("limits.try")}</Button>
      {failed.value !== null && <p class="error" role="alert">{tCode(`error.${failed.value}`)}</p>}
      {preview.value !== null && <Told preview={preview.value} />}
    </div>
  );
}

function Edit({ row, resident, onDone, onClose }: { row: LimitRow; resident: string; onDone: () => void; onClose: () => void }) {
  const own = row.limits.find((one) => one.from_local === null);
  const at = (value: number | null | undefined) => (value === null || value === undefined ? "" : String(value));
  const draft: Draft = {
    values: { low: useSignal(at(own?.low)), high: useSignal(at(own?.high)), low_extreme: useSignal(at(own?.low_extreme)), high_extreme: useSignal(at(own?.high_extreme)) },
    duration: useSignal(String(row.duration_s)), reason: useSignal(""), until: useSignal(""),
  };
  const save = async () => {
    await call("POST", "/limits", { ...bodyOf(row, draft), resident });
    say({ text: t("limits.saved") });
    onDone();
  };
  const nothing = SIDES.every((side) => draft.values[side].value.trim() === "");
  return (
    <Form submit={t("limits.save")} onSubmit={save} onCancel={onClose} disabled={nothing || draft.reason.value.trim() === ""}>
      <div class="limit-fields">
        {SIDES.map((side) => (
          <TextField key={side} name={side} label={`${t(`limits.${side}`)} (${tCode(`unit.${row.unit}`)})`} inputMode="decimal" value={draft.values[side]} hint={`${t("limits.empty_keeps")}: ${shown(row[side])}`} />
        ))}
        <TextField name="duration_s" label={t("limits.duration")} inputMode="numeric" value={draft.duration} />
        <TextField name="expires" type="date" label={t("limits.expires")} hint={t("limits.expires.hint")} value={draft.until} />
      </div>
      <AreaField name="reason" label={t("limits.reason")} value={draft.reason} />
      <Trial resident={resident} body={() => bodyOf(row, draft)} />
    </Form>
  );
}

function Own({ limit, tz, mayEnd, onEnd }: { limit: Limit; tz: string; mayEnd: boolean; onEnd: () => void }) {
  return (
    <p class="fine" data-limit={limit.id}>
      {t("limits.by", { name: limit.author_name, reason: limit.reason })} · {limit.expires_ms === null ? t("limits.forever") : t("limits.until", { at: when(limit.expires_ms, tz) })}
      {limit.from_local !== null && ` · ${limit.from_local}–${limit.to_local ?? ""}`}
      {mayEnd && <> <Button tone="plain" class="no-print" data-end onClick={onEnd}>{t("limits.end")}</Button></>}
    </p>
  );
}

export function LimitsPart({ resident, tz }: { resident: string; tz: string }) {
  const loaded = useLoad<Limits>(`/residents/${encodeURIComponent(resident)}/limits`);
  const editing = useSignal<LimitRow | null>(null);
  const ending = useSignal<Limit | null>(null);
  const end = async (reason: string) => {
    await call("POST", `/limits/${encodeURIComponent(ending.value?.id ?? "")}/end`, { reason });
    ending.value = null;
    say({ text: t("limits.ended") });
    loaded.reload();
  };
  const name = (row: LimitRow) => tCode(`quantity.${row.quantity}`);
  return (
    <section data-part="limits">
      <Show of={loaded}>
        {(found) => (
          <>
            {!found.may_set && <p>{t("limits.forbidden")}</p>}
            <Table caption={t("limits.title")} rows={found.quantities} id={(row) => row.quantity} columns={[
              { id: "quantity", head: t("limits.quantity"), cell: (row) => `${name(row)} (${tCode(`unit.${row.unit}`)})` },
              { id: "low", head: t("limits.low"), cell: (row) => `${shown(row.low)} / ${shown(row.low_extreme)}` },
              { id: "high", head: t("limits.high"), cell: (row) => `${shown(row.high)} / ${shown(row.high_extreme)}` },
              { id: "duration", head: t("limits.duration"), cell: (row) => figure(row.duration_s) },
              { id: "source", head: t("limits.source"), cell: (row) => (
                <>{t(`limits.source.${row.source}`)}{row.limits.map((one) => <Own key={one.id} limit={one} tz={tz} mayEnd={found.may_set} onEnd={() => (ending.value = one)} />)}</>
              ) },
              ...(found.may_set ? [{ id: "acts", head: t("limits.edit"), acts: true, cell: (row: LimitRow) => <Button data-edit={row.quantity} onClick={() => (editing.value = row)}>{t("limits.edit")}</Button> }] : []),
            ]} />
          </>
        )}
      </Show>
      <Dialog open={editing.value !== null} wide title={t("limits.edit.title", { quantity: editing.value === null ? "" : name(editing.value) })} onClose={() => (editing.value = null)}>
        {editing.value !== null && <Edit row={editing.value} resident={resident} onClose={() => (editing.value = null)} onDone={() => { editing.value = null; loaded.reload(); }} />}
      </Dialog>
      <ConfirmWithReason open={ending.value !== null} title={t("limits.end.title")} text={ending.value?.reason ?? ""} verb={t("limits.end")} danger onConfirm={end} onClose={() => (ending.value = null)} />
    </section>
  );
}
