"""Renders the pages from what the read door hands out (JSON-like dicts); knows no session, no database and no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dashboards.pages.words import Phrasebook, choose, number

_HERE = Path(__file__).resolve().parent
STALE_AFTER_S = 20  # twice the refresh: a page older than this says so by itself, without a script
REFRESH_S = 10
_MARKS = {"high": "■■■", "medium": "■■", "low": "■", "info": "□"}


class Pages:
    """All script-free pages; every method returns a whole HTML document."""

    def __init__(self, *, http_lan: bool = False) -> None:
        self._http_lan = http_lan
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._environment.filters["number"] = number
        self.stylesheet = (_HERE / "style.css").read_text(encoding="utf-8")
        self.icon = (_HERE / "icon.svg").read_text(encoding="utf-8")

    @staticmethod
    def language(accept_language: str, preferred: str | None = None) -> str:
        """zh or en by the user's setting, else by the browser."""
        return choose(accept_language, preferred)

    def login(self, lang: str, *, failed: str = "", target: str = "/m/alerts") -> str:
        """Sign-in form; `failed` is a problem code."""
        return self._page("login.html", Phrasebook(lang), me=None, failed=failed, target=target)

    def password(
        self, lang: str, *, me: Mapping[str, Any], form_token: str, failed: str = "", params: Mapping[str, Any] | None = None
    ) -> str:
        """Form for a new password; `failed` is a key of the words."""
        say = Phrasebook(lang)
        return self._page("password.html", say, me=me, form_token=form_token, failed=say(failed, **(params or {})) if failed else "")

    def home(self, lang: str) -> str:
        """What `/` says where the front end was not built."""
        return self._page("home.html", Phrasebook(lang), me=None)

    def alerts(
        self, lang: str, *, me: Mapping[str, Any], tz: str, now_ms: int, alerts: Sequence[Mapping[str, Any]], form_token: str,
        said: str = "", paused: bool = False,
    ) -> str:  # fmt: skip
        """The queue of open alerts with a claim button each."""
        say = Phrasebook(lang, tz)
        rows = [_row(say, alert, now_ms) for alert in alerts]
        return self._page(
            "alerts.html", say, me=me, rows=rows, now_ms=now_ms, form_token=form_token, said=said, paused=paused, refresh_s=REFRESH_S
        )

    def alert(
        self, lang: str, *, me: Mapping[str, Any], tz: str, now_ms: int, detail: Mapping[str, Any], form_token: str, said: str = ""
    ) -> str:
        """One alert: what, who, since when, last values, history, and the forms that fit its state."""
        say = Phrasebook(lang, tz)
        row = _row(say, detail["alert"], now_ms)
        history = [_history_row(say, entry) for entry in detail["history"]]
        vitals = [_vital_row(say, name, vital, now_ms) for name, vital in detail["vitals"].items()]
        mine = detail["alert"]["claimed_by"] == me["id"]
        return self._page(
            "alert.html", say, me=me, row=row, history=history, vitals=vitals, mine=mine, now_ms=now_ms, form_token=form_token, said=said
        )

    def link(self, lang: str, *, token: str, shown: Mapping[str, Any], said: str = "", failed: str = "", chosen: str = "") -> str:
        """What a link in a message opens: one alert as the message told of it, and the button to claim it."""
        say = Phrasebook(lang)
        alert, now_ms = shown["alert"], shown["t_ms"]
        row = {
            "where": " ".join(part for part in (alert["place"], alert["initials"]) if part) or say("alert.no_resident"),
            "reason": say(f"page.reason.{alert['reason']}"),
            "state": alert["state"],
            "priority": alert["priority"],
            "mark": _MARKS.get(alert["priority"], "□"),
            "priority_word": say(f"priority.{alert['priority']}"),
            "since": say("alert.since", age=say.duration((now_ms - alert["raised_ms"]) / 1000)),
            "standing": say(f"standing.{alert['state']}", name=alert["claimed_name"]),
            "late": say("alert.late", late=say.duration(alert["late_s"])) if alert["late_s"] >= 60 else "",
            "test": say(f"origin.{alert['test']}") if alert["test"] else "",
            "claimable": alert["state"] in ("raised", "cleared"),
        }
        return self._page(
            "link.html", say, me=None, row=row, token=token, now_ms=now_ms, shared=shown["shared"], who=shown["who"],
            people=shown["people"], said=said, failed=failed, chosen=chosen,
        )  # fmt: skip

    def link_over(self, lang: str) -> str:
        """A link that is unknown, or whose time is over."""
        return self._page("link_over.html", Phrasebook(lang), me=None)

    def dispatch(self, lang: str, *, me: Mapping[str, Any], tz: str, card: Mapping[str, Any], form_token: str) -> str:
        """What is said to 120; what this person may not see has no row."""
        say = Phrasebook(lang, tz)
        room = card.get("last_room")
        names = ("place", "address", "door_code", "medical")
        rows = [(say(f"dispatch.{name}"), card[name]) for name in names if card.get(name)]
        if room is not None:
            rows.insert(1, (say("dispatch.last_room"), f"{room['place']} {say.clock(room['t_ms'])}"))
        row = _row(say, card["alert"], card["t_ms"])
        contacts = [{**one, "kind": say(f"contact.{one['kind']}")} for one in card.get("contacts", ())]
        return self._page("dispatch.html", say, me=me, row=row, rows=rows, contacts=contacts, form_token=form_token)

    def handover(
        self, lang: str, *, me: Mapping[str, Any], tz: str, site: str, found: Mapping[str, Any], form_token: str, said: str = ""
    ) -> str:
        """What would be handed over now, the form to do it, and the last hand-overs with a button for who takes over."""
        say = Phrasebook(lang, tz)
        shown = ("open", "claims", "unseen", "silenced", "devices", "scores")
        counts = [(say(f"handover.{name}"), len(found["now"][name])) for name in shown]
        rows = [
            {
                "id": one["id"],
                "at": say.date_clock(one["given_ms"]),
                "giver": one["giver_name"],
                "receiver": one["receiver_name"] or say("handover.desk"),
                "note": one["note"],
                "taken": "" if one["accepted_ms"] is None else f"{one['accepted_name']} {say.clock(one['accepted_ms'])}",
                "mine": one["accepted_ms"] is None and one["receiver"] in (None, me["id"]),
            }
            for one in found["handovers"]
        ]
        return self._page("handover.html", say, me=me, site=site, counts=counts, rows=rows, form_token=form_token, said=said)

    def missing(self, lang: str) -> str:
        """Not there, or not for this person: the same words for both."""
        return self._page("missing.html", Phrasebook(lang), me=None)

    def _page(self, template: str, say: Phrasebook, **values: Any) -> str:
        return self._environment.get_template(template).render(say=say, http_lan=self._http_lan, stale_after_s=STALE_AFTER_S, **values)


