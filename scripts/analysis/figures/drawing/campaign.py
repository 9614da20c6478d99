"""What a figure is drawn from: the tables, and the raw sessions where it shows readings."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from analysis.energy.raw import RawSession, read_session
from analysis.figures import FigureError


@dataclasses.dataclass(frozen=True)
class Campaign:
    """A campaign's folder; each of its tables is an attribute, read as it is needed.

    Attributes:
        folder: That of the campaign.
        tables: The only ones that may be read; None where any may.
        sessions: Whether raw sessions may be.
        where: The folder of its tables.
    """

    folder: Path
    tables: Collection[str] | None = None
    sessions: bool = True
    where: str = "tables"

    def __getattr__(self, name: str) -> pd.DataFrame:
        # Whoever copies or pickles looks for names like these.
        if name.startswith("_"):
            raise AttributeError(name)
        self.__dict__[name] = found = self.table(name)
        return found

    def table(self, name: str) -> pd.DataFrame:
        """A table by its name.

        Raises:
            FigureError: It is not among those that may be read.
        """
        if self.tables is not None and name not in self.tables:
            raise FigureError(f"tables: '{name}' is read and not declared")
        return pd.read_parquet(self.folder / self.where / f"{name}.parquet")

    def session(self, name: str) -> RawSession:
        """The raw data of one session.

        Raises:
            FigureError: No session may be read.
        """
        if not self.sessions:
            raise FigureError("sessions: raw data are read and not declared")
        return read_session(self.folder / "raw" / name)
