"""Learned coefficients as JSON beside this file, one file per model; written by `make evaluate`, read once at import."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Logistic:
    """P = 1 / (1 + exp(-(bias + z . weight))) with z = clip((x - mean) / spread, -clip, clip); all float64[k] in the order of `names`."""

    names: tuple[str, ...]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    weight: NDArray[np.float64]
    bias: float
    clip: float
    threshold: float  # on P
    data: str  # name of the recordings it was fitted on
    keys_sha256: str  # of the sorted names of the subjects it was fitted on

    def logit(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-odds float64[n] of features float64[n, k]; NaN where a feature is NaN."""
        z = np.clip((x - self.mean) / self.spread, -self.clip, self.clip)
        return np.asarray(self.bias + z @ self.weight)

    def shares(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each feature adds to the log-odds float64[n, k]."""
        return np.asarray(np.clip((x - self.mean) / self.spread, -self.clip, self.clip) * self.weight)

    def as_json(self) -> dict[str, Any]:
        """Plain data for the file; eight significant digits, so that a new fit of the same data gives the same file on any machine."""
        found: dict[str, Any] = {"format": FORMAT, "kind": "logistic", "data": self.data, "keys_sha256": self.keys_sha256}
        found |= {"names": list(self.names), "bias": _short(self.bias), "clip": self.clip, "threshold": _short(self.threshold)}
        return found | {name: [_short(x) for x in getattr(self, name)] for name in ("mean", "spread", "weight")}


def logistic(name: str) -> Logistic:
    """The model of `<name>.json`; ValueError where the file is not one of this format."""
    data = json.loads(resources.files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    if data.get("format") != FORMAT or data.get("kind") != "logistic":
        raise ValueError(f"{name}.json is no logistic model of format {FORMAT}")
    return from_json(data)


def from_json(data: Mapping[str, Any]) -> Logistic:
    """From `as_json`; ValueError if the lengths differ."""
    size = len(data["names"])
    arrays = {name: np.array(data[name], dtype=np.float64) for name in ("mean", "spread", "weight")}
    if any(array.shape != (size,) for array in arrays.values()):
        raise ValueError("a model needs as many numbers as names")
    return Logistic(
        names=tuple(data["names"]), bias=float(data["bias"]), clip=float(data["clip"]), threshold=float(data["threshold"]),
        data=str(data["data"]), keys_sha256=str(data["keys_sha256"]), **arrays,
    )  # fmt: skip


def fit(
    x: NDArray[np.float64], y: NDArray[np.float64], *, names: Sequence[str], l2: float, clip: float, data: str, keys_sha256: str,
    weight: NDArray[np.float64] | None = None, rounds: int = 50,
) -> Logistic:  # fmt: skip
    """Ridge logistic regression by Newton steps (IRLS) on features float64[n, k], labels float64[n] of 0 and 1, weights float64[n]."""
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    design = np.column_stack([np.ones(len(x)), np.clip((x - mean) / spread, -clip, clip)])
    ridge = np.full(design.shape[1], l2)
    ridge[0] = 1e-9
    share = np.ones(len(x)) if weight is None else weight
    found = np.zeros(design.shape[1])
    for _ in range(rounds):
        p = 1.0 / (1.0 + np.exp(-(design @ found)))
        gradient = design.T @ (share * (p - y)) + ridge * found
        hessian = (design * (share * p * (1.0 - p))[:, None]).T @ design + np.diag(ridge)
        move = np.linalg.solve(hessian, gradient)
        found = found - move
        if np.abs(move).max() < 1e-9:
            break
    return Logistic(
        names=tuple(names), mean=mean, spread=spread, weight=found[1:], bias=float(found[0]), clip=clip, threshold=0.5, data=data,
        keys_sha256=keys_sha256,
    )  # fmt: skip


def _short(number: float) -> float:
    return float(f"{number:.8g}")
