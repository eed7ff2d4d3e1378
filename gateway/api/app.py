"""Builds the web application: every route with its policy, or no application."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI

from dashboards.pages import Pages
from gateway.api import (
    plain,
    plain_duty,
    plain_links,
    problems,
    routes_alarms,
    routes_alerts,
    routes_care,
    routes_clinic,
    routes_devices,
    routes_entry,
    routes_family,
    routes_fhir,
    routes_figures,
    routes_history,
    routes_house,
    routes_limits,
    routes_machines,
    routes_notes,
    routes_pairing,
    routes_people,
    routes_registry,
    routes_session,
    routes_wall,
    routes_ward,
    routes_whose,
    static,
)
from gateway.api.live import Live, LiveSettings
from gateway.api.middleware import BodyGuard, SameOrigin, SecurityHeaders
from gateway.api.policies import DEVICE, guard, policies
from gateway.api.session import LAN_COOKIE, TLS_COOKIE, Doors
from gateway.clock import Clock
from gateway.commands import Commands
from gateway.ops import Ops
from gateway.query import Query
from gateway.vocabulary import Role

API = "/api/v1"
STATIC = Path(__file__).resolve().parents[2] / "dashboards" / "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """How the application presents itself."""

    public_url: str = ""
    family_url: str = ""  # where the family's own listener is reached; empty = this one
    http_lan: bool = False  # plain http in a LAN: plain cookie name, a banner says so
    docs: bool = False
    only: frozenset[Role] = frozenset()  # roles that this listener is for; empty = all
    static_dir: Path = STATIC
    live: LiveSettings = field(default_factory=LiveSettings)


def create_app(
    query: Query,
    commands: Commands,
    *,
    clock: Clock,
    ops: Ops,
    settings: ApiSettings | None = None,
    machine_routers: Sequence[APIRouter] = (),
) -> FastAPI:
    """The application. `machine_routers` (the device door) live under /api/v1 and check a device's own token themselves."""
    settings = settings or ApiSettings()
    live = Live(query.feed, commands, clock, ops, settings.live)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(live.run(), name="live")
        try:
            yield
        finally:
            live.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    app = FastAPI(
        title="Anxin", version="1", lifespan=lifespan, redirect_slashes=False,
        openapi_url=f"{API}/openapi.json" if settings.docs else None, docs_url=None, redoc_url=None,
    )  # fmt: skip
    app.state.doors = Doors(query=query, commands=commands, clock=clock, ops=ops, http_lan=settings.http_lan, only=settings.only)
    app.state.live = live
    app.state.public_url = settings.public_url.rstrip("/")
    app.state.family_url = (settings.family_url or settings.public_url).rstrip("/")
    app.state.pages = Pages(http_lan=settings.http_lan)
    problems.install(app)
    for module in (
        routes_notes, routes_limits, routes_whose,  # before the steps of a resident, which look alike
        routes_session, routes_entry, routes_alerts, routes_ward, routes_registry, routes_pairing, routes_house,
        routes_devices,
        routes_family, routes_care, routes_clinic, routes_history,
        routes_alarms,
        routes_figures,
        routes_people,
        routes_machines,
        routes_wall,
    ):  # fmt: skip
        app.include_router(module.router, prefix=API)
    for router in machine_routers:
        app.include_router(router, prefix=API, dependencies=[guard(DEVICE)])
    app.include_router(plain.router)
    app.include_router(plain_links.router)
    app.include_router(plain_duty.router)
    app.include_router(routes_fhir.router)
    app.include_router(static.router(settings.static_dir))
    _with_middleware(app, settings)
    _with_policies(app, settings)
    return app


def close_streams(app: FastAPI) -> None:
    """End all streams, so that a server that is told to stop does not wait for them."""
    live: Live = app.state.live
    live.close()


def _with_middleware(app: FastAPI, settings: ApiSettings) -> None:
    machine = (f"{API}/ingest/", f"{API}/enrol/", f"{API}/checkin/")
    url = urlsplit(settings.public_url)
    origin = f"{url.scheme}://{url.netloc}" if url.scheme and url.netloc else None
    cookie = LAN_COOKIE if settings.http_lan else TLS_COOKIE
    # The last one added is the first to see a request.
    uploads = re.compile(f"{API}/care/[A-Za-z0-9_.:-]{{1,64}}/documents")
    app.add_middleware(
        BodyGuard, machine_prefixes=machine, form_prefix="/m/", tables_path=f"{API}/house/import", uploads=uploads
    )
    app.add_middleware(SameOrigin, public_origin=origin, cookie_name=cookie, machine_prefixes=machine)
    app.add_middleware(SecurityHeaders, tls=not settings.http_lan, plain_prefix="/m/")


def _with_policies(app: FastAPI, settings: ApiSettings) -> None:
    """Refuse an application with a route that nobody guards, and name each route's policy in the OpenAPI document."""
    table = policies(app, ignore=frozenset({f"{API}/openapi.json"}) if settings.docs else frozenset())
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        for (method, path), policy in table.items():
            operation = document["paths"].get(path, {}).get(method.lower())
            if operation is not None:
                operation["x-policy"] = policy.name
        return document

    app.openapi = openapi  # type: ignore[method-assign]


__all__ = ["ApiSettings", "close_streams", "create_app"]
