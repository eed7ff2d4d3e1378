// How ill somebody may be by the NEWS2 of now: a figure where it is known, "at least" where parts are missing, "cannot tell" where nothing is.
import { effect, signal } from "@preact/signals";
import { call, Problem } from "./api";
import { t } from "./i18n";
import { connected, me, site } from "./state";
import type { Bed } from "./types";

export interface Risk {
  total: number;
  single3: boolean;
  partial: boolean;
}

export type Sorting = "bed" | "risk";
const KEPT = "anxin.sorting";
const EVERY_MS = 30_000;
const SERIOUS = 5;

export const sorting = signal<Sorting>(localStorage.getItem(KEPT) === "risk" ? "risk" : "bed");
const risks = signal<ReadonlyMap<string, Risk>>(new Map());
const asked = signal(false); // whether anybody looks at scores at all

async function read(): Promise<void> {
  const ids = site.value !== null ? [site.value] : (me.value?.sites ?? []).map((one) => one.id);
  try {
    const found = await Promise.all(ids.map((id) => call<{ risks: Record<string, Risk> }>("GET", `/wall/risk?site=${encodeURIComponent(id)}`)));
    risks.value = new Map(found.flatMap((one) => Object.entries(one.risks)));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    risks.value = new Map(); // nobody can tell now
  }
}

effect(() => {
  if (!asked.value || !connected.value) return;
  void read();
  const timer = setInterval(() => void read(), EVERY_MS);
  return () => clearInterval(timer);
});

export function wantRisks(): void {
  asked.value = true;
}

export function riskOf(resident: string): Risk | null {
  return risks.value.get(resident) ?? null;
}

// No point, but parts are missing: nobody can tell either.
function unknown(risk: Risk | null): risk is null {
  return risk === null || (risk.partial && risk.total === 0);
}

// Serious scores first, then those with points though parts are missing, then those of whom nobody can tell, then the rest: what is not
// known is never taken for health.
export function rank(risk: Risk | null): number {
  if (unknown(risk)) return 100;
  if (risk.total >= SERIOUS || risk.single3) return 300 + risk.total;
  return risk.partial ? 200 + risk.total : risk.total;
}

export function byRisk(beds: readonly Bed[]): Bed[] {
  const of = (bed: Bed) => (bed.resident === null ? -1 : rank(riskOf(bed.resident.id)));
  return [...beds].sort((a, b) => of(b) - of(a));
}

export function RiskWord({ risk }: { risk: Risk | null }) {
  if (unknown(risk)) return <span class="risk unknown" data-risk="unknown">{t("risk.unknown")}</span>;
  const level = risk.total >= 7 ? "top" : rank(risk) >= 300 ? "mid" : "low";
  return <span class={`risk ${level}`} data-risk={risk.total}>NEWS2 {risk.partial ? t("risk.at_least", { n: risk.total }) : risk.total}</span>;
}

export function SortSwitch() {
  const choose = (next: Sorting) => {
    sorting.value = next;
    localStorage.setItem(KEPT, next);
  };
  return (
    <span class="switch" role="group" aria-label={t("sort.title")}>
      {(["bed", "risk"] as const).map((one) => (
        <button key={one} type="button" data-sort={one} aria-pressed={sorting.value === one} onClick={() => choose(one)}>{t(`sort.${one}`)}</button>
      ))}
    </span>
  );
}
