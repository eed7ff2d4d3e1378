"""The built front end, or a plain page that says that it was not built."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, HTMLResponse, Response

from gateway.api.policies import OPEN, guard
from gateway.api.problems import Problem

PAGE = re.compile("[a-z][a-z_-]{0,31}")
IMMUTABLE = "public, max-age=31536000, immutable"
TYPES = {
    ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}  # fmt: skip


def router(folder: Path) -> APIRouter:
    """Routes that serve `folder`; hashed files under /assets may be kept by browsers for ever."""
    routes = APIRouter(include_in_schema=False)
    root = folder.resolve()

    async def index(request: Request) -> Response:
        page = root / "index.html"
        if page.is_file():
            return FileResponse(page, media_type="text/html", headers={"Cache-Control": "no-cache"})
        pages = request.app.state.pages
        return HTMLResponse(pages.home(pages.language(request.headers.get("accept-language", ""))))

    async def asset(path: str) -> Response:
        return _file(root / "assets", path, IMMUTABLE)

    async def top(name: str, request: Request) -> Response:
        # A page has a plain word for its name and is drawn by the browser, which also says when there is none.
        return await index(request) if PAGE.fullmatch(name) else _file(root, name, "no-cache")

    routes.add_api_route("/", index, methods=["GET"], dependencies=[guard(OPEN)])
    routes.add_api_route("/assets/{path:path}", asset, methods=["GET"], dependencies=[guard(OPEN)])
    routes.add_api_route("/{name}", top, methods=["GET"], dependencies=[guard(OPEN)])
    return routes


def _file(root: Path, name: str, cache: str) -> Response:
    wanted = (root / name).resolve()
    if name.startswith(".") or not wanted.is_relative_to(root.resolve()) or not wanted.is_file():
        raise Problem(404, "not_found")
    kind = TYPES.get(wanted.suffix) or mimetypes.guess_type(wanted.name)[0] or "application/octet-stream"
    return FileResponse(wanted, media_type=kind, headers={"Cache-Control": cache})
