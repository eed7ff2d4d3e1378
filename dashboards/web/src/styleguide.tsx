// Every part of the design system in every state, with invented content; the tests measure what stands here.
import type { ComponentChild } from "preact";
import { useSignal } from "@preact/signals";
import { Problem } from "./api";
import { t, type Key } from "./i18n";
import { mayOpen } from "./pages";
import { me } from "./state";
import {
  Button, Card, CheckField, ConfirmWithReason, DATA_STATES, Dialog, Empty, ErrorState, Expired, Facts, Forbidden, Form, LinkButton, Loading, OfflineBanner,
  PageFrame, Pill, PriorityMark, Progress, sayUndo, SelectField, StateMark, Steps, Table, Tabs, TextField, TileFrame, type Column, type TileTone,
} from "./ui";
import "./styleguide.css";

// Pairs of colours that are used together: [text or edge, ground]; the least ratio is in tests/unit/test_colours.py.
const PAIRS = [
  ["text", "ground"], ["text", "panel"], ["text", "raised"], ["soft", "ground"], ["soft", "panel"], ["link", "panel"], ["wrong", "panel"], ["on-act", "act"],
  ["on-danger", "danger"], ["on-high", "high"], ["on-medium", "medium"], ["on-low", "low"], ["on-ok", "ok"], ["on-bad", "bad"], ["on-notice", "notice"],
] as const;
const SIZES = [["fine", "ui.sg.fine"], ["body", "ui.sg.body"], ["lead", "ui.sg.lead2"], ["head2", "ui.sg.head2"], ["head1", "ui.sg.head1"], ["figure", "ui.sg.figure"]] as const;
const TONES: readonly (readonly [TileTone, Key])[] = [
  ["high", "priority.high"], ["medium", "priority.medium"], ["low", "priority.low"], ["technical", "kind.technical"], ["live", "ui.state.live"],
  ["stale", "vital.stale"], ["lost", "vital.lost"], ["none", "ui.state.none"],
];

function Colours() {
  return (
    <Card title={t("ui.sg.colours")} id="colours">
      <p class="row"><PriorityMark level="high" /><PriorityMark level="medium" /><PriorityMark level="low" /><PriorityMark level="info" /><PriorityMark level="medium" technical /></p>
      <p class="row">{PAIRS.map(([ink, ground]) => <span key={ink + ground} class={`pair ink-${ink} on-${ground}`} data-ink={ink} data-ground={ground}>{ink} / {ground}</span>)}</p>
    </Card>
  );
}

function Sizes() {
  return (
    <Card title={t("ui.sg.sizes")} id="sizes">
      {SIZES.map(([size, word]) => <p key={size} class={`size-${size}`} data-size={size}>{t(word)}</p>)}
    </Card>
  );
}

function Buttons() {
  return (
    <Card title={t("ui.sg.buttons")} id="buttons">
      <p class="row">
        <Button tone="primary">{t("action.claim")}</Button><Button>{t("action.support")}</Button><Button tone="plain">{t("ui.cancel")}</Button>
        <Button tone="danger">{t("ui.sg.remove")}</Button><Button busy>{t("ui.sg.busy")}</Button><Button disabled>{t("ui.sg.disabled")}</Button>
        <Button aria-pressed={true}>{t("ui.sg.pressed")}</Button><LinkButton href="/styleguide">{t("ui.sg.link")}</LinkButton>
      </p>
    </Card>
  );
}

function States() {
  return (
    <Card title={t("ui.sg.states")} id="states">
      <p class="row">{DATA_STATES.map((state) => <StateMark key={state} state={state} />)}</p>
      <p class="row">
        <Pill tone="ok">{t("ui.live")}</Pill><Pill tone="bad">{t("ui.connection_lost")}</Pill><Pill tone="warn">{t("monitoring.stale")}</Pill>
        <Pill tone="info">{t("kind.technical")}</Pill><Pill>{t("ui.drill")}</Pill>
      </p>
      <div class="grid small">
        {TONES.map(([tone, word]) => (
          <TileFrame key={tone} tone={tone} head={<><b>3-01</b><span>{t(word)}</span></>}>
            <p class="big">{tone === "none" ? t("value.none") : "72"}</p>
            <StateMark state={tone === "stale" || tone === "lost" || tone === "none" ? tone : "live"} />
          </TileFrame>
        ))}
      </div>
    </Card>
  );
}

interface Sample {
  id: string;
  place: string;
  state: (typeof DATA_STATES)[number];
  days: number;
}

const SAMPLES: readonly Sample[] = [
  { id: "band-1", place: "3-01", state: "live", days: 12 }, { id: "cuff-2", place: "3-02", state: "lost", days: 3 }, { id: "button-3", place: "2-11", state: "stale", days: 140 },
];

