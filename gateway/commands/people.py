"""Changes by those who run the house: import of tables, staff who leave, accounts that change, open again or get a new password."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gateway.access import ALL_SITES, Action, FieldClass, site_scope
from gateway.commands.refusal import Kind, Refusal
from gateway.commands.registry import must, must_resident, must_site
from gateway.query.asker import Asker, Forbidden, Missing, may, sites_of
from gateway.query.shape import plain
from gateway.registry import csv_import, org, residents
from gateway.registry.csv_rows import FILES
from gateway.registry.tx import Tx

if TYPE_CHECKING:
    from gateway.commands.door import CommandParts


class PeopleCommands:
    """The write side of the house's own lists; `refusing` turns errors of the registry into refusals."""

    def __init__(self, parts: CommandParts, run: Callable[..., Any], refusing: Callable[[], Any]) -> None:
        self._parts, self._run_tx, self._refusing = parts, run, refusing

    # --- tables ----------------------------------------------------------------------------------------------------

    async def import_tables(self, asker: Asker, files: Mapping[str, bytes], *, write: bool, lang: str) -> dict[str, Any]:
        """Rehearse an import of CSV files, or do it: all rows or none. What it says of each row is in `lang`."""
        view = self._parts.registry.view
        whole = ALL_SITES in asker.subject.site_ids
        every = set(sites_of(view, asker)) == set(view.sites) and "sites" not in {csv_import.file_key(name) for name in files}
        if not whole and not every:
            raise Forbidden  # a table may name any site
        if not all(may(asker, Action.WRITE, site_scope(one), FieldClass.DEVICE) for one in sites_of(view, asker)):
            raise Forbidden
        with self._refusing():
            if write:
                report = await csv_import.apply(self._parts.registry, asker.actor, files)
            else:
                report = await asyncio.to_thread(csv_import.dry_run, self._parts.registry, asker.actor, files)
        return {
            "written": report.written,
            "ok": report.ok,
            "counts": {name: plain(count) for name, count in report.counts.items()},
            "errors": [{"file": row.file, "line": row.line, "column": row.column, "message": row.message(lang)} for row in report.errors],
            "rows": [plain(row) for row in report.rows],
            "omitted": report.omitted,
        }

    @staticmethod
    def template(key: str, lang: str) -> str:
        """An empty table to fill in: its header line; raises Missing."""
        if key not in FILES:
            raise Missing
        return ",".join(csv_import.template(key, lang)) + "\r\n"

    # --- staff -----------------------------------------------------------------------------------------------------

    async def retire_staff(self, asker: Asker, staff_id: str) -> dict[str, Any]:
        """Take somebody off duty for good; the name stays in the records."""

        def work(tx: Tx) -> Any:
            must_site(asker, tx.view, None, FieldClass.STAFF)
            if staff_id not in tx.view.staff:
                raise Missing
            return org.retire_staff(tx, staff_id)

        result: dict[str, Any] = plain(await self._run_tx(asker.actor, work))
        return result

    # --- residents -------------------------------------------------------------------------------------------------

    async def correct(self, asker: Asker, resident_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Correct what was entered wrongly of a resident."""

        def work(tx: Tx) -> Any:
            must_resident(asker, tx.view, resident_id, FieldClass.IDENTITY)
            return residents.correct(tx, resident_id, **fields)

        result: dict[str, Any] = plain(await self._run_tx(asker.actor, work))
        return result

    # --- accounts --------------------------------------------------------------------------------------------------

    async def change_user(self, asker: Asker, user_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Change an account's name, role, reach or state; what changes its reach ends its sessions."""
        self._must_users(asker, user_id)
        if user_id == asker.id and {"role", "status"} & fields.keys():
            raise Refusal(Kind.CONFLICT, "user.own_account")
        with self._refusing():
            user: dict[str, Any] = plain(await self._parts.accounts.change(asker.actor, user_id, **fields))
        return user

    async def reset_password(self, asker: Asker, user_id: str) -> str:
        """A new one-time password, shown once; ends the person's sessions."""
        self._must_users(asker, user_id)
        with self._refusing():
            return await self._parts.accounts.reset_password(asker.actor, user_id)

    def _must_users(self, asker: Asker, user_id: str) -> None:
        must(asker, None, FieldClass.USERS, seen_by=FieldClass.SYSTEM)
        if user_id not in self._parts.registry.view.users:
            raise Missing
