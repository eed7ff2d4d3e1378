// Where a page sends somebody whose session is over, and back again.
export function toLogin(): void {
  location.assign("/login");
}

// After the sign-in one is again where one was. Only a path of our own counts: what a link says is not trusted.
export function backHere(): string {
  const here = location.pathname + location.search;
  return here === "/" || here.startsWith("/login") ? "/login" : `/login?next=${encodeURIComponent(here)}`;
}

export function nextPath(): string {
  const next = new URLSearchParams(location.search).get("next") ?? "/";
  return /^\/[a-z][a-z_-]*(\?[^#]*)?$/.test(next) ? next : "/";
}