function Lists() {
  const tab = useSignal("table");
  const columns: Column<Sample>[] = [
    { id: "id", head: t("ui.sg.device"), cell: (row) => row.id, sort: (row) => row.id },
    { id: "place", head: t("ui.sg.place"), cell: (row) => row.place },
    { id: "state", head: t("ui.sg.state"), cell: (row) => <StateMark state={row.state} /> },
    { id: "days", head: t("ui.sg.days"), cell: (row) => row.days, sort: (row) => row.days, number: true },
    { id: "acts", head: t("ui.sg.acts"), cell: (row) => <Button aria-label={`${t("ui.undo")} ${row.id}`} onClick={() => sayUndo(row.id, () => undefined)}>{t("ui.undo")}</Button>, acts: true },
  ];
  return (
    <Card title={t("ui.sg.lists")} id="lists">
      <Tabs label={t("ui.sg.lists")} chosen={tab.value} onChoose={(id) => (tab.value = id)} tabs={[{ id: "table", word: t("ui.sg.table") }, { id: "facts", word: t("ui.sg.facts") }]}>
        {tab.value === "table" ? <Table caption={t("ui.sg.table")} columns={columns} rows={SAMPLES} id={(row) => row.id} /> : (
          <Facts rows={SAMPLES.map((row) => [row.place, row.id] as const)} />
        )}
      </Tabs>
    </Card>
  );
}

function Forms() {
  const name = useSignal("");
  const sort = useSignal("a");
  const agreed = useSignal(false);
  const open = useSignal<"dialog" | "confirm" | null>(null);
  const send = async () => {
    if (name.value === "") throw new Problem(422, "registry.text.empty", null, { field: "name" });
    sayUndo(t("ui.sg.sent"), () => (name.value = ""));
  };
  const close = () => (open.value = null);
  return (
    <Card title={t("ui.sg.forms")} id="forms">
      <Form submit={t("ui.sg.send")} onSubmit={send}>
        <TextField name="name" label={t("ui.sg.name")} hint={t("ui.sg.hint")} value={name} maxLength={64} />
        <SelectField name="sort" label={t("ui.sg.choice")} value={sort} choices={[["a", t("priority.high")], ["b", t("priority.medium")]]} />
        <CheckField name="agreed" label={t("ui.sg.check")} value={agreed} />
      </Form>
      <p class="links">
        <Button data-open="dialog" onClick={() => (open.value = "dialog")}>{t("ui.sg.dialog")}</Button>
        <Button tone="danger" data-open="confirm" onClick={() => (open.value = "confirm")}>{t("ui.sg.confirm")}</Button>
      </p>
      <Dialog open={open.value === "dialog"} title={t("ui.sg.dialog")} onClose={close}><p>{t("ui.tagline")}</p></Dialog>
      <ConfirmWithReason
        open={open.value === "confirm"} title={t("ui.sg.confirm")} text={t("ui.sg.confirm_text")} verb={t("ui.sg.remove")} danger reasons={[t("ui.silence.device")]}
        onConfirm={close} onClose={close}
      />
      <div class="stack">
        <Progress label={t("ui.sg.progress")} value={3} max={6} />
        <Steps words={[t("ui.sg.step.find"), t("ui.sg.step.bind"), t("ui.sg.step.try")]} at={1} />
      </div>
    </Card>
  );
}

function PageStates() {
  return (
    <Card title={t("ui.sg.page_states")} id="page-states">
      <div class="grid">
        <Loading />
        <Empty text={t("alerts.none", { at: "14:03:25" })} />
        <ErrorState problem={new Problem(500, "internal")} onRetry={() => undefined} />
        <ErrorState problem={new Problem(0, "unreachable")} onRetry={() => undefined} />
        <Expired />
        <Forbidden />
      </div>
      <OfflineBanner problem={new Problem(0, "unreachable")} at="14:03:25" onRetry={() => undefined} />
    </Card>
  );
}

function Styleguide() {
  const pages = me.value === null ? [] : mayOpen(me.value);
  return (
    <PageFrame title={t("ui.page.styleguide")}>
      <div class="stack">
        <p class="lead">{t("ui.sg.lead")}</p>
        <p class="links">{pages.map((page) => <LinkButton key={page.path} href={page.path}>{t(page.word)}</LinkButton>)}</p>
        <Colours /><Sizes /><Buttons /><States /><Lists /><Forms /><PageStates />
      </div>
    </PageFrame>
  );
}

export function styleguidePage(): ComponentChild {
  return <Styleguide />;
}
