// One's own account: password, second factor, PIN.
import type { ComponentChild } from "preact";
import { useEffect } from "preact/hooks";
import { useSignal, type Signal } from "@preact/signals";
import { call } from "./api";
import { Switches } from "./ui/switches";
import { t, tCode } from "./i18n";
import { asProblem } from "./login";
import { NewPassword } from "./password";
import { me } from "./state";

interface Ways {
  second_factor: boolean;
  staff: boolean;
  must: boolean;
}

interface Begun {
  secret: string;
  svg: string;
}

function Secret({ label, name, at }: { label: string; name: string; at: Signal<string> }) {
  return (
    <label>
      {label}
      <input name={name} type="password" maxLength={256} autocomplete="current-password" value={at.value} onInput={(e) => (at.value = e.currentTarget.value)} required />
    </label>
  );
}

function Digits({ label, name, at }: { label: string; name: string; at: Signal<string> }) {
  return (
    <label>
      {label}
      <input name={name} inputMode="numeric" maxLength={12} autocomplete="off" value={at.value} onInput={(e) => (at.value = e.currentTarget.value)} required />
    </label>
  );
}

// Runs a step of a form; what the server refuses is said in its words.
async function attempt(error: Signal<string>, work: () => Promise<unknown>): Promise<boolean> {
  error.value = "";
  try {
    await work();
    return true;
  } catch (caught) {
    const problem = asProblem(caught);
    error.value = tCode(`error.${problem.code}`, problem.params);
    return false;
  }
}

function Drawing({ svg }: { svg: string }) {
  const address = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '))}`;
  return <img class="qr" src={address} alt="QR" width={240} height={240} />;
}

function Factor({ ways, look }: { ways: Ways; look: () => Promise<void> }) {
  const password = useSignal("");
  const code = useSignal("");
  const error = useSignal("");
  const said = useSignal("");
  const begun = useSignal<Begun | null>(null);
  const begin = async (event: Event) => {
    event.preventDefault();
    await attempt(error, async () => (begun.value = await call<Begun>("POST", "/me/second-factor", { password: password.value })));
  };
  const confirm = async (event: Event) => {
    event.preventDefault();
    if (!(await attempt(error, () => call("POST", "/me/second-factor/confirm", { code: code.value })))) return;
    if (ways.must) location.assign("/");
    begun.value = null;
    said.value = t("account.factor_done");
    await look();
  };
  const end = async (event: Event) => {
    event.preventDefault();
    if (await attempt(error, () => call("POST", "/me/second-factor/end", { password: password.value }))) location.assign("/login");
  };
  return (
    <section data-factor={ways.second_factor ? "on" : "off"}>
      <h2>{t("account.factor")}</h2>
      <p>{t(ways.second_factor ? "account.factor_on" : ways.must ? "account.factor_must" : "account.factor_off")}</p>
      {said.value !== "" && <p class="notice" role="status">{said.value}</p>}
      {begun.value === null ? (
        <form onSubmit={(event) => void (ways.second_factor ? end(event) : begin(event))}>
          <Secret label={t("account.your_password")} name="password" at={password} />
          <button type="submit" class={ways.second_factor ? "" : "primary"}>{t(ways.second_factor ? "account.factor_end" : "account.factor_begin")}</button>
        </form>
      ) : (
        <form onSubmit={(event) => void confirm(event)}>
          <p>{t("account.factor_scan")}</p>
          <Drawing svg={begun.value.svg} />
          <p><code>{begun.value.secret.replace(/(.{4})/g, "$1 ").trim()}</code></p>
          <Digits label={t("account.factor_code")} name="code" at={code} />
          <button type="submit" class="primary">{t("account.factor_confirm")}</button>
        </form>
      )}
      {error.value !== "" && <p class="error" role="alert">{error.value}</p>}
    </section>
  );
}

function Pin() {
  const password = useSignal("");
  const pin = useSignal("");
  const error = useSignal("");
  const said = useSignal("");
  const save = async (event: Event) => {
    event.preventDefault();
    said.value = "";
    if (!(await attempt(error, () => call("POST", "/me/pin", { password: password.value, pin: pin.value })))) return;
    said.value = t("account.pin_done");
    password.value = pin.value = "";
  };
  return (
    <section data-pin>
      <h2>{t("account.pin")}</h2>
      <form onSubmit={(event) => void save(event)}>
        <Secret label={t("account.your_password")} name="password" at={password} />
        <Digits label={t("account.pin_new")} name="pin" at={pin} />
        <button type="submit">{t("account.pin_set")}</button>
      </form>
      {error.value !== "" && <p class="error" role="alert">{error.value}</p>}
      {said.value !== "" && <p class="notice" role="status">{said.value}</p>}
    </section>
  );
}

function Account() {
  const ways = useSignal<Ways | null>(null);
  const failed = useSignal(false);
  const password = useSignal(false);
  const look = async () => {
    try {
      ways.value = await call<Ways>("GET", "/me/ways");
      failed.value = false;
    } catch (caught) {
      asProblem(caught);
      failed.value = true;
    }
  };
  useEffect(() => void look(), []);
  if (password.value) return <NewPassword onDone={() => location.assign("/account")} />;
  return (
    <main class="page" data-page="account">
      <h1>{me.value?.name} · {t("ui.page.account")}</h1>
      {failed.value && <p class="error" role="alert">{t("error.unreachable")}</p>}
      {ways.value === null && !failed.value && <p role="status">{t("ui.loading")}</p>}
      {ways.value !== null && ways.value.staff && me.value?.role === "caregiver" && <Pin />}
      {ways.value !== null && <Factor ways={ways.value} look={look} />}
      <p class="links">
        <button type="button" onClick={() => (password.value = true)}>{t("account.password")}</button>
        <a class="button" href="/">{t("account.back")}</a>
        <Switches />
      </p>
    </main>
  );
}

export function accountPage(): ComponentChild {
  return <Account />;
}
