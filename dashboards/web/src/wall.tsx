// The ward wall: on the left who needs help, on the right everybody.
import { AlertCard, describe, whereOf, wordOf } from "./alert-card";
import { Announcer, Calm, Clock, Connection, Faults, LostBanner, Said, SiteSwitch, Sound, ZoneSwitch } from "./header";
import { t } from "./i18n";
import { bedOf, connected, elsewhere, me, ofResident, queue, walls } from "./state";
import { Tile } from "./tile";
import type { Alert, Bed, Wall } from "./types";
import { Switches } from "./ui/switches";

const PER_PAGE = 108;
const FEW = 4; // with more than these, only the first card is a large one, so that more of them fit
const CARDS = 30;
const ROOM_PX = 980;

function Counts() {
  const list = queue.value;
  const help = list.filter((a) => a.state === "raised" && a.kind !== "technical").length;
  const going = list.filter((a) => a.state === "claimed" || a.state === "arrived").length;
  const devices = list.filter((a) => a.kind === "technical" && a.state !== "claimed" && a.state !== "arrived").length;
  return (
    <p class="counts">
      <span class={help > 0 ? "count help" : "count"} data-count="help">{t("ui.count.help")} <b>{help}</b></span>
      <span class="count" data-count="going">{t("state.claimed")} <b>{going}</b></span>
      <span class="count" data-count="devices">{t("kind.technical")} <b>{devices}</b></span>
    </p>
  );
}

function isShort(alert: Alert, index: number, total: number): boolean {
  if (alert.claimed_by !== null && alert.claimed_by === me.value?.id) return false;
  return index >= (total > FEW ? 1 : FEW - 1) || alert.kind === "technical" || alert.state !== "raised";
}

function Queue() {
  const list = queue.value;
  return (
    <section class="queue" aria-label={t("ui.queue")}>
      <Counts />
      <Said />
      <Faults />
      {list.length === 0 && <Calm />}
      {list.slice(0, CARDS).map((a, i) => <AlertCard key={a.id} alert={a} short={isShort(a, i, list.length)} />)}
      {list.length > CARDS && <p class="fine">{t("ui.more_alerts", { n: list.length - CARDS })}</p>}
      {elsewhere.value.length > 0 && <p class="notice" data-elsewhere>{t("ui.elsewhere", { n: elsewhere.value.length })}</p>}
    </section>
  );
}

function openOf(bed: Bed): readonly Alert[] {
  return ofResident.value.get(bed.resident?.id ?? "") ?? ofResident.value.get(`place:${bed.label}`) ?? [];
}

// Where not all fit, beds with an open alert come first.
function chosen(wall: Wall, room: number): Bed[] {
  if (wall.beds.length <= room) return wall.beds;
  const waits = (bed: Bed) => (openOf(bed).length > 0 ? 0 : 1);
  return [...wall.beds].sort((a, b) => waits(a) - waits(b)).slice(0, Math.max(0, room));
}

// The largest tiles with which a wall of 1080 lines shows everybody.
function sizeOf(): string {
  const headings = walls.value.length > 1 ? walls.value.length * 30 : 0;
  const lines = (columns: number, height: number) =>
    headings + walls.value.reduce((sum, wall) => sum + Math.ceil(wall.beds.length / columns) * height, 0);
  if (lines(6, 176) <= ROOM_PX) return "roomy";
  return lines(8, 122) <= ROOM_PX ? "medium-size" : "dense";
}

function Beds() {
  const total = walls.value.reduce((sum, wall) => sum + wall.beds.length, 0);
  const size = sizeOf();
  let room = PER_PAGE;
  return (
    <section class="ward" tabIndex={0} aria-label={t("ui.beds")}>
      {walls.value.map((wall) => {
        const shown = chosen(wall, room);
        room -= shown.length;
        return (
          <div key={wall.site.id} class="house">
            {walls.value.length > 1 && <h2>{wall.site.name}</h2>}
            <ul class={`beds ${size}`}>
              {shown.map((bed) => {
                const live = bedOf(bed.bed_id);
                return live && <Tile key={bed.bed_id} bed={live} open={openOf(live.value)} />;
              })}
            </ul>
          </div>
        );
      })}
      {total === 0 && <p class="calm">{t("ui.no_beds")}</p>}
      {total > PER_PAGE && <p class="notice">{t("ui.more_beds", { n: total - PER_PAGE })}</p>}
    </section>
  );
}

function Duty() {
  const names = [...new Set(walls.value.flatMap((wall) => wall.duty.map((d) => d.name)))];
  return <span class="duty">{names.length > 0 ? t("ui.on_duty", { names: names.join(", ") }) : t("ui.nobody_on_duty")}</span>;
}

export function WallPage() {
  const first = queue.value.find((a) => a.state === "raised");
  const only = walls.value.length === 1 ? walls.value[0] : undefined;
  return (
    <div class={connected.value ? "wall" : "wall disconnected"}>
      <header class="bar">
        <h1>{only !== undefined ? t("ui.wall_title", { site: only.site.name }) : t("ui.wall")}</h1>
        <Connection /> <Sound /> <SiteSwitch /> <ZoneSwitch />
        <Duty />
        <span class="who-am-i">{me.value?.name}</span>
        <Switches /> <Clock />
      </header>
      <Announcer text={first === undefined ? "" : `${wordOf(first)} ${whereOf(first)} ${describe(first)}`} />
      <LostBanner />
      <main class="wall-main">
        <Queue />
        <Beds />
      </main>
      <footer class="fine">{t("app.not_a_medical_alarm")}</footer>
    </div>
  );
}
