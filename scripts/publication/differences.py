"""What differs between the published results of a campaign and the same made anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyarrow import parquet as pq

# What the order of sums may do, where that is another (`publication.digests`): up to some 1e-13
# was seen. What is left of zero is zero.
RELATIVE, ABSOLUTE = 1e-9, 1e-12
IMAGE = re.compile(r"data:image/[^\"']*")
PAGES = ("*.html", "meters/*.md")
TABLES = ("tables/*.parquet", "meters/*.parquet")
FIGURES = ("figures/*.p[nd][gf]", "meters/*.png")


def differences(published: Path, made: Path, *, exact: bool = True) -> Iterator[str]:
    """One line a file of a campaign that is missing on one side, or whose content differs; figures
    are only there or not.

    Args:
        exact: Whether tables are compared byte for byte, or numbers to 1e-9 and all else exactly.
    """
    tables = _bytes if exact else _tables
    for patterns, compare in ((TABLES, tables), (PAGES, _pages), (FIGURES, _ignore)):
        old, new = _files(published, patterns), _files(made, patterns)
        for name in sorted(old | new):
            if name not in new:
                yield f"{name}: is published and not made"
            elif name not in old:
                yield f"{name}: is made and not published"
            elif difference := compare(published / name, made / name):
                yield f"{name}: {difference}"


def table_difference(
    old: pd.DataFrame, new: pd.DataFrame, relative: float = RELATIVE, absolute: float = ABSOLUTE
) -> str | None:
    """The first difference between two tables: numbers to 1e-9 or so, all else exactly."""
    if list(old) != list(new):
        gone, more = [c for c in old if c not in new], [c for c in new if c not in old]
        return f"columns: gone {gone}, new {more}" if gone or more else "columns: in other order"
    if len(old) != len(new):
        return f"{len(old)} rows published, {len(new)} made"
    for column in old:
        same = _same(old[column], new[column], relative, absolute)
        if not same.all():
            row = int(np.argmin(same))
            values = old[column].iloc[row], new[column].iloc[row]
            return f"column {column}, row {row}: published {values[0]!r}, made {values[1]!r}"
    return None


def page_difference(old: str, new: str) -> str | None:
    """The first line in which two pages differ, without the images in them."""
    lines = [IMAGE.sub("", page).splitlines() for page in (old, new)]
    for number, pair in enumerate(zip(*lines, strict=False), start=1):
        if pair[0] != pair[1]:
            return f"line {number}: published {pair[0].strip()!r}, made {pair[1].strip()!r}"
    lengths = [len(page) for page in lines]
    return None if lengths[0] == lengths[1] else f"{lengths[0]} lines published, {lengths[1]} made"


def _same(old: pd.Series, new: pd.Series, relative: float, absolute: float) -> np.ndarray:
    missing = old.isna().to_numpy(), new.isna().to_numpy()
    both = missing[0] & missing[1]
    if pd.api.types.is_float_dtype(old) and pd.api.types.is_float_dtype(new):
        close = np.isclose(
            new.to_numpy(float), old.to_numpy(float), rtol=relative, atol=absolute, equal_nan=True
        )
        return close & (missing[0] == missing[1])
    if old.dtype != new.dtype and not both.all():
        return both
    pairs = zip(old, new, both, strict=True)
    return np.array([skip or _equal(a, b) for a, b, skip in pairs], dtype=bool)


def _equal(first: Any, second: Any) -> bool:
    return type(first) is type(second) and bool(np.all(first == second))


def _bytes(old: Path, new: Path) -> str | None:
    if old.read_bytes() == new.read_bytes():
        return None
    if difference := table_difference(pd.read_parquet(old), pd.read_parquet(new), 0, 0):
        return difference
    writers = [pq.read_metadata(file).created_by for file in (old, new)]
    return f"other bytes of the same values: published by {writers[0]}, made by {writers[1]}"


def _tables(old: Path, new: Path) -> str | None:
    return table_difference(pd.read_parquet(old), pd.read_parquet(new))


def _pages(old: Path, new: Path) -> str | None:
    return page_difference(old.read_text("utf-8"), new.read_text("utf-8"))


def _ignore(old: Path, new: Path) -> None:
    return None


def _files(folder: Path, patterns: tuple[str, ...]) -> set[str]:
    return {str(p.relative_to(folder)) for pattern in patterns for p in folder.glob(pattern)}
