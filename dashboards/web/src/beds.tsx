// Everybody at a glance without scrolling: more than fit go on pages by zone, and the page of an open alert comes to the front.
import { useEffect } from "preact/hooks";
import { computed, effect, signal } from "@preact/signals";
import { t } from "./i18n";
import { byRisk, SortSwitch, sorting, wantRisks } from "./risk";
import { bedOf, ofResident, queue, walls } from "./state";
import { Tile } from "./tile";
import type { Alert, Bed } from "./types";

export const PER_PAGE = 108;
const ROOM_PX = 925;

export interface BedPage {
  name: string;
  zones: string[];
  groups: { house: string; beds: Bed[] }[]; // by site, in order
}

function openOf(bed: Bed): readonly Alert[] {
  return ofResident.value.get(bed.resident?.id ?? "") ?? ofResident.value.get(`place:${bed.label}`) ?? [];
}

// Whole zones as long as they fit; a zone larger than a page is cut.
function pagesOf(): BedPage[] {
  const found: BedPage[] = [];
  let room = 0;
  const add = (name: string, house: string, beds: Bed[]) => {
    let page = found.at(-1);
    if (page === undefined || beds.length > room) {
      page = { name, zones: [name], groups: [] };
      found.push(page);
      room = PER_PAGE;
    } else if (!page.zones.includes(name)) page.zones.push(name);
    room -= beds.length;
    const group = page.groups.at(-1);
    if (group?.house === house) group.beds.push(...beds);
    else page.groups.push({ house, beds: [...beds] });
  };
  for (const wall of walls.value) {
    const zones = [...wall.zones.map((z) => ({ id: z.id as string | null, name: z.name })), { id: null, name: wall.site.name }];
    const whole = walls.value.reduce((sum, one) => sum + one.beds.length, 0) <= PER_PAGE;
    if (whole) add(wall.site.name, wall.site.name, wall.beds);
    else {
      for (const zone of zones) {
        const beds = wall.beds.filter((bed) => (zone.id === null ? !wall.zones.some((z) => z.id === bed.zone_id) : bed.zone_id === zone.id));
        for (let start = 0; start < beds.length; start += PER_PAGE) add(zone.name, wall.site.name, beds.slice(start, start + PER_PAGE));
      }
    }
  }
  return found.map((page) => ({ ...page, name: page.zones.join(" · ") }));
}

const pages = computed(pagesOf);
const shown = signal(0);

function waitingOn(page: BedPage): number {
  const beds = page.groups.flatMap((group) => group.beds);
  return beds.filter((bed) => openOf(bed).some((a) => a.state === "raised" && a.kind !== "technical")).length;
}

// The first alert of the queue that nobody has claimed decides; only a new one turns the page, so that a page chosen by hand stays.
const called = computed(() => queue.value.find((a) => a.state === "raised" && a.kind !== "technical")?.id ?? "");
let turnedFor = "";
effect(() => {
  const id = called.value;
  if (pages.value.length < 2 || id === turnedFor) return;
  turnedFor = id;
  const index = pages.value.findIndex((page) => page.groups.some((group) => group.beds.some((bed) => openOf(bed).some((a) => a.id === id))));
  if (id !== "" && index >= 0) shown.value = index;
});

// The largest tiles with which a wall of 1080 lines shows everybody of the page.
function sizeOf(page: BedPage): string {
  const headings = page.groups.length > 1 ? page.groups.length * 30 : 0;
  const lines = (columns: number, height: number) => headings + page.groups.reduce((sum, group) => sum + Math.ceil(group.beds.length / columns) * height, 0);
  if (lines(6, 176) <= ROOM_PX) return "roomy";
  return lines(8, 122) <= ROOM_PX ? "medium-size" : "dense";
}

function Turn({ at }: { at: number }) {
  if (pages.value.length < 2) return null;
  return (
    <span class="switch pages" role="group" aria-label={t("ui.zone")}>
      {pages.value.map((page, i) => {
        const n = waitingOn(page);
        return (
          <button key={page.name + i} type="button" data-page={i} aria-pressed={i === at} onClick={() => (shown.value = i)}>
            {page.name}{n > 0 && <b class="calls-here" data-waiting={n}>{t("ui.zone_calls", { n })}</b>}
          </button>
        );
      })}
    </span>
  );
}

function Group({ house, beds, many, size }: { house: string; beds: Bed[]; many: boolean; size: string }) {
  const risk = sorting.value === "risk";
  return (
    <div class="house">
      {many && <h2>{house}</h2>}
      <ul class={`beds ${size}`}>
        {(risk ? byRisk(beds) : beds).map((bed) => {
          const live = bedOf(bed.bed_id);
          return live && <Tile key={bed.bed_id} bed={live} open={openOf(live.value)} risk={risk} />;
        })}
      </ul>
    </div>
  );
}

export function Beds() {
  useEffect(wantRisks, []);
  const at = Math.min(shown.value, Math.max(0, pages.value.length - 1));
  const page = pages.value[at];
  const size = page === undefined ? "roomy" : sizeOf(page);
  return (
    <section class="ward" tabIndex={0} aria-label={t("ui.beds")}>
      <div class="ward-head"><Turn at={at} /><SortSwitch /></div>
      {page?.groups.map((group) => <Group key={group.house} {...group} many={page.groups.length > 1} size={size} />)}
      {page === undefined && <p class="calm">{t("ui.no_beds")}</p>}
    </section>
  );
}
