// The last half hour of the person one is going to, read once: what was known when one set out.
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { api } from "./api";
import { ago, figure, t, tCode } from "./i18n";
import { Sparkline } from "./sparkline";
import { serverNow } from "./state";
import type { Detail } from "./types";

const OLD_MS = 90_000;

function Row({ name, detail }: { name: string; detail: Detail }) {
  const series = detail.trend[name];
  if (series === undefined) return null;
  const known = series.value.filter((v): v is number => v !== null);
  const last = series.value.findLastIndex((v) => v !== null);
  const value = series.value[last];
  const at = series.t_ms[last];
  if (value === null || value === undefined || at === undefined) return null;
  const old = serverNow.value - at;
  const word = tCode(`quantity.${name}`);
  const range = t("ui.range", { low: Math.min(...known), high: Math.max(...known) });
  return (
    <figure>
      <figcaption>
        {word} <b>{figure(value)}</b> {tCode(`unit.${detail.vitals[name]?.unit ?? "1"}`)}
        <small>{range}{old > OLD_MS && <span> · {ago(old)}</span>}</small>
      </figcaption>
      <Sparkline values={series.value} times={series.t_ms} quantity={name} width={180} height={40} label={`${word}, ${t("ui.last_30_min")}: ${range}`} />
    </figure>
  );
}

export function Trend({ id }: { id: string }) {
  const detail = useSignal<Detail | null>(null);
  const failed = useSignal(false);
  useEffect(() => {
    api.detail(id).then((found) => (detail.value = found), () => (failed.value = true));
  }, [id]);
  if (failed.value) return <p class="fine">{t("ui.trend_unavailable")}</p>;
  if (detail.value === null) return <p class="fine">{t("ui.loading")}</p>;
  const found = detail.value;
  const names = Object.keys(found.trend).filter((name) => found.trend[name]?.value.some((v) => v !== null));
  return (
    <div class="trend">
      <p class="fine">{names.length === 0 ? t("ui.no_trend") : t("ui.last_30_min")}</p>
      {names.map((name) => <Row key={name} name={name} detail={found} />)}
    </div>
  );
}
