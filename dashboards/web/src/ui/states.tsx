// What stands where a page has nothing to show, and why.
import type { ComponentChildren } from "preact";
import type { Problem } from "../api";
import { t, tCode } from "../i18n";
import { Button, LinkButton } from "./basics";
import { backHere } from "./session";

const SIGNS: Record<string, ComponentChildren> = {
  empty: <path d="M8 18h32v20H8zM8 18l6-9h20l6 9M8 26h10a6 6 0 0 0 12 0h10" />,
  error: <path d="M24 6l20 36H4zM24 20v10M24 35v1.5" />,
  offline: <path d="M6 18a26 26 0 0 1 36 0M13 26a16 16 0 0 1 22 0M24 36v.5M8 42L40 8" />,
  expired: <path d="M24 6a18 18 0 1 0 .1 0zM24 14v11l8 5" />,
  forbidden: <path d="M12 22h24v20H12zM17 22v-6a7 7 0 0 1 14 0v6M24 30v5" />,
};

function PageState({ kind, text, role = "status", children }: { kind: string; text: ComponentChildren; role?: "status" | "alert"; children?: ComponentChildren }) {
  return (
    <div class="page-state" data-page-state={kind}>
      <svg viewBox="0 0 48 48" fill="none" stroke="currentColor" stroke-width="3" stroke-linejoin="round" stroke-linecap="round" aria-hidden="true">{SIGNS[kind]}</svg>
      <p class="lead" role={role}>{text}</p>
      {children}
    </div>
  );
}

export function Loading() {
  return <p class="page-state" role="status" data-page-state="loading"><span class="waiting" aria-hidden="true" />{t("ui.loading")}</p>;
}

export function Empty({ text, children }: { text: ComponentChildren; children?: ComponentChildren }) {
  return <PageState kind="empty" text={text}>{children}</PageState>;
}

export function ErrorState({ problem, onRetry }: { problem: Problem; onRetry?: () => void }) {
  const text = tCode(`error.${problem.code}`, problem.params);
  return (
    <PageState kind={problem.status === 0 ? "offline" : "error"} role="alert" text={text}>
      {onRetry !== undefined && <Button onClick={onRetry}>{t("ui.retry")}</Button>}
    </PageState>
  );
}

export function OfflineBanner({ problem, at, onRetry }: { problem: Problem; at: string | null; onRetry?: () => void }) {
  const why = problem.status === 0 ? t("ui.connection_lost") : tCode(`error.${problem.code}`, problem.params);
  return (
    <div class="offline-banner" role="alert" data-page-state="old">
      <span>{why}{at !== null && ` · ${t("ui.data_of", { at })}`}</span>
      {onRetry !== undefined && <Button onClick={onRetry}>{t("ui.retry")}</Button>}
    </div>
  );
}

// What was on the page is gone from it: whoever comes by next must not read it.
export function Expired() {
  return <PageState kind="expired" role="alert" text={t("ui.expired")}><LinkButton tone="primary" href={backHere()}>{t("session.sign_in")}</LinkButton></PageState>;
}

export function Forbidden({ text }: { text?: string }) {
  return <PageState kind="forbidden" role="alert" text={text ?? t("ui.forbidden")}><LinkButton href="/">{t("ui.home")}</LinkButton></PageState>;
}
