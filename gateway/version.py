"""Which version of the product this is, as its package says; printed reports name it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def _found() -> str:
    try:
        return version("anxin")
    except PackageNotFoundError:
        return "?"


VERSION = _found()
