"""The study of the meters: from a validated configuration to its one session. Pure: no devices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def meters_spec(config: Mapping[str, Any]) -> str:
    """What the session is told, as JSON."""
    spec = {
        "session": "meters",
        **{name: config[name] for name in ("device", "seed", "metering", "protocol")},
        **config["meters"],
    }
    return json.dumps(spec, sort_keys=True)
