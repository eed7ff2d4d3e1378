// What needs somebody: a list of a few lines, or the sentence that nothing does.
import type { ComponentChild } from "preact";
import { ago, clock, t, tCode } from "../i18n";
import { me, tz } from "../state";
import { Card, LinkButton, PageFrame, Show, useLoad } from "../ui";
import { type Devices, type House, type Need, NEEDS } from "./data";
import "./machines.css";
import { ready, w, wCode } from "./words";

const EVERY_MS = 15_000;
const CERTIFICATE_DAYS = 30;
const LATE = 2; // backups: so many times their interval

interface Duty {
  id: string;
  count: number | null;
  text: string;
  href: string | null;
}

function ofDevices(devices: Devices): Duty[] {
  const count = (need: Need) => devices.devices.filter((row) => row.status === "active" && row.needs.includes(need)).length;
  return NEEDS.map((need) => ({ id: need, count: count(need), text: wCode("visit", need), href: `/devices?need=${need}` })).filter((duty) => duty.count > 0);
}

function ofHouse(house: House): Duty[] {
  const duties: Duty[] = [];
  if (house.inbox > 0) duties.push({ id: "inbox", count: house.inbox, text: w("visit.inbox"), href: "/inbox" });
  if (house.letters.day > 0) duties.push({ id: "letters", count: house.letters.day, text: w("visit.letters"), href: "/deadletters" });
  const backup = house.backup;
  if (backup !== null && backup.run?.state === "failed") duties.push({ id: "backup", count: null, text: w("visit.backup_failed"), href: "/backups" });
  else if (backup !== null && backup.age_s !== null && backup.age_s > LATE * backup.every_s) duties.push({ id: "backup", count: null, text: w("visit.backup_late", { age: ago(backup.age_s * 1000) }), href: "/backups" });
  for (const one of house.certificates) {
    if (one.days === null) duties.push({ id: `certificate-${one.name}`, count: null, text: w("visit.certificate_unreadable", { name: wCode("certificate", one.name) }), href: null });
    else if (one.days < CERTIFICATE_DAYS) duties.push({ id: `certificate-${one.name}`, count: null, text: w("visit.certificate", { name: wCode("certificate", one.name), days: one.days }), href: null });
  }
  return duties;
}

function Line({ duty }: { duty: Duty }) {
  const inside = <>{duty.count !== null && <b class="how-many">{duty.count}</b>}<span>{duty.text}</span></>;
  return <li data-duty={duty.id}>{duty.href === null ? <div class="duty">{inside}</div> : <a class="duty" href={duty.href}>{inside}<span class="go" aria-hidden="true">›</span></a>}</li>;
}

function Duties({ house, devices }: { house: House; devices: Devices }) {
  const duties = [...ofDevices(devices), ...ofHouse(house)];
  const quiet = duties.length === 0 && house.faults.length === 0;
  return (
    <>
      {quiet && <p class="calm" data-calm="calm">{w("house.calm", { at: clock(house.t_ms, tz.value) })}</p>}
      {duties.length > 0 && (
        <Card title={w("house.todo")} id="todo"><ul class="duties">{duties.map((duty) => <Line key={duty.id} duty={duty} />)}</ul></Card>
      )}
      {house.faults.length > 0 && (
        <Card title={t("ui.faults")} id="faults">
          <ul class="plain-list">{house.faults.map((f) => <li key={`${f.code}/${f.subject}`}><span aria-hidden="true">⚠ </span>{tCode(`fault.${f.code}`, { ...f.params, subject: f.subject })}</li>)}</ul>
        </Card>
      )}
      <p class="fine">
        {w("house.figures", { devices: devices.devices.filter((row) => row.status === "active").length })}
        {house.backup?.age_s != null && ` · ${w("house.backup", { age: ago(house.backup.age_s * 1000) })}`}
        {house.certificates.map((one) => (one.days === null ? "" : ` · ${w("house.certificate", { name: wCode("certificate", one.name), days: one.days })}`)).join("")}
      </p>
    </>
  );
}

function HousePage() {
  const house = useLoad<House>("/house", EVERY_MS);
  const devices = useLoad<Devices>("/devices/health", EVERY_MS);
  const operator = me.value?.role === "operator";
  return (
    <PageFrame title={t("ui.page.house")} narrow>
      <div class="stack" data-page="house" data-role={me.value?.role}>
        <Show of={house}>{(about) => <Show of={devices}>{(rows) => <Duties house={about} devices={rows} />}</Show>}</Show>
        <p class="row">
          {operator && <LinkButton href="/pair" tone="primary">{t("ui.page.pair")}</LinkButton>}
          <LinkButton href="/devices">{t("ui.page.devices")}</LinkButton>
          <LinkButton href="/inbox">{t("ui.page.inbox")}</LinkButton>
          {operator && <LinkButton href="/phone">{t("ui.device_queue")}</LinkButton>}
        </p>
      </div>
    </PageFrame>
  );
}

export async function housePage(): Promise<ComponentChild> {
  await ready;
  return <HousePage />;
}
