"""What figures and pages say of a comparison, and of what has no figures. Pure functions."""

from __future__ import annotations

import pandas as pd

PROVIDERS = {"cpu": "CPU", "cuda": "CUDA", "tensorrt": "TensorRT"}
THINGS = {"energy per inference": "energy", "time per inference": "time"}


def provider(name: str) -> str:
    """A provider as its makers write it."""
    return PROVIDERS.get(name, name)


def verdict(row: pd.Series) -> str:
    """One comparison in words: of the medians, and only where its interval and its adjusted p say
    that there is a difference."""
    thing = THINGS[row.metric]
    if row.reason:
        return f"{thing} not compared"
    if pd.isna(row.ratio_low):
        return f"{row.ratio:.3g} times the {thing}, from too few windows to tell"
    surely = row.p_holm < 1 - row.confidence and not row.ratio_low <= 1 <= row.ratio_high
    if not surely:
        return f"no clear difference in {thing}"
    if row.ratio >= 2:
        return f"{row.ratio:.3g} times the {thing}"
    percent = abs(row.difference_percent)
    figures = f"{percent:.0f}" if percent >= 10 else f"{percent:.2g}"
    return f"{figures} % {'more' if row.ratio > 1 else 'less'} {thing}"


def exclusions(excluded: pd.DataFrame) -> list[str]:
    """What has no figures and why, one line a reason: rounds together, and the models and the
    providers of which the same runtimes are out."""
    out: dict[tuple, dict[str, None]] = {}
    for row in excluded.itertuples():
        out.setdefault((row.stage, row.why, row.model, row.provider), {})[row.runtime] = None
    models: dict[tuple, list[str]] = {}
    for (stage, why, model, where), runtimes in out.items():
        models.setdefault((stage, why, where, tuple(runtimes)), []).append(model)
    places: dict[tuple, list[str]] = {}
    for (stage, why, where, runtimes), names in models.items():
        places.setdefault((stage, why, runtimes, tuple(names)), []).append(provider(where))
    return [
        f"{', '.join(names)}: {', '.join(runtimes)} on {', '.join(where)} ({stage}): {why}"
        for (stage, why, runtimes, names), where in places.items()
    ]
