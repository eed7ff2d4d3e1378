// Accounts: open one with a password that is shown once, change its reach, close and open it, give a new password.
import type { ComponentChild } from "preact";
import { useSignal } from "@preact/signals";
import { t } from "../i18n";
import { me } from "../state";
import { Button, ConfirmWithReason, Dialog, Form, PageFrame, Pill, SelectField, Show, Table, TextField, useLoad } from "../ui";
import { id, post, type Account, type Registry } from "./data";
import "./people.css";
import { h } from "./words";

const ROLES = ["caregiver", "clinician", "family", "operator", "admin", "supervisor"] as const;
interface Once { login: string; password: string }

function Reach({ sites, value, all }: { sites: readonly { id: string; name: string }[]; value: { value: string[] }; all: boolean }) {
  const turn = (one: string) => (value.value = value.value.includes(one) ? value.value.filter((other) => other !== one) : [...value.value.filter((other) => one !== "*" && other !== "*"), one]);
  return (
    <fieldset class="field"><legend>{h("user.sites")}</legend>
      <div class="chips">{all && <Button aria-pressed={value.value.includes("*")} onClick={() => turn("*")}>{h("user.all_sites")}</Button>}{sites.map((one) => <Button key={one.id} data-site={one.id} aria-pressed={value.value.includes(one.id)} onClick={() => turn(one.id)}>{one.name}</Button>)}</div>
    </fieldset>
  );
}

function AccountForm({ of, sites, onOnce, onDone, onCancel }: { of: Account | null; sites: readonly { id: string; name: string }[]; onOnce: (once: Once) => void; onDone: () => void; onCancel: () => void }) {
  const login = useSignal(of?.login ?? ""), name = useSignal(of?.name ?? ""), role = useSignal<string>(of?.role ?? "caregiver"), reach = useSignal<string[]>(of?.site_ids ?? (sites.length === 1 && sites[0] ? [sites[0].id] : [])), lang = useSignal(of?.lang ?? "zh");
  const send = async () => {
    const own = ["family", "admin"].includes(role.value) ? [] : reach.value;
    if (of === null) {
      const made = await post<{ one_time_password: string }>("/users", { login: login.value.trim(), name: name.value.trim(), role: role.value, sites: own, lang: lang.value });
      onOnce({ login: login.value.trim(), password: made.one_time_password });
    } else await post(`/users/${id(of.id)}`, { name: name.value.trim(), sites: own, ...(of.id === me.value?.id ? {} : { role: role.value }) });
    onDone();
  };
  return (
    <Form submit={h(of === null ? "user.add" : "do.save")} onSubmit={send} onCancel={onCancel} disabled={login.value.trim() === "" || name.value.trim() === ""}>
      <div class="grid small">
        <TextField label={h("user.login")} name="login" value={login} maxLength={64} disabled={of !== null} hint={h("user.login.hint")} />
        <TextField label={h("res.name")} name="name" value={name} maxLength={120} />
        <SelectField label={h("user.role")} name="role" value={role} choices={ROLES.map((one) => [one, t(`role.${one}`)] as const)} hint={h(`user.role.${role.value}` as "user.role.admin")} />
        {of === null && <SelectField label={h("user.lang")} name="lang" value={lang} choices={[["zh", "中文"], ["en", "English"]]} />}
      </div>
      {!["family", "admin"].includes(role.value) && <Reach sites={sites} value={reach} all />}
      {role.value === "family" && <p class="fine">{h("user.family")}</p>}
    </Form>
  );
}

function Secret({ once, onClose }: { once: Once; onClose: () => void }) {
  return (
    <div class="stack" data-once={once.login}>
      <p>{h("user.once", { login: once.login })}</p>
      <p class="secret"><code>{once.password}</code></p>
      <p class="fine">{h("user.once.text")}</p>
      <div class="row"><Button tone="primary" onClick={onClose}>{h("user.noted")}</Button></div>
    </div>
  );
}

