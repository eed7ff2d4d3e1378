// The clinic: residents with their score and its change, and one resident over a day, a week or a month.
import type { ComponentChild } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { signal } from "@preact/signals";
import "./calm.css";
import "./clinic.css";
import { RANGES, type Page, type Ward } from "./clinic-data";
import { PatientList } from "./clinic-list";
import { Resident, VIEWS, type Place } from "./clinic-resident";
import { t } from "./i18n";
import { answeredAt, cursorMs, drawnAt, readings } from "./strip";
import { PageFrame, Show, useLoad } from "./ui";

const LIST_MS = 30_000;
const PAGE_MS = 60_000;
const PAPER_PX = 680;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

const place = signal<Place | null>(null); // null: the list
const width = signal(800);

function read(): Place | null {
  const asked = new URLSearchParams(location.search);
  const resident = asked.get("resident");
  if (resident === null) return null;
  const until = asked.get("until") ?? "";
  return {
    resident, until: DAY.test(until) ? until : "",
    range: RANGES.find((one) => one === asked.get("range")) ?? "24h",
    view: VIEWS.find((one) => one === asked.get("view")) ?? "curves",
  };
}

function show(next: Place | null): void {
  if (next?.resident !== place.value?.resident || next?.range !== place.value?.range || next?.until !== place.value?.until) {
    cursorMs.value = null;
    readings.value = {};
  }
  place.value = next;
}

function go(next: Place | null): void {
  const query = new URLSearchParams();
  if (next !== null) {
    query.set("resident", next.resident);
    if (next.range !== "24h") query.set("range", next.range);
    if (next.view !== "curves") query.set("view", next.view);
    if (next.until !== "") query.set("until", next.until);
  }
  history.pushState(null, "", `/clinic${query.size > 0 ? `?${query}` : ""}`);
  show(next);
}

// The end of a day: of this screen's clock, which is the house's; the server ends at now.
function untilMs(day: string): string {
  return day === "" ? "" : `&until_ms=${new Date(`${day}T23:59:59`).getTime()}`;
}

function List() {
  const loaded = useLoad<Ward>("/clinic", LIST_MS);
  return (
    <>
      <Show of={loaded}>{(ward) => <PatientList ward={ward} onOpen={(resident) => go({ resident, range: "24h", view: "curves", until: "" })} />}</Show>
    </>
  );
}

function Detail({ at }: { at: Place }) {
  const loaded = useLoad<Page>(`/clinic/${encodeURIComponent(at.resident)}?range=${at.range}${untilMs(at.until)}`, PAGE_MS);
  const seen = loaded.at.value;
  useEffect(() => {
    if (seen !== null) answeredAt.value = performance.now();
  }, [seen]);
  return (
    <>
      <button type="button" class="no-print" data-back onClick={() => go(null)}>{t("clinic.back")}</button>
      <Show of={loaded}>
        {(shown) => (
          <>
            <h2 class="patient">{shown.resident.name} <span class="fine">{shown.resident.place} {shown.resident.age === null ? "" : t("clinic.years", { n: shown.resident.age })}</span></h2>
            <Resident shown={shown} place={at} width={width.value} go={(next) => go({ ...at, ...next })} reload={loaded.reload} />
          </>
        )}
      </Show>
    </>
  );
}

export function ClinicPage() {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    place.value = read();
    const onPop = () => show(read());
    addEventListener("popstate", onPop);
    const observer = new ResizeObserver(() => {
      if (box.current !== null) width.value = box.current.clientWidth;
    });
    const onPaper = () => { width.value = PAPER_PX; };
    const onScreen = () => { width.value = box.current?.clientWidth ?? width.value; };
    addEventListener("beforeprint", onPaper);
    addEventListener("afterprint", onScreen);
    if (box.current !== null) observer.observe(box.current);
    return () => {
      removeEventListener("popstate", onPop);
      removeEventListener("beforeprint", onPaper);
      removeEventListener("afterprint", onScreen);
      observer.disconnect();
    };
  }, []);
  const at = place.value;
  return (
    <PageFrame title={t("clinic.title")}>
      <div class="clinic" ref={box} data-clinic data-draw-ms={drawnAt.value === null ? "" : Math.round(drawnAt.value - answeredAt.value)}>
        {at === null ? <List /> : <Detail key={at.resident} at={at} />}
      </div>
    </PageFrame>
  );
}

export function clinicPage(): ComponentChild {
  return <ClinicPage />;
}