def _row(say: Phrasebook, alert: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    resident = alert["resident"]
    next_ms = alert["next_step_ms"]
    silenced = alert["silenced_until_ms"]
    return {
        "id": alert["id"],
        "version": alert["version"],
        "state": alert["state"],
        "priority": alert["priority"],
        "mark": _MARKS.get(alert["priority"], "□"),
        "priority_word": say(f"priority.{alert['priority']}"),
        "kind": alert["kind"],
        "kind_word": say(f"kind.{alert['kind']}"),
        "who": " ".join(part for part in (alert["place"], resident["name"] if resident else "") if part) or say("alert.no_resident"),
        "text": say(alert["code"], **alert["params"]),
        "since": say("alert.since", age=say.duration((now_ms - alert["raised_ms"]) / 1000)),
        "raised_at": say.date_clock(alert["raised_ms"]),
        "count": alert["count"],
        "late": say("alert.late", late=say.duration(alert["late_s"])) if alert["late_s"] >= 60 else "",
        "standing": _standing(say, alert),
        "next": say("alert.next_step", span=say.duration((next_ms - now_ms) / 1000)) if next_ms is not None else "",
        "condition_over": alert["condition_over"] and say("alert.not_applicable" if _inapplicable(alert) else "alert.condition_over"),
        "silenced": say("alert.silenced_until", at=say.clock(silenced, with_seconds=True)) if silenced and silenced > now_ms else "",
        "test": alert["origin"] != "live",
        "origin_word": say(f"origin.{alert['origin']}"),
    }


def _standing(say: Phrasebook, alert: Mapping[str, Any]) -> str:
    state = alert["state"]
    name = alert["claimed_name"] or ""
    if state == "resolved" and alert["outcome"]:
        return say("standing.resolved_as", outcome=alert["outcome"])
    if state == "cleared" and _inapplicable(alert):
        return say("standing.not_applicable")
    return say(f"standing.{state}", name=name)


def _inapplicable(alert: Mapping[str, Any]) -> bool:
    """Whether its rule ended, not its condition."""
    return bool(alert["params"].get("not_applicable"))


def _history_row(say: Phrasebook, entry: Mapping[str, Any]) -> dict[str, str]:
    key = f"transition.{str(entry['kind']).removeprefix('alert.')}"
    who = say("actor.system") if entry["actor"] == "system" else entry["actor_name"]
    return {"at": say.clock(entry["t_ms"], with_seconds=True), "what": say(key), "who": who}


def _vital_row(say: Phrasebook, quantity: str, vital: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    value, t_ms = vital["value"], vital["t_ms"]
    return {
        "name": say(f"quantity.{quantity}"),
        "state": vital["state"],
        "state_word": say(f"vital.{vital['state']}"),
        "value": number(value) if value is not None else say("value.none"),
        "unit": say(f"unit.{vital['unit']}"),
        "age": say.ago((now_ms - t_ms) / 1000) if t_ms is not None else say("vital.never"),
    }