function Users() {
  const list = useLoad<{ users: Account[] }>("/users"), registry = useLoad<Registry>("/registry");
  const editing = useSignal<Account | "new" | null>(null), once = useSignal<Once | null>(null), asked = useSignal<{ one: Account; what: "reset" | "close" } | null>(null);
  const sites = registry.data.value?.sites ?? [];
  const named = new Map(sites.map((one) => [one.id, one.name]));
  const done = () => {
    editing.value = null;
    asked.value = null;
    list.reload();
  };
  const act = async () => {
    const one = asked.value;
    if (one === null) return;
    if (one.what === "reset") {
      const made = await post<{ one_time_password: string }>(`/users/${id(one.one.id)}/reset`);
      once.value = { login: one.one.login, password: made.one_time_password };
    } else await post(`/users/${id(one.one.id)}/disable`);
    done();
  };
  const open = async (one: Account) => {
    await post(`/users/${id(one.id)}`, { status: "active" });
    done();
  };
  const reach = (one: Account) => (one.role === "admin" || one.site_ids.includes("*") ? h("user.all_sites") : one.role === "family" ? h("user.residents", { n: one.resident_ids.length }) : one.site_ids.map((site) => named.get(site) ?? site).join("、") || t("value.none"));
  return (
    <PageFrame title={t("ui.page.users")}>
      <Show of={list}>
        {(data) => (
          <div class="stack">
            <div class="row"><Button tone="primary" data-do="user" onClick={() => (editing.value = "new")}>{h("user.add")}</Button></div>
            <Table
              caption={t("ui.page.users")} rows={data.users.filter((one) => one.role !== "display")} id={(one) => one.login}
              columns={[
                { id: "name", head: h("res.name"), cell: (one) => one.name, sort: (one) => one.name }, { id: "login", head: h("user.login"), cell: (one) => one.login, sort: (one) => one.login },
                { id: "role", head: h("user.role"), cell: (one) => t(`role.${one.role}` as "role.admin"), sort: (one) => one.role }, { id: "sites", head: h("user.reach"), cell: reach },
                { id: "status", head: h("res.status"), cell: (one) => <Pill tone={one.status === "active" ? "ok" : "warn"}>{h(one.status === "active" ? "user.open" : "user.closed")}</Pill>, sort: (one) => one.status },
                {
                  id: "do", head: h("do.change"), acts: true, cell: (one) => (
                    <>
                      <Button data-edit={one.login} onClick={() => (editing.value = one)}>{h("do.change")}</Button>
                      <Button data-reset={one.login} onClick={() => (asked.value = { one, what: "reset" })}>{h("user.reset")}</Button>
                      {one.id !== me.value?.id && (one.status === "active" ? <Button tone="plain" data-close-account={one.login} onClick={() => (asked.value = { one, what: "close" })}>{h("user.close")}</Button> : <Button tone="plain" onClick={() => void open(one)}>{h("user.reopen")}</Button>)}
                    </>
                  ),
                },
              ]}
            />
          </div>
        )}
      </Show>
      <Dialog open={editing.value !== null} title={h(editing.value === "new" ? "user.add" : "do.change")} onClose={() => (editing.value = null)} wide>
        {editing.value !== null && <AccountForm of={editing.value === "new" ? null : editing.value} sites={sites} onOnce={(made) => (once.value = made)} onDone={done} onCancel={() => (editing.value = null)} />}
      </Dialog>
      <ConfirmWithReason
        open={asked.value !== null} title={h(asked.value?.what === "reset" ? "user.reset" : "user.close")} text={h(asked.value?.what === "reset" ? "user.reset.text" : "user.close.text", { name: asked.value?.one.name ?? "" })}
        verb={h(asked.value?.what === "reset" ? "user.reset" : "user.close")} danger reasons={[h("user.reason.forgot"), h("user.reason.left"), h("user.reason.lost")]} onConfirm={act} onClose={() => (asked.value = null)}
      />
      <Dialog open={once.value !== null} title={h("user.password")} onClose={() => (once.value = null)}>{once.value !== null && <Secret once={once.value} onClose={() => (once.value = null)} />}</Dialog>
    </PageFrame>
  );
}

export function usersPage(): ComponentChild {
  return <Users />;
}
