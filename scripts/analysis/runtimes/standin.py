"""Until `doubts` has them."""

import pandas as pd

from analysis.flags import NAMES, split
from analysis.raw import TOTAL

NOT = {"estimate", "unresolved", "mirrored"}


def common_flags(windows):
    work = windows[(windows.domain == TOTAL) & (windows.kind == "inference")]
    cells = work["flags"].map(split)
    return [
        name
        for name in NAMES
        if len(cells) and cells.map(lambda words, name=name: name in words).mean() >= 0.9
    ]


def clean(windows, common=(), *, above_idle=False):
    ignored = NOT | set(common) | (set() if above_idle else {"idle unstable"})
    codes, texts = pd.factorize(windows["flags"].fillna(""))
    ok = [not set(split(text)) - ignored for text in texts]
    return pd.Series(pd.array(ok, dtype=bool)[codes], index=windows.index)
