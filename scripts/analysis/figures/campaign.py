"""What a figure is drawn from: the tables, and the raw sessions where it shows readings."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import pandas as pd

from analysis.energy.raw import RawSession, read_session


@dataclasses.dataclass(frozen=True)
class Campaign:
    """A campaign's folder, read as it is needed."""

    folder: Path

    @functools.cached_property
    def windows(self) -> pd.DataFrame:
        return self._table("windows")

    @functools.cached_property
    def generations(self) -> pd.DataFrame:
        return self._table("generations")

    @functools.cached_property
    def summary(self) -> pd.DataFrame:
        return self._table("summary")

    @functools.cached_property
    def savings(self) -> pd.DataFrame:
        return self._table("savings")

    @functools.cached_property
    def pairs(self) -> pd.DataFrame:
        return self._table("pairs")

    @functools.cached_property
    def position(self) -> pd.DataFrame:
        return self._table("position")

    @functools.cached_property
    def probes(self) -> pd.DataFrame:
        return self._table("probes")

    @functools.cached_property
    def estimators(self) -> pd.DataFrame:
        return self._table("estimators")

    @functools.cached_property
    def agreement(self) -> pd.DataFrame:
        return self._table("agreement")

    @functools.cached_property
    def amplification(self) -> pd.DataFrame:
        return self._table("amplification")

    @functools.cached_property
    def ends(self) -> pd.DataFrame:
        return self._table("ends")

    @functools.cached_property
    def context(self) -> pd.DataFrame:
        return self._table("context")

    @functools.cached_property
    def law(self) -> pd.DataFrame:
        return self._table("law")

    @functools.cached_property
    def law_points(self) -> pd.DataFrame:
        return self._table("law_points")

    @functools.cached_property
    def identities(self) -> pd.DataFrame:
        return self._table("identities")

    @functools.cached_property
    def published(self) -> pd.DataFrame:
        return self._table("published")

    @functools.cached_property
    def inferences(self) -> pd.DataFrame:
        return self._table("inferences")

    @functools.cached_property
    def runtimes(self) -> pd.DataFrame:
        return self._table("runtimes")

    @functools.cached_property
    def comparisons(self) -> pd.DataFrame:
        return self._table("comparisons")

    @functools.cached_property
    def engines(self) -> pd.DataFrame:
        return self._table("engines")

    @functools.cached_property
    def systems(self) -> pd.DataFrame:
        return self._table("systems")

    @functools.cached_property
    def correlation(self) -> pd.DataFrame:
        return self._table("correlation")

    @functools.cached_property
    def parity(self) -> pd.DataFrame:
        return self._table("parity")

    @functools.cached_property
    def excluded(self) -> pd.DataFrame:
        return self._table("excluded")

    def flags(self, table: str) -> pd.DataFrame:
        """What windows are flagged, of one study or the other."""
        return self._table(table)

    def session(self, name: str) -> RawSession:
        """The raw data of one session."""
        return read_session(self.folder / "raw" / name)

    def _table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "tables" / f"{name}.parquet")
