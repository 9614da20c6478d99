"""Digests of the published tables: one a campaign, of all its tables together.

Sums are taken in another order where a processor has wider registers, and then the last digits of
some are others. So bytes can be compared where numpy finds the same in the processor as where the
tables were made; elsewhere numbers are, to what the order can do.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
from pathlib import Path

import numpy as np

TABLES = ("meters/*.parquet", "tables/*.parquet")


class DigestError(ValueError):
    """There is no digest of a campaign, or the file of them is damaged; the message is one line."""


@dataclasses.dataclass(frozen=True)
class Digest:
    """Of a campaign's tables.

    Attributes:
        campaign: Its name.
        tables: How many there are.
        sha256: Of what `sha256sum meters/*.parquet tables/*.parquet` prints in its folder, without
            a folder that is not there.
        processor: What numpy found in the processor that made them; see `processor`.
    """

    campaign: str
    tables: int
    sha256: str
    processor: str

    def __str__(self) -> str:
        return f"{self.campaign}: {self.tables} tables, sha256 {self.sha256}"


FIELDS = tuple(field.name for field in dataclasses.fields(Digest))


def digest(folder: Path) -> Digest:
    """Of the tables of a campaign as they are in its folder, taken for made here."""
    names = sorted(str(f.relative_to(folder)) for pattern in TABLES for f in folder.glob(pattern))
    lines = (f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names)
    together = hashlib.sha256("".join(lines).encode())
    return Digest(folder.name, len(names), together.hexdigest(), processor())


def processor() -> str:
    """The instruction sets beyond its baseline that numpy uses here."""
    return " ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", ())) or "baseline"


def read_digests(file: Path) -> dict[str, Digest]:
    """By campaign, those that were written down.

    Raises:
        DigestError: The file is not what `record` writes.
    """
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        if tuple(rows.fieldnames or ()) != FIELDS:
            raise DigestError(f"{file}: its columns are not {', '.join(FIELDS)}")
        try:
            found = [Digest(**{**row, "tables": int(row["tables"])}) for row in rows]
        except (TypeError, ValueError):
            raise DigestError(f"{file}: line {rows.line_num} is no digest") from None
    return {one.campaign: one for one in found}


def record(file: Path, folder: Path) -> None:
    """Writes down the digest of a campaign that was made here, beside those of the others."""
    known = read_digests(file) | {folder.name: digest(folder)}
    with file.open("w", encoding="utf-8", newline="") as lines:
        rows = csv.DictWriter(lines, FIELDS, lineterminator="\n")
        rows.writeheader()
        rows.writerows(dataclasses.asdict(known[name]) for name in sorted(known))


def are_bytes_comparable(file: Path, campaign: str) -> bool:
    """Whether what is made here can be compared with a published campaign byte for byte.

    Raises:
        DigestError: Nobody wrote down where its tables were made.
    """
    known = read_digests(file)
    if campaign not in known:
        raise DigestError(f"{file} has no digest of {campaign}; `make republish` writes it")
    return known[campaign].processor == processor()
