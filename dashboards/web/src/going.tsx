// On the way: where exactly, how to get in, and one line of what the person has.
import { useAsked } from "./asked";
import { care } from "./care-data";
import { ago, t } from "./i18n";
import { serverNow } from "./state";
import type { Alert } from "./types";

export function Going({ alert }: { alert: Alert }) {
  const asked = useAsked(() => care.dispatch(alert.id), alert.id);
  const card = asked.answer.value;
  if (alert.resident === null) return null;
  const room = card?.last_room ?? null;
  const rows = [
    ["dispatch.last_room", room === null ? "" : `${room.place} · ${ago(serverNow.value - room.t_ms)}`],
    ["dispatch.address", card?.address ?? ""],
    ["dispatch.door_code", card?.door_code ?? ""],
    ["dispatch.medical", card?.medical ?? ""],
  ] as const;
  return (
    <dl class="tell brief" data-going>
      {rows.map(([word, text]) => text !== "" && <div key={word} data-fact={word}><dt>{t(word)}</dt><dd>{text}</dd></div>)}
    </dl>
  );
}
