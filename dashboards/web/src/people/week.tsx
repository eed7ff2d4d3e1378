// A week of duty: per role and day who serves from when to when, and in red words where nobody does.
import { Card } from "../ui";
import { day, hour, type Stretch, type Week } from "./data";
import { h } from "./words";

interface Piece { from: number; until: number; names: string[] }

export const roleWord = (role: string): string => (["caregiver", "nurse", "head_nurse", "doctor"].includes(role) ? h(`role.${role}` as "role.nurse") : role);

// Stretches of one role within one day; neighbours with the same people are one.
export function pieces(stretches: readonly Stretch[], role: string, from: number, until: number): Piece[] {
  const found: Piece[] = [];
  for (const one of stretches) {
    if (one.until_ms <= from || one.from_ms >= until) continue;
    const names = one.serving.filter((who) => who.role === role).map((who) => who.name);
    const last = found.at(-1);
    const end = Math.min(one.until_ms, until);
    if (last !== undefined && last.names.join("|") === names.join("|")) last.until = end;
    else found.push({ from: Math.max(one.from_ms, from), until: end, names });
  }
  return found;
}

export function span(from: number, until: number, tz: string, dayEnd: number): string {
  return `${hour(from, tz)}–${until === dayEnd ? "24:00" : hour(until, tz)}`;
}

function Day({ week, role, n }: { week: Week; role: string; n: number }) {
  const from = week.days_ms[n] as number, until = week.days_ms[n + 1] as number;
  const called = week.called.includes(role);
  return (
    <tr data-day={n}>
      <th scope="row">{day(from, week.tz, true)}</th>
      <td>
        <div class="hours" aria-hidden="true">
          {pieces(week.stretches, role, from, until).map((one) => (
            <span key={one.from} class={one.names.length === 0 ? (called ? "gap" : "off") : "on"} style={{ left: `${((one.from - from) / (until - from)) * 100}%`, width: `${((one.until - one.from) / (until - from)) * 100}%` }} />
          ))}
        </div>
        <p class="pieces">
          {pieces(week.stretches, role, from, until).map((one) => (
            <span key={one.from} class={one.names.length === 0 && called ? "error" : one.names.length === 0 ? "fine" : ""} {...(one.names.length === 0 && called ? { "data-gap": role } : {})}>
              {span(one.from, one.until, week.tz, until)} {one.names.length === 0 ? h("week.nobody") : one.names.join("、")}
            </span>
          ))}
        </p>
      </td>
    </tr>
  );
}

function Gaps({ week }: { week: Week }) {
  if (week.gaps.length === 0) return <p class="said-well" data-gaps="0">{h("week.whole")}</p>;
  const zones = new Map(week.zones.map((one) => [one.id, one.name]));
  return (
    <div class="gaps" role="alert" data-gaps={week.gaps.length}>
      <p><b>{h("week.gaps", { n: week.gaps.length })}</b></p>
      <ul>
        {week.gaps.map((gap) => (
          <li key={`${gap.role}${gap.zone_id ?? ""}${gap.from_ms}`} class="error">
            {h("week.gap", { from: `${day(gap.from_ms, week.tz, true)} ${hour(gap.from_ms, week.tz)}`, until: `${day(gap.until_ms, week.tz, true)} ${hour(gap.until_ms, week.tz)}`, who: roleWord(gap.role) })}
            {gap.zone_id !== null && ` · ${zones.get(gap.zone_id) ?? ""}`}
          </li>
        ))}
      </ul>
      <p class="fine">{h("week.gaps.why")}</p>
    </div>
  );
}

export function WeekGrid({ week }: { week: Week }) {
  return (
    <div class="stack">
      <Gaps week={week} />
      <div class="grid">
        {week.roles.map((role) => (
          <Card key={role} id={`week-${role}`} title={roleWord(role)}>
            <table class="week"><caption class="only-read">{roleWord(role)}</caption><tbody>{week.days_ms.slice(0, -1).map((_, n) => <Day key={n} week={week} role={role} n={n} />)}</tbody></table>
          </Card>
        ))}
      </div>
    </div>
  );
}
