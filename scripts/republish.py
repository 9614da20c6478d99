#!/usr/bin/env python3
"""Makes tables, figures and pages of the published campaigns anew from their raw data, in a scratch
copy, and publishes them; --check changes nothing, prints the digests of the tables and fails where
what is published differs."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from publication.campaigns import (
    PublicationError,
    files_of,
    make,
    published_campaigns,
    scratch_copy,
)
from publication.differences import differences
from publication.digests import DigestError, are_bytes_comparable, digest, processor, record

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "docs" / "figures.yaml"
SNAKEMAKE = ROOT / ".venv" / "bin" / "snakemake"
DIGESTS = ROOT / "results" / "digests.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaigns", nargs="*", help="of those in git; all where none is named")
    parser.add_argument("--check", action="store_true", help="compare, and change nothing")
    args = parser.parse_args()
    known = published_campaigns(ROOT)
    if unknown := set(args.campaigns) - set(known):
        sys.exit(f"error: no published campaign {unknown.pop()}; there are {', '.join(known)}")
    differ = False
    for campaign in args.campaigns or known:
        if not args.check:
            print(campaign, flush=True)
        here = ROOT / "results" / campaign
        try:
            with remake(campaign) as there:
                if not args.check:
                    publish(there, here)
                    record(DIGESTS, here)
                    continue
                for line in compare(here, there):
                    differ = True
                    print(f"  {line}", flush=True)
        except (PublicationError, DigestError) as error:
            sys.exit(f"error: {error}")
    if not args.check:
        for picture, figure in yaml.safe_load(FIGURES.read_text(encoding="utf-8"))[
            "pictures"
        ].items():
            shutil.copyfile(ROOT / figure, ROOT / picture)
    if differ:
        sys.exit("error: published results are not what this code makes; run `make republish`")


@contextlib.contextmanager
def remake(campaign: str) -> Iterator[Path]:
    """The folder of a campaign as made now, while it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        yield make(scratch_copy(ROOT, campaign, Path(folder)), campaign, sys.executable, SNAKEMAKE)


def compare(here: Path, there: Path) -> list[str]:
    """Prints the digest of a campaign's tables as made now, and returns what differs from the
    published ones."""
    exact = are_bytes_comparable(DIGESTS, here.name)
    how = "" if exact else f"; numbers to 1e-9, for the processor is another: {processor()}"
    print(f"{digest(there)}{how}", flush=True)
    return list(differences(here, there, exact=exact))


def publish(there: Path, here: Path) -> None:
    """Puts what was made in the place of what was published."""
    for file in files_of(there):
        (here / file).parent.mkdir(exist_ok=True)
        shutil.copyfile(there / file, here / file)


if __name__ == "__main__":
    main()
