// Inviting somebody: the consent that is signed on paper first, then a link that is shown once.
import { useEffect } from "preact/hooks";
import { useSignal, type Signal } from "@preact/signals";
import { call } from "./api";
import { care, type CareDoc, type Invited, type InvitationRow } from "./desk-data";
import { siteMs } from "./desk-visits";
import { at } from "./family-data";
import { lang, t, tCode } from "./i18n";
import { Button, Card, CheckField, Dialog, Form, Pill, SelectField, TextField } from "./ui";

const CLASSES = ["summary", "vitals", "alerts", "location", "notes", "documents", "looks"];
const USUAL = ["summary", "vitals", "alerts", "notes", "documents"];
const RELATIONS = ["child", "spouse", "sibling", "relative", "friend", "guardian", "self", "other"];
const YEAR_MS = 365 * 86_400_000;

interface ConsentText {
  version: string;
  sha256: string;
  text: string;
}

function Paper({ text, fields }: { text: ConsentText; fields: string[] }) {
  return (
    <section class="consent" aria-label={t("care.invite.text", { version: text.version })}>
      <p class="fine">{t("care.invite.text", { version: text.version })}</p>
      {text.text.split("\n").map((line, i) => (i === 0 ? <h3 key={line}>{line}</h3> : <p key={line}>{line}</p>))}
      <ul>{fields.map((field) => <li key={field}>{field}</li>)}</ul>
      <p>{t("care.signature")}</p>
    </section>
  );
}

function Once({ made, tz, onClose }: { made: Invited; tz: string; onClose: () => void }) {
  const link = useSignal(made.url);
  return (
    <Dialog open title={t("care.invite.made", { name: made.invitation.name })} onClose={onClose}>
      <p>{t("care.invite.once", { name: made.invitation.name, until: at(made.invitation.expires_ms, tz, true) })}</p>
      <img class="care-qr" src={made.qr} alt={t("care.invite.qr")} width={264} height={264} data-qr />
      <TextField label={t("care.invite.link")} name="link" value={link} />
      <p class="row"><Button onClick={() => print()}>{t("family.print")}</Button><Button tone="primary" onClick={onClose}>{t("care.invite.done")}</Button></p>
    </Dialog>
  );
}

function useText(): Signal<ConsentText | null> {
  const text = useSignal<ConsentText | null>(null);
  useEffect(() => {
    void call<ConsentText>("GET", `/consent-text?lang=${lang.value}`).then((found) => (text.value = found), () => (text.value = null));
  }, [lang.value]);
  return text;
}

function Make({ shown, onMade }: { shown: CareDoc; onMade: (made: Invited) => void }) {
  const [name, relation, giver, guardian, signed] = [useSignal(""), useSignal("child"), useSignal(shown.resident.name), useSignal(false), useSignal(false)];
  const until = useSignal(new Date(shown.t_ms + YEAR_MS).toISOString().slice(0, 10));
  const ticks = CLASSES.map((word) => [word, useSignal(USUAL.includes(word))] as const);
  const wrong = useSignal<"" | "unsigned" | "nothing" | "no_day">("");
  const text = useText();
  const classes = ticks.filter(([, tick]) => tick.value).map(([word]) => word);
  const send = async () => {
    wrong.value = classes.length === 0 ? "nothing" : until.value === "" ? "no_day" : !signed.value ? "unsigned" : "";
    if (wrong.value !== "") return;
    const until_ms = siteMs(`${until.value}T23:59`, shown.tz);
    const made = await care.invite(shown.resident.id, {
      name: name.value.trim(), relation: relation.value, classes, until_ms, giver: giver.value.trim(), guardian: guardian.value, lang: text.value?.version.endsWith("en") === true ? "en" : "zh",
    });
    name.value = "";
    signed.value = false;
    onMade(made);
  };
  const fields = [
    `${shown.resident.place} ${shown.resident.name}`, `${t("care.invite.name")}: ${name.value || "________"} (${tCode(`relation.${relation.value}`)})`,
    ...classes.map((word) => `☑ ${tCode(`class.${word}`)}`), `${t("care.invite.until")}: ${until.value}`, `${t("care.invite.giver")}: ${giver.value}${guardian.value ? ` (${tCode("relation.guardian")})` : ""}`,
  ];
  return (
    <Card id="invite" title={t("care.tab.invite")}>
      <Form submit={t("care.invite.make")} onSubmit={send} disabled={name.value.trim() === "" || giver.value.trim() === "" || text.value === null}>
        <TextField label={t("care.invite.name")} name="name" value={name} maxLength={80} />
        <SelectField label={t("care.invite.relation")} name="relation" value={relation} choices={RELATIONS.map((one) => [one, tCode(`relation.${one}`)] as const)} />
        <fieldset class="field"><legend>{t("care.invite.classes")}</legend>{ticks.map(([word, tick]) => <CheckField key={word} label={tCode(`class.${word}`)} name={word} value={tick} />)}</fieldset>
        <TextField label={t("care.invite.until")} name="until" type="date" value={until} />
        <TextField label={t("care.invite.giver")} name="giver" value={giver} maxLength={80} />
        <CheckField label={t("care.invite.guardian")} name="guardian" value={guardian} />
        {text.value !== null && <Paper text={text.value} fields={fields} />}
        <p class="no-print"><Button onClick={() => print()}>{t("care.invite.print")}</Button></p>
        <CheckField label={t("care.invite.signed")} name="signed" value={signed} />
        {wrong.value !== "" && <p class="error" role="alert" data-wrong={wrong.value}>{t(`care.invite.${wrong.value}`)}</p>}
      </Form>
    </Card>
  );
}

function Rows({ rows, tz, onDone }: { rows: InvitationRow[]; tz: string; onDone: () => void }) {
  const back = async (id: string) => {
    await care.uninvite(id);
    onDone();
  };
  return (
    <ul class="care-list">
      {rows.map((row) => (
        <li key={row.id} data-invitation={row.state}>
          <p><Pill tone={row.state === "used" ? "ok" : row.state === "open" ? "warn" : "quiet"}>{tCode(`care.invite.state.${row.state}`)}</Pill></p>
          <p>{t("care.invite.row", { name: row.name, relation: tCode(`relation.${row.relation}`), giver: row.giver, until: at(row.until_ms, tz, true) })}</p>
          {row.state === "open" && <Form submit={t("care.invite.withdraw")} onSubmit={() => back(row.id)}><></></Form>}
        </li>
      ))}
    </ul>
  );
}

export function Invitations({ shown, onDone }: { shown: CareDoc; onDone: () => void }) {
  const made = useSignal<Invited | null>(null);
  const rows = shown.invitations ?? [];
  const close = () => {
    made.value = null;
    onDone();
  };
  return (
    <div class="stack">
      <Make shown={shown} onMade={(found) => (made.value = found)} />
      <Card id="invitations" title={t("care.invite.list")}>{rows.length === 0 ? <p>{t("care.invite.list.none")}</p> : <Rows rows={rows} tz={shown.tz} onDone={onDone} />}</Card>
      {made.value !== null && <Once made={made.value} tz={shown.tz} onClose={close} />}
    </div>
  );
}
