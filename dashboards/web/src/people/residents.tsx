// Residents: who is here, away or gone; admit, and open one person's page.
import type { ComponentChild } from "preact";
import { useSignal } from "@preact/signals";
import { t } from "../i18n";
import { me, tz } from "../state";
import { Button, Dialog, Empty, LinkButton, PageFrame, Pill, Show, Table, Tabs, TextField, useLoad, type Column } from "../ui";
import { when, type Resident, type Residents } from "./data";
import { Import } from "./import";
import { AdmitForm } from "./resident-forms";
import { Person } from "./resident";
import "./people.css";
import { h } from "./words";

const VIEWS = ["here", "away", "left"] as const;
type View = (typeof VIEWS)[number];
const VIEW_OF: Record<string, View> = { admitted: "here", away: "away", discharged: "left", died: "left" };

export function Status({ one }: { one: Resident }) {
  if (one.overdue && one.back_ms !== null) return <Pill tone="bad">{h("res.overdue", { at: when(one.back_ms, tz.value) })}</Pill>;
  if (one.status === "away") return <Pill tone="warn">{one.back_ms === null ? h("res.status.away") : h("res.back_at", { at: when(one.back_ms, tz.value) })}</Pill>;
  return <Pill tone={one.status === "admitted" ? "ok" : "quiet"}>{h(`res.status.${one.status}` as "res.status.admitted")}</Pill>;
}

function List({ rows, open }: { rows: readonly Resident[]; open: (id: string) => void }) {
  const columns: Column<Resident>[] = [
    { id: "name", head: h("res.name"), cell: (one) => <button type="button" class="link" data-open={one.id} onClick={() => open(one.id)}>{one.name}</button>, sort: (one) => one.name },
    { id: "place", head: h("res.place"), cell: (one) => one.place.label, sort: (one) => one.place.label },
    { id: "site", head: t("ui.site"), cell: (one) => one.site, sort: (one) => one.site },
    { id: "code", head: h("res.code"), cell: (one) => one.code || t("value.none"), sort: (one) => one.code },
    { id: "status", head: h("res.status"), cell: (one) => <Status one={one} />, sort: (one) => (one.overdue ? 0 : 1) },
  ];
  return <Table caption={t("ui.page.residents")} columns={columns} rows={rows} id={(one) => one.id} />;
}

function ResidentsPage() {
  const list = useLoad<Residents>("/house/residents", 60_000);
  const view = useSignal<View>("here");
  const find = useSignal("");
  const dialog = useSignal<"admit" | "import" | null>(null);
  const person = useSignal<string | null>(new URLSearchParams(location.search).get("id"));
  const open = (who: string | null) => {
    person.value = who;
    history.replaceState(null, "", who === null ? "/residents" : `/residents?id=${encodeURIComponent(who)}`);
    if (who === null) list.reload();
  };
  const done = () => {
    dialog.value = null;
    list.reload();
  };
  const has = (one: Resident) => `${one.name} ${one.code} ${one.place.label}`.toLowerCase().includes(find.value.trim().toLowerCase());
  return (
    <PageFrame title={t("ui.page.residents")}>
      <Show of={list}>
        {(data) => {
          const of = (which: View) => data.residents.filter((one) => VIEW_OF[one.status] === which);
          const rows = of(view.value).filter(has);
          const late = data.residents.filter((one) => one.overdue);
          return (
            <div class="stack">
              {late.length > 0 && <p class="notice" role="alert" data-late={late.length}>{h("res.late", { n: late.length, names: late.map((one) => one.name).join("、") })}</p>}
              <div class="row">
                <Button tone="primary" data-do="admit" onClick={() => (dialog.value = "admit")}>{h("res.admit")}</Button>
                <Button data-do="import" onClick={() => (dialog.value = "import")}>{h("imp.title")}</Button>
                <LinkButton href="/consents">{t("ui.page.consents")}</LinkButton>
              </div>
              <TextField label={h("res.find")} name="find" type="search" value={find} />
              <Tabs label={h("res.status")} tabs={VIEWS.map((one) => ({ id: one, word: h(`res.view.${one}`, { n: of(one).length }) }))} chosen={view.value} onChoose={(one) => (view.value = one as View)}>
                {rows.length === 0 ? <Empty text={h(find.value === "" ? "res.none" : "res.not_found")} /> : <List rows={rows} open={open} />}
              </Tabs>
            </div>
          );
        }}
      </Show>
      <Dialog open={dialog.value === "admit"} title={h("res.admit")} onClose={() => (dialog.value = null)} wide><AdmitForm sites={me.value?.sites ?? []} onDone={done} onCancel={() => (dialog.value = null)} /></Dialog>
      <Dialog open={dialog.value === "import"} title={h("imp.title")} onClose={done} wide><Import /></Dialog>
      <Dialog open={person.value !== null} title={h("res.person")} onClose={() => open(null)} wide>{person.value !== null && <Person who={person.value} others={list.data.value?.residents ?? []} onGone={() => open(null)} />}</Dialog>
    </PageFrame>
  );
}

export function residentsPage(): ComponentChild {
  return <ResidentsPage />;
}
