// The strips of a resident with events and scores on the same axis, and one row of values for wherever the crosshair stands.
import { useMemo } from "preact/hooks";
import type { Page, Strip } from "./clinic-data";
import { Events, Trend, when } from "./events";
import { figure, lang, t, tCode } from "./i18n";
import { cursorMs, deviceAt, moveTo, readings, StripView, type Frame } from "./strip";

// sbp and dbp are one strip, everything else one each.
function grouped(strips: Strip[]): { name: string; strips: Strip[] }[] {
  const dbp = strips.find((s) => s.quantity === "dbp");
  return strips.flatMap((strip) => {
    if (strip.quantity === "dbp" && strips.some((s) => s.quantity === "sbp")) return [];
    if (strip.quantity === "sbp" && dbp !== undefined) return [{ name: t("clinic.bp"), strips: [strip, dbp] }];
    return [{ name: tCode(`quantity.${strip.quantity}`), strips: [strip] }];
  });
}

function Values({ shown }: { shown: Page }) {
  const at = cursorMs.value;
  return (
    <div class="readout" data-readout={at ?? ""}>
      <label>{t("clinic.at")} <b>{at === null ? t("clinic.at.now") : when(at, shown.tz)}</b>
        <input type="range" aria-label={t("clinic.at")} min={shown.from_ms} max={shown.to_ms} step={60_000} value={at ?? shown.to_ms} onInput={(e) => moveTo(Number(e.currentTarget.value))} />
      </label>
      <div class="table-box" tabIndex={0} role="group" aria-label={t("clinic.values")}>
        <table>
          <caption class="only-read">{t("clinic.values")}</caption>
          <thead><tr>{shown.strips.map((strip) => <th key={strip.quantity} scope="col">{tCode(`quantity.${strip.quantity}`)}</th>)}</tr></thead>
          <tbody>
            <tr>
              {shown.strips.map((strip) => {
                const value = at === null ? (strip.summary?.last ?? null) : (readings.value[strip.quantity] ?? null);
                return (
                  <td key={strip.quantity} data-value={strip.quantity}>
                    <b>{value === null ? t("value.none") : figure(value)}</b> {tCode(`unit.${strip.unit}`)}
                    <small>{deviceAt(strip, at ?? strip.summary?.last_ms ?? shown.to_ms)}</small>
                  </td>
                );
              })}
            </tr>
          </tbody>
        </table>
      </div>
    </div>
  );
}

function Legend({ shown }: { shown: Page }) {
  const wide = shown.strips.find((strip) => strip.kind === "envelope");
  return (
    <p class="fine" data-legend>
      {t("clinic.usual")} {t("clinic.night")} {wide !== undefined && t("clinic.envelope", { n: wide.bucket_ms / 60_000 })}
    </p>
  );
}

export function Curves({ shown, width }: { shown: Page; width: number }) {
  const frame: Frame = useMemo(() => ({ from: shown.from_ms, to: shown.to_ms, tz: shown.tz, range: shown.range }), [shown]);
  const groups = useMemo(() => grouped(shown.strips), [shown, lang.value]);
  return (
    <>
      <Legend shown={shown} />
      {groups.map((group) => <StripView key={`${group.name}${shown.range}`} name={group.name} strips={group.strips} frame={frame} />)}
      <Values shown={shown} />
      <Events events={shown.events} frame={frame} width={width} />
      <Trend bars={shown.news2_trend} frame={frame} width={width} />
      {shown.resident.spo2_scale === 2 && <p class="fine" data-scale2>{t("clinic.spo2_scale2")}</p>}
    </>
  );
}
