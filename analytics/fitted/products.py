"""Logistic regression on standardised features, their squares and their products."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.fitted import Logistic, from_json

KIND = "logistic with products"


@dataclass(frozen=True, slots=True, kw_only=True)
class Products:
    """P = 1 / (1 + exp(-logit)): z = clip((x - mean) / spread, +-clip) float64[n, k], then `linear` on z_i and z_i z_j, i <= j."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    clip: float
    linear: Logistic

    @property
    def threshold(self) -> float:
        """On the log-odds."""
        return self.linear.threshold

    def logit(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-odds float64[n] of features float64[n, k]."""
        return self.linear.logit(expanded(np.clip((x - self.mean) / self.spread, -self.clip, self.clip)))

    def with_threshold(self, threshold: float) -> Products:
        """The same with another threshold on the log-odds."""
        return replace(self, linear=replace(self.linear, threshold=threshold))

    def as_json(self) -> dict[str, Any]:
        """Plain data for the file, eight significant digits."""
        base = {"base_mean": _short(self.mean), "base_spread": _short(self.spread), "base_clip": self.clip}
        return self.linear.as_json() | {"kind": KIND} | base


def expanded(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[n, k] -> float64[n, k + k (k + 1) / 2]: z itself, then z_i z_j for i <= j."""
    a, b = np.triu_indices(z.shape[1])
    return np.concatenate([z, z[:, a] * z[:, b]], axis=1)


def names(base: Sequence[str]) -> tuple[str, ...]:
    """Names in the order of `expanded`."""
    a, b = np.triu_indices(len(base))
    return (*base, *(f"{base[i]} {base[j]}" for i, j in zip(a.tolist(), b.tolist(), strict=True)))


def fit_products(
    x: NDArray[np.float64], y: NDArray[np.float64], *, base: Sequence[str], l2: float, clip: float, data: str, keys_sha256: str,
    near: Products | None = None,
) -> Products:  # fmt: skip
    """Fit on features float64[n, k] and labels float64[n] of 0 and 1; both classes weigh the same in sum. `near` is where to begin."""
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    z = expanded(np.clip((x - mean) / spread, -clip, clip))
    z_mean, z_spread = z.mean(axis=0), z.std(axis=0)
    z_spread = np.where(z_spread > 0, z_spread, 1.0)
    design = np.column_stack([np.ones(len(z)), (z - z_mean) / z_spread])
    share = np.where(y > 0, 0.5 / y.sum(), 0.5 / (1.0 - y).sum()) * len(y)
    start = np.zeros(design.shape[1]) if near is None else np.concatenate([[near.linear.bias], near.linear.weight])
    found = _newton(design, y, share, l2, start)
    linear = Logistic(
        names=names(base), mean=z_mean, spread=z_spread, weight=found[1:], bias=float(found[0]), clip=1e6, threshold=0.0, data=data,
        keys_sha256=keys_sha256,
    )  # fmt: skip
    return Products(mean=mean, spread=spread, clip=clip, linear=linear)


def _newton(
    design: NDArray[np.float64], y: NDArray[np.float64], share: NDArray[np.float64], l2: float, start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Minimum of the weighted ridge logistic loss; the curvature in float32 costs half and moves only the path, not its end."""
    ridge = np.full(design.shape[1], l2)
    ridge[0] = 1e-9
    light = design.astype(np.float32)
    found = start
    for _ in range(60):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ found, -60.0, 60.0)))
        gradient = design.T @ (share * (p - y)) + ridge * found
        root = np.sqrt(share * p * (1.0 - p) + 1e-12).astype(np.float32)
        scaled = light * root[:, None]
        move = np.linalg.solve((scaled.T @ scaled).astype(np.float64) + np.diag(ridge), gradient)
        found = found - move / max(1.0, float(np.abs(move).max()))
        if np.abs(move).max() < 1e-6:
            break
    return found


@cache
def load(name: str) -> Products:
    """The model of `<name>.json`; ValueError where the file is no such model."""
    data = json.loads(resources.files("analytics.fitted").joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return revived(data)


def revived(data: Mapping[str, Any]) -> Products:
    """From `as_json`; ValueError if it is something else."""
    if data.get("format") != 1 or data.get("kind") != KIND:
        raise ValueError(f"no {KIND} of format 1")
    mean, spread = np.array(data["base_mean"], dtype=np.float64), np.array(data["base_spread"], dtype=np.float64)
    linear = from_json(data)
    if mean.shape != spread.shape or len(linear.names) != len(mean) * (len(mean) + 3) // 2:
        raise ValueError("the numbers of base features and products do not fit")
    return Products(mean=mean, spread=spread, clip=float(data["base_clip"]), linear=linear)


def _short(numbers: NDArray[np.float64]) -> list[float]:
    return [float(f"{one:.8g}") for one in numbers]
