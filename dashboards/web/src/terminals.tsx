// Displays and phones of the house: who they are, a code for a new one, and the end of a lost one.
import type { ComponentChild } from "preact";
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { call } from "./api";
import { Switches } from "./ui/switches";
import { lang, t, tCode } from "./i18n";
import { asProblem } from "./login";
import { me, tz } from "./state";
import "./terminals.css";

interface Terminal {
  id: string;
  kind: "display" | "phone";
  name: string;
  site_id: string;
  code_until_ms: number | null;
  used_ms: number | null;
  revoked_ms: number | null;
}

const day = (ms: number) =>
  new Intl.DateTimeFormat(lang.value === "zh" ? "zh-CN" : "en-GB", { timeZone: tz.value, dateStyle: "medium", timeStyle: "short", hour12: false }).format(ms);

function standing(one: Terminal): string {
  if (one.revoked_ms !== null) return t("terminals.revoked", { at: day(one.revoked_ms) });
  if (one.code_until_ms !== null) return t(one.code_until_ms > Date.now() ? "terminals.waiting" : "terminals.code_old");
  return one.used_ms === null ? "" : t("terminals.used", { at: day(one.used_ms) });
}

function Row({ one, onRevoke }: { one: Terminal; onRevoke: (one: Terminal) => void }) {
  return (
    <li data-terminal={one.id} data-kind={one.kind} class={one.revoked_ms === null ? "" : "over"}>
      <b>{one.name}</b> <span>{t(`terminals.kind.${one.kind}`)}</span> <span class="fine">{standing(one)}</span>
      {one.revoked_ms === null && <button type="button" onClick={() => onRevoke(one)}>{t("terminals.revoke")}</button>}
    </li>
  );
}

function Adding({ sites, onAdded }: { sites: readonly { id: string; name: string }[]; onAdded: () => void }) {
  const kind = useSignal<"display" | "phone">("phone");
  const name = useSignal("");
  const place = useSignal(sites[0]?.id ?? "");
  const code = useSignal("");
  const error = useSignal("");
  const add = async (event: Event) => {
    event.preventDefault();
    error.value = "";
    try {
      code.value = (await call<{ code: string }>("POST", "/terminals", { kind: kind.value, name: name.value.trim(), site: place.value })).code;
      name.value = "";
      onAdded();
    } catch (caught) {
      const problem = asProblem(caught);
      error.value = tCode(`error.${problem.code}`, problem.params);
    }
  };
  return (
    <form onSubmit={(event) => void add(event)}>
      <h2>{t("terminals.add")}</h2>
      <label>
        {t("terminals.kind")}
        <select name="kind" value={kind.value} onChange={(e) => (kind.value = e.currentTarget.value === "display" ? "display" : "phone")}>
          <option value="phone">{t("terminals.kind.phone")}</option>
          <option value="display">{t("terminals.kind.display")}</option>
        </select>
      </label>
      {sites.length > 1 && (
        <label>
          {t("ui.site")}
          <select name="site" value={place.value} onChange={(e) => (place.value = e.currentTarget.value)}>
            {sites.map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}
          </select>
        </label>
      )}
      <label>
        {t("terminals.name")}
        <input name="name" maxLength={80} value={name.value} onInput={(e) => (name.value = e.currentTarget.value)} required />
      </label>
      <button type="submit" class="primary">{t("terminals.add")}</button>
      {error.value !== "" && <p class="error" role="alert">{error.value}</p>}
      {code.value !== "" && (
        <div class="notice" role="status" data-code={code.value}>
          <p>{t("terminals.code", { address: `${location.origin}/terminal` })}</p>
          <p class="code">{code.value.slice(0, 4)} {code.value.slice(4)}</p>
          <p>{t("terminals.code_until")}</p>
        </div>
      )}
    </form>
  );
}

function Terminals() {
  const list = useSignal<Terminal[] | null>(null);
  const failed = useSignal("");
  const look = async () => {
    try {
      list.value = (await call<{ terminals: Terminal[] }>("GET", "/terminals")).terminals;
      failed.value = "";
    } catch (caught) {
      failed.value = tCode(`error.${asProblem(caught).code}`);
    }
  };
  useEffect(() => void look(), []);
  const revoke = async (one: Terminal) => {
    if (!confirm(t("terminals.revoke_sure", { name: one.name }))) return;
    try {
      await call("POST", `/terminals/${encodeURIComponent(one.id)}/revoke`);
    } catch (caught) {
      failed.value = tCode(`error.${asProblem(caught).code}`);
    }
    await look();
  };
  const sites = me.value?.sites ?? [];
  return (
    <main class="page terminals" data-page="terminals">
      <h1>{t("ui.page.terminals")}</h1>
      <p class="lead">{t("terminals.lead")}</p>
      {failed.value !== "" && <p class="error" role="alert">{failed.value}</p>}
      {list.value === null && failed.value === "" && <p role="status">{t("ui.loading")}</p>}
      {list.value?.length === 0 && <p>{t("terminals.none")}</p>}
      <ul>{(list.value ?? []).map((one) => <Row key={one.id} one={one} onRevoke={(which) => void revoke(which)} />)}</ul>
      {sites.length > 0 && <Adding sites={sites} onAdded={() => void look()} />}
      <p class="links"><a class="button" href="/">{t("account.back")}</a> <Switches /></p>
    </main>
  );
}

export function terminalsPage(): ComponentChild {
  return <Terminals />;
}
