// Signing in with gloves on: one's own name, then a large pad of digits.
import { useSignal } from "@preact/signals";
import { call } from "./api";
import { t, tCode } from "./i18n";
import { asProblem } from "./login";
import "./pin.css";

export interface Person {
  id: string;
  name: string;
}

const LONGEST = 12;
const SHORTEST = 6;
const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9"] as const;

function Pad({ who, onDone, onOther }: { who: Person; onDone: () => void; onOther: () => void }) {
  const pin = useSignal("");
  const error = useSignal("");
  const busy = useSignal(false);
  const type = (digit: string) => {
    error.value = "";
    pin.value = (pin.value + digit).slice(0, LONGEST);
  };
  const send = async (event: Event) => {
    event.preventDefault();
    if (pin.value.length < SHORTEST || busy.value) return;
    busy.value = true;
    try {
      await call("POST", "/session/pin", { user_id: who.id, pin: pin.value });
      onDone();
    } catch (caught) {
      const problem = asProblem(caught);
      error.value = tCode(`error.${problem.code}`, problem.params);
      pin.value = "";
      busy.value = false;
    }
  };
  const onKey = (event: KeyboardEvent) => {
    if (/^\d$/.test(event.key)) type(event.key);
    else if (event.key === "Backspace") pin.value = pin.value.slice(0, -1);
  };
  return (
    <form class="pin" onSubmit={(event) => void send(event)} onKeyDown={onKey}>
      <h2 id="pin-of">{t("entry.pin_of", { name: who.name })}</h2>
      <p class="dots" role="status"><span aria-hidden="true">{"●".repeat(pin.value.length) || "○○○○○○"}</span><span class="only-read">{pin.value.length}</span></p>
      {error.value !== "" && <p class="error" role="alert">{error.value}</p>}
      <div class="pad" role="group" aria-labelledby="pin-of">
        {KEYS.map((digit) => <button key={digit} type="button" data-key={digit} onClick={() => type(digit)}>{digit}</button>)}
        <button type="button" data-key="delete" aria-label={t("entry.delete")} onClick={() => (pin.value = pin.value.slice(0, -1))}>⌫</button>
        <button type="button" data-key="0" onClick={() => type("0")}>0</button>
        <button type="submit" class="primary" data-key="go" aria-label={t("session.sign_in")} disabled={pin.value.length < SHORTEST || busy.value}>✓</button>
      </div>
      <button type="button" onClick={onOther}>{t("entry.other_person")}</button>
    </form>
  );
}

export function PinSignIn({ people, onDone }: { people: readonly Person[]; onDone: () => void }) {
  const chosen = useSignal<Person | null>(people.length === 1 ? (people[0] ?? null) : null);
  if (chosen.value !== null) return <Pad who={chosen.value} onDone={onDone} onOther={() => (chosen.value = null)} />;
  return (
    <section class="names">
      <h2>{t("entry.who")}</h2>
      {people.map((one) => <button key={one.id} type="button" data-person={one.id} onClick={() => (chosen.value = one)}>{one.name}</button>)}
    </section>
  );
}
