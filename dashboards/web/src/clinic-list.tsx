// The clinic's list: who changed most comes first; by score or by bed if one likes.
import { signal } from "@preact/signals";
import type { Patient, Score, Ward } from "./clinic-data";
import { words } from "./events";
import { figure, lang, t, tCode } from "./i18n";
import { Empty } from "./ui";

const SHOWN = ["hr", "pulse", "spo2", "resp", "temp", "sbp", "dbp"];
const ORDERS = ["change", "score", "place"] as const;
const order = signal<(typeof ORDERS)[number]>("change");

export function Badge({ score }: { score: Score | null }) {
  if (score === null) return <span class="badge partial" data-news2="none">{t("clinic.score.none")}</span>;
  const level = score.total >= 7 ? "top" : score.total >= 5 || score.single3 ? "mid" : "";
  return <span class={`badge ${level} ${score.partial ? "partial" : ""}`} data-news2={score.total} data-partial={String(score.partial)}>{words(score)}</span>;
}

export function missingParts(score: Score | null): string {
  if (score === null || !score.partial) return "";
  return t("clinic.missing", { parts: score.missing.map((part) => tCode(`news2.${part}`)).join(lang.value === "zh" ? "、" : ", ") });
}

function change(patient: Patient): string {
  if (patient.change === null) return t("clinic.change.none");
  if (patient.change === 0) return t("clinic.change.same");
  return patient.change > 0 ? t("clinic.change.up", { n: patient.change }) : t("clinic.change.down", { n: -patient.change });
}

// The server's order is the one by change.
function inOrder(patients: Patient[]): Patient[] {
  const score = (one: Patient) => one.news2?.total ?? -1;
  if (order.value === "score") return [...patients].sort((a, b) => score(b) - score(a));
  if (order.value === "place") return [...patients].sort((a, b) => a.place.localeCompare(b.place, "zh-CN", { numeric: true }));
  return patients;
}

function Row({ patient, onOpen }: { patient: Patient; onOpen: (id: string) => void }) {
  const open = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    onOpen(patient.id);
  };
  return (
    <li data-patient={patient.id} data-change={patient.change ?? ""}>
      <a href={`/clinic?resident=${encodeURIComponent(patient.id)}`} onClick={open}>
        <span class="name">{patient.name} <span class="fine">{patient.age === null ? "" : t("clinic.years", { n: patient.age })}</span></span>
        <span>{patient.place}</span>
        <span><Badge score={patient.news2} /> <span class="fine">{missingParts(patient.news2)}</span></span>
        <span class={patient.change !== null && patient.change > 0 ? "worse" : ""}>{change(patient)}</span>
        <span class="figures">
          {SHOWN.flatMap((key) => {
            const vital = patient.vitals[key];
            if (vital === undefined || vital.value === null) return [];
            const old = vital.state !== "live";
            return [<span key={key}>{tCode(`quantity.${key}`)} <b class={old ? "old" : ""}>{figure(vital.value)}</b>{old ? ` ${tCode(`vital.${vital.state}`)}` : ""}</span>];
          })}
        </span>
      </a>
    </li>
  );
}

export function PatientList({ ward, onOpen }: { ward: Ward; onOpen: (id: string) => void }) {
  if (ward.residents.length === 0) return <div data-empty><Empty text={t("clinic.empty")} /></div>;
  return (
    <>
      <div class="row" role="group" aria-label={t("clinic.sort")}>
        {ORDERS.map((one) => <button type="button" key={one} data-order={one} aria-pressed={one === order.value} onClick={() => (order.value = one)}>{t(`clinic.sort.${one}`)}</button>)}
      </div>
      <ul class="people">{inOrder(ward.residents).map((patient) => <Row key={patient.id} patient={patient} onOpen={onOpen} />)}</ul>
      <p class="fine">{t("clinic.credit")}</p>
    </>
  );
}
