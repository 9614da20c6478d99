"""Tables that figures in texts rest on: of campaigns in git, and kept ones of runs that are not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from publication.figures import FigureError, NotKeptError

# Of a campaign's sessions, read from their session.json: no file of that name is among the tables.
SESSIONS = "sessions"
# What the studies published, as transcribed.
PAPER = "paper"


class Sources:
    """Where the tables are: `results/<campaign>/` of published campaigns, `docs/data/<run>.json` of
    runs that are not in git, and `config/published/` of the studies (`paper`)."""

    def __init__(self, root: Path, kept: Mapping[str, str]) -> None:
        """
        Args:
            kept: The runs that are not in git, each with the command that makes its file.
        """
        self._root = root
        self._commands = kept
        self._read: dict[tuple[str, str], pd.DataFrame] = {}

    def table(self, campaign: str, name: str) -> pd.DataFrame:
        """
        Raises:
            FigureError: There is no such table.
        """
        key = campaign, name
        if key not in self._read:
            self._read[key] = self._kept(*key) if campaign in self._commands else self._of(*key)
        return self._read[key]

    def missing(self) -> dict[str, str]:
        """The runs that were not kept yet, each with a line that says how to."""
        return {
            run: f"docs/data/{run}.json is not there; {command} makes it"
            for run, command in self._commands.items()
            if not self._file(run).is_file()
        }

    def _file(self, campaign: str) -> Path:
        return self._root / "docs" / "data" / f"{campaign}.json"

    def _kept(self, campaign: str, name: str) -> pd.DataFrame:
        if not self._file(campaign).is_file():
            raise NotKeptError(self.missing()[campaign])
        tables = json.loads(self._file(campaign).read_text(encoding="utf-8"))
        if name not in tables:
            raise FigureError(f"docs/data/{campaign}.json holds no table '{name}'")
        return pd.DataFrame(tables[name])

    def _of(self, campaign: str, name: str) -> pd.DataFrame:
        folder = self._root / "results" / campaign
        if campaign == PAPER:
            return pd.read_csv(self._root / "config" / "published" / f"{name}.csv", comment="#")
        if name == SESSIONS:
            return self._sessions(folder)
        for place in ("tables", "meters"):
            if (file := folder / place / f"{name}.parquet").is_file():
                return pd.read_parquet(file)
        raise FigureError(f"there is no table '{name}' in results/{campaign} or docs/data")

    def _sessions(self, folder: Path) -> pd.DataFrame:
        files = sorted([*folder.glob("raw/*/session.json"), *folder.glob("meters/session.json")])
        if not files:
            raise FigureError(f"there is no session in {folder.relative_to(self._root)}")
        return pd.DataFrame(
            [_facts(json.loads(file.read_text(encoding="utf-8"))) for file in files]
        )


def _facts(session: dict[str, Any]) -> dict[str, Any]:
    """What a text says of a session."""
    sampler = session.get("sampler") or {}
    wall_s = sampler.get("wall_s") or float("nan")
    firsts = [g["first_window_s"] for g in session["segments"] if g.get("first_window_s")]
    return {
        "session": session["spec"].get("session", "meters"),
        "excluded": bool(session.get("excluded")),
        "sampler_core_share": sampler.get("cpu_s", float("nan")) / wall_s,
        "first_window_s": max(firsts, default=float("nan")),
    }
