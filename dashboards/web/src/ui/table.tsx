// A table that is a list of cards on a phone. The roles are written out, since an element that is no table box loses its own.
import type { ComponentChildren } from "preact";
import { useSignal } from "@preact/signals";
import { t } from "../i18n";

export interface Column<Row> {
  id: string;
  head: string;
  cell: (row: Row) => ComponentChildren;
  sort?: (row: Row) => string | number; // with it the head is a button
  number?: boolean;
  acts?: boolean; // buttons: no head on the card, side by side
}

interface TableProps<Row> {
  caption: string;
  columns: readonly Column<Row>[]; // the first one names the row
  rows: readonly Row[];
  id: (row: Row) => string;
  showCaption?: boolean;
  keep?: boolean; // stays a table on a phone too: few short columns
}

function inOrder<Row>(rows: readonly Row[], by: Column<Row> | undefined, down: boolean): readonly Row[] {
  const key = by?.sort;
  if (key === undefined) return rows;
  const sign = down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "zh-CN"));
  });
}

export function Table<Row>({ caption, columns, rows, id, showCaption = false, keep = false }: TableProps<Row>) {
  const by = useSignal<string | null>(null);
  const down = useSignal(false);
  const turn = (column: Column<Row>) => {
    down.value = by.value === column.id ? !down.value : false;
    by.value = column.id;
  };
  const sorted = inOrder(rows, columns.find((c) => c.id === by.value), down.value);
  return (
    <div class="table-box">
      <table class={keep ? "table keep" : "table"} role="table">
        <caption class={showCaption ? "" : "only-read"}>{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((c) => (
              <th
                key={c.id} role="columnheader" scope="col" class={`${c.number === true ? "num" : ""} ${c.sort === undefined ? "" : "sorts"}`.trim()}
                {...(by.value === c.id ? { "aria-sort": down.value ? ("descending" as const) : ("ascending" as const) } : {})}
              >
                {c.sort === undefined ? (c.acts === true ? <span class="only-read">{c.head}</span> : c.head) : (
                  <button type="button" onClick={() => turn(c)}>{c.head}<span aria-hidden="true">{by.value !== c.id ? "↕" : down.value ? "↓" : "↑"}</span><span class="only-read">{t("ui.sort")}</span></button>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {sorted.map((row) => (
            <tr key={id(row)} role="row" data-row={id(row)}>
              {columns.map((c, i) => (i === 0 ? <th key={c.id} role="rowheader" scope="row">{c.cell(row)}</th> : (
                <td key={c.id} role="cell" data-head={c.head} class={c.acts === true ? "acts" : c.number === true ? "num" : ""}>{c.cell(row)}</td>
              )))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
