"""Which GPUs a process sees: CUDA_VISIBLE_DEVICES as CUDA reads it. No device here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

# CUDA reads numbers as C does: leading digits count, whatever follows is dropped.
_ORDINAL = re.compile(r"\s*\+?(\d+)")


@dataclass
class Selection:
    """Positions in the machine's list of GPUs, in the order in which CUDA numbers them.

    ``None`` stands for a MIG instance: CUDA counts it, NVML's board counters do not tell it apart.
    ``problems`` says, one line each, where the list ends early.
    """

    positions: list[int | None] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def select(uuids: Sequence[str], variable: str | None) -> Selection:
    """The GPUs that ``variable`` (the value of CUDA_VISIBLE_DEVICES, None if unset) leaves visible.

    Forms: indices, full UUIDs and unique prefixes of them (``GPU-...``), MIG instances
    (``MIG-...``); empty or ``-1`` is none. The list ends at the first invalid entry, and an entry
    given twice hides all (CUDA C++ Programming Guide, "CUDA Environment Variables").
    """
    if variable is None:
        return Selection(list(range(len(uuids))))
    selection = Selection()
    for entry in variable.split(",") if variable.strip() else []:
        if entry.strip() == "-1":
            break
        if entry.strip().startswith("MIG-"):
            selection.positions.append(None)
            continue
        position, problem = _find(entry.strip(), uuids)
        if problem is None and position in selection.positions:
            return Selection(
                problems=[f"{entry.strip()!r} is named twice, and CUDA then sees none"]
            )
        if problem is not None:
            selection.problems.append(f"{problem}; CUDA ignores it and all after it")
            break
        selection.positions.append(position)
    return selection


def _find(entry: str, uuids: Sequence[str]) -> tuple[int | None, str | None]:
    if entry.startswith("GPU-"):
        matches = [i for i, uuid in enumerate(uuids) if uuid.lower().startswith(entry.lower())]
        if len(matches) == 1:
            return matches[0], None
        return None, f"{entry!r} matches {len(matches)} of the {len(uuids)} GPUs"
    ordinal = _ORDINAL.match(entry)
    if ordinal is None:
        return None, f"{entry!r} is no index and no UUID"
    index = int(ordinal.group(1))
    if index >= len(uuids):
        return None, f"index {index} is beyond the {len(uuids)} GPUs of this machine"
    return index, None
