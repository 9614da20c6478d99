"""Tables of declared columns: one without rows has all of them too, and of the same types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd


def table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Any]) -> pd.DataFrame:
    """The rows under these columns, in their order and of these types."""
    return pd.DataFrame(list(rows), columns=list(columns)).astype(dict(columns))


def concatenate(tables: Iterable[pd.DataFrame], columns: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of all tables, also of none."""
    filled = [each for each in tables if len(each)]
    return pd.concat(filled, ignore_index=True) if filled else table([], columns)


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Writes tables as Parquet, each under its name; makes the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, each in tables.items():
        each.to_parquet(folder / f"{name}.parquet", index=False)
