// For those who have no wall: what they can do here, said plainly.
import type { ComponentChild } from "preact";
import { useEffect } from "preact/hooks";
import { batch, useSignal } from "@preact/signals";
import { api, Problem } from "./api";
import { Switches } from "./ui/switches";
import { clock, t, tCode } from "./i18n";
import { me, tz } from "./state";
import type { Status } from "./types";

function Health() {
  const status = useSignal<Status | null>(null);
  const counts = useSignal<{ devices: number; inbox: number } | null>(null);
  const failed = useSignal(false);
  useEffect(() => {
    const look = async () => {
      try {
        const [fresh, devices, inbox] = await Promise.all([api.status(), api.devices(), api.inbox()]);
        batch(() => {
          status.value = fresh;
          counts.value = { devices: devices.devices.length, inbox: inbox.devices.length };
        });
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        failed.value = true;
      }
    };
    void look();
  }, []);
  if (failed.value) return <p class="notice" role="alert">{t("error.unreachable")}</p>;
  if (status.value === null || counts.value === null) return <p class="fine">{t("ui.loading")}</p>;
  return (
    <section>
      <h2>{t("ui.house")}</h2>
      {me.value?.role === "operator" && <p>{t("ui.devices_are", { n: counts.value.devices, inbox: counts.value.inbox })}</p>}
      {status.value.faults.length === 0 ? <p>{t("ui.no_faults", { at: clock(status.value.t_ms, tz.value) })}</p> : (
        <ul class="faults">
          {status.value.faults.map((f) => <li key={`${f.code}/${f.subject}`}>⚠ {tCode(`fault.${f.code}`, { ...f.params, subject: f.subject })}</li>)}
        </ul>
      )}
    </section>
  );
}

export function RolePage() {
  const who = me.value;
  if (who === null) return null;
  const family = who.role === "family";
  return (
    <main class="page" data-role={who.role}>
      <h1>{who.name} · {t(`role.${who.role}`)}</h1>
      {family && who.residents.length > 0 && <p class="lead">{who.residents.map((r) => r.name).join(" · ")}</p>}
      <p class="lead">{tCode(`ui.role.${who.role}`)}</p>
      {!family && <Health />}
      {who.role === "operator" && (
        <p class="links"><a class="button" href="/phone">{t("ui.device_queue")}</a> <a class="button" href="/m/alerts">{t("ui.plain_pages")}</a></p>
      )}
      <p class="links"><Switches /></p>
      <p class="fine">{t("app.not_a_medical_alarm")}</p>
    </main>
  );
}

export function rolePage(): ComponentChild {
  return <RolePage />;
}
