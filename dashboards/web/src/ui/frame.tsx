// The frame of a page: one line at the top with the name of the page, the other pages, and the four switches; then the page.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { t } from "../i18n";
import { mayOpen, type PageEntry } from "../pages";
import { me } from "../state";
import { Said } from "./notice";
import { Switches } from "./switches";

const INLINE = 5; // more pages than this stand in the menu only
const WIDE_PX = 1200;

function Pages({ pages }: { pages: readonly PageEntry[] }) {
  return (
    <nav class="frame-pages" aria-label={t("ui.pages")}>
      {pages.map((page) => (
        <a key={page.path} href={page.path} {...(page.path === location.pathname ? { "aria-current": "page" as const } : {})}>{t(page.word)}</a>
      ))}
    </nav>
  );
}

function useWide(): boolean {
  const wide = useSignal(innerWidth >= WIDE_PX);
  useEffect(() => {
    const look = () => (wide.value = innerWidth >= WIDE_PX);
    addEventListener("resize", look);
    return () => removeEventListener("resize", look);
  }, []);
  return wide.value;
}

export function Menu({ children }: { children: ComponentChildren }) {
  const open = useSignal(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open.value) return;
    const away = (event: Event) => {
      if (event instanceof KeyboardEvent ? event.key === "Escape" : !(event.target instanceof Node && box.current?.contains(event.target))) open.value = false;
    };
    addEventListener("keydown", away);
    addEventListener("pointerdown", away);
    return () => {
      removeEventListener("keydown", away);
      removeEventListener("pointerdown", away);
    };
  }, [open.value]);
  return (
    <div ref={box}>
      <button type="button" data-menu aria-expanded={open.value} onClick={() => (open.value = !open.value)}><span aria-hidden="true">☰</span>{t("ui.menu")}</button>
      {open.value && <div class="frame-menu">{children}</div>}
    </div>
  );
}

export interface FrameProps {
  title: string;
  tools?: ComponentChildren; // stand in the line at the top, after the name of the page: keep it to one or two
  narrow?: boolean; // a page of text: one column
  children: ComponentChildren;
  foot?: ComponentChildren;
}

// Every page but the wall and the phone stands in it.
export function PageFrame({ title, tools, narrow = false, children, foot }: FrameProps) {
  const who = me.value;
  const pages = who === null ? [] : mayOpen(who);
  const wide = useWide();
  const inline = wide && pages.length <= INLINE;
  return (
    <>
      <a class="skip" href="#content">{t("ui.skip")}</a>
      <header class="frame-head">
        <h1>{title}</h1>
        {inline && pages.length > 1 && <Pages pages={pages} />}
        {tools}
        <span class="push" />
        {wide && <span class="who-am-i">{who?.name}</span>}
        {inline ? <Switches /> : <Menu>{pages.length > 1 && <Pages pages={pages} />}<div class="row"><Switches /></div><p class="fine">{who?.name}</p></Menu>}
      </header>
      <main class={narrow ? "frame-body narrow" : "frame-body"} id="content" tabIndex={-1}>
        <Said />
        {children}
      </main>
      <footer class="frame-foot fine">{foot ?? t("app.not_a_medical_alarm")}</footer>
    </>
  );
}
