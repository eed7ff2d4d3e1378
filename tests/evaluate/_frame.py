"""What the groups share: rows, intervals by subject bootstrap, saved coefficients, hash of the recordings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from scipy.special import gammaincinv

from tests.support import ROOT

FITTED = ROOT / "analytics" / "fitted"
DRAWS = 2_000
SEED = 20_261_125
LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the report; `low` and `high` bound a 95 % interval, `met` None = nothing was promised."""

    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    reach: str = ""
    met: bool | None = None
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain data; what is not finite is null."""
        return {name: None if isinstance(one, float) and not np.isfinite(one) else one for name, one in asdict(self).items()}


def row(
    metric: str,
    value: float,
    interval: tuple[float, float] | None = None,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    note: str = "",
) -> Row:
    """A line whose goal is a bound on its value (not on its interval), if it has one."""
    reach = f">= {at_least:g}" if at_least is not None else f"<= {at_most:g}" if at_most is not None else ""
    met = None if not reach else bool(value >= at_least if at_least is not None else value <= (at_most or 0.0))
    low, high = interval if interval is not None else (None, None)
    return Row(metric=metric, value=float(value), low=low, high=high, reach=reach, met=met, note=note)


def bootstrap(
    parts: NDArray[np.float64], statistic: Callable[[NDArray[np.float64]], float], *, draws: int = DRAWS, seed: int = SEED
) -> tuple[float, float]:
    """95 % interval of a statistic of the sums over subjects: parts float64[subjects, k], statistic of float64[k].

    Subjects are drawn with replacement (percentile interval). Counts per subject are enough for shares, rates and their differences.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(parts), np.full(len(parts), 1.0 / len(parts)), size=draws)
    found = np.array([statistic(total) for total in drawn @ parts])
    return _bounds(found)


def resampled(
    subjects: int, statistic: Callable[[NDArray[np.int64]], float], *, draws: int = 500, seed: int = SEED
) -> tuple[float, float]:
    """The same for statistics that need the cases themselves (AUROC): `statistic` gets indices int64[subjects] with repetitions."""
    rng = np.random.default_rng(seed)
    return _bounds(np.array([statistic(rng.integers(0, subjects, subjects)) for _ in range(draws)]))


def poisson(count: float, exposure: float) -> tuple[float, float]:
    """Exact 95 % interval of a rate; of 0 events it says what 0 proves: less than 3.7 in the time watched (two-sided)."""
    tail = (1.0 - LEVEL) / 2.0
    low = gammaincinv(count, tail) if count > 0 else 0.0
    return float(low / exposure), float(gammaincinv(count + 1.0, 1.0 - tail) / exposure)


def _bounds(found: NDArray[np.float64]) -> tuple[float, float]:
    found = found[np.isfinite(found)]
    if not len(found):
        return float("nan"), float("nan")
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(found, [tail, 1.0 - tail])
    return float(low), float(high)


def key_hash(names: Iterable[str]) -> str:
    """SHA-256 over the sorted names of the recordings or subjects that something was fitted on."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()


def save(name: str, model: Mapping[str, Any]) -> None:
    """Write coefficients where the product reads them; `data` and `keys_sha256` say what they were fitted on."""
    for needed in ("format", "kind", "data", "keys_sha256"):
        if not model.get(needed):
            raise ValueError(f"coefficients without {needed}")
    (FITTED / f"{name}.json").write_text(json.dumps(model, indent=1) + "\n", encoding="utf-8")


def printed(title: str, rows: Sequence[Row]) -> Table:
    """The rows for a terminal."""
    table = Table(title=title, title_justify="left", pad_edge=False)
    for name in ("metric", "value", "95 %", "reach", "met", "note"):
        table.add_column(name, justify="right" if name in {"value", "95 %"} else "left", overflow="fold")
    for one in rows:
        interval = "" if one.low is None or one.high is None else f"{_number(one.low)} .. {_number(one.high)}"
        met = "" if one.met is None else "yes" if one.met else "NO"
        table.add_row(one.metric, _number(one.value), interval, one.reach, met, one.note)
    return table


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
