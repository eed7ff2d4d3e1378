// Tabs with one panel; arrow keys move along them.
import type { ComponentChildren } from "preact";
import { useId, useRef } from "preact/hooks";

export interface Tab {
  id: string;
  word: ComponentChildren;
}

export function Tabs({ label, tabs, chosen, onChoose, children }: { label: string; tabs: readonly Tab[]; chosen: string; onChoose: (id: string) => void; children: ComponentChildren }) {
  const base = useId();
  const list = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = step === undefined ? undefined : tabs[(tabs.findIndex((tab) => tab.id === chosen) + step + tabs.length) % tabs.length];
    if (next === undefined) return;
    event.preventDefault();
    onChoose(next.id);
    list.current?.querySelector<HTMLElement>(`[data-tab="${CSS.escape(next.id)}"]`)?.focus();
  };
  return (
    <div>
      <div class="tab-list" role="tablist" aria-label={label} ref={list} onKeyDown={move}>
        {tabs.map((tab) => (
          <button
            type="button" key={tab.id} role="tab" id={`${base}-${tab.id}`} data-tab={tab.id} aria-selected={tab.id === chosen} aria-controls={`${base}-panel`}
            tabIndex={tab.id === chosen ? 0 : -1} onClick={() => onChoose(tab.id)}
          >
            {tab.word}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${base}-panel`} aria-labelledby={`${base}-${chosen}`}>{children}</div>
    </div>
  );
}
