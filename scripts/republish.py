#!/usr/bin/env python3
"""Makes tables, figures and pages of the published campaigns anew from their raw data, in place;
--check makes them in a scratch copy, prints the digests of the tables and fails where what is
published differs."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import yaml

from publication.campaigns import PublicationError, make, published, scratch
from publication.differences import differences
from publication.digests import DigestError, bytes_hold, digest, processor, record

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "docs" / "figures.yaml"
DIGESTS = ROOT / "results" / "digests.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("campaigns", nargs="*", help="of those in git; all where none is named")
    parser.add_argument("--check", action="store_true", help="compare, and change nothing")
    args = parser.parse_args()
    known = published(ROOT)
    if unknown := set(args.campaigns) - set(known):
        sys.exit(f"error: no published campaign {unknown.pop()}; there are {', '.join(known)}")
    differ = False
    for campaign in args.campaigns or known:
        try:
            if not args.check:
                print(campaign, flush=True)
                make(ROOT, campaign, sys.executable, ROOT / "rules")
                record(DIGESTS, ROOT / "results" / campaign)
                continue
            for line in compared(campaign):
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


def compared(campaign: str) -> list[str]:
    """Prints the digest of a campaign's tables as made now, and returns what differs from the
    published ones."""
    exact = bytes_hold(DIGESTS, campaign)
    with tempfile.TemporaryDirectory() as folder:
        copy = scratch(ROOT, campaign, Path(folder))
        make(copy, campaign, sys.executable, ROOT / "rules")
        made = copy / "results" / campaign
        how = "" if exact else f"; numbers to 1e-9, for the processor is another: {processor()}"
        print(f"{digest(made)}{how}", flush=True)
        return list(differences(ROOT / "results" / campaign, made, exact=exact))


if __name__ == "__main__":
    main()
