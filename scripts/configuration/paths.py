"""Paths as a user writes them: `~` and variables mean the same in every key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from configuration.validation import ConfigurationError, format_value

# As os.path.expandvars finds them.
_VARIABLE = re.compile(r"\$(\w+|\{[^}]*\})", re.ASCII)


def expanded(path: str, where: str, environ: Mapping[str, str] = os.environ) -> str:
    """A path with `$VAR`, `${VAR}` and then `~` and `~user` replaced.

    Args:
        where: The key that it stands in.

    Raises:
        ConfigurationError: It is empty, or a variable or a user that it names is not there.
    """
    if not path.strip() or "\0" in path:
        raise ConfigurationError(f"{where}: {format_value(path)} is no path")

    def value(found: re.Match[str]) -> str:
        name = found[1].strip("{}")
        if name not in environ:
            raise ConfigurationError(f"{where}: '{path}' names the variable {name}, which is unset")
        return environ[name]

    filled = _VARIABLE.sub(value, path)
    if not filled.startswith("~"):
        return filled
    home = os.path.expanduser(filled)
    if home.startswith("~"):
        user = filled.split("/", 1)[0]
        raise ConfigurationError(f"{where}: '{path}' names the home {user}, which is not there")
    return home
