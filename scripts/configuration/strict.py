"""YAML and JSON as they were meant: what the usual reader drops in silence is refused.

The usual reader takes the last of two equal keys. Files are UTF-8, whatever the locale.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from configuration.validation import ConfigurationError, format_value

# Aliases within aliases make a small file huge.
MOST_VALUES = 100_000


def read(path: Path, where: str) -> Any:
    """What a file of YAML or JSON says.

    Args:
        where: How a message calls the file: its key, or its path.

    Raises:
        ConfigurationError: There is no such file, it cannot be read or is neither, or a mapping
            names a key twice.
    """
    named = where if str(path) in where else f"{where}: '{path}'"
    if path.is_dir():
        raise ConfigurationError(f"{named} is a folder, and a file of YAML is needed")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(f"{where}: there is no file '{path}'") from None
    except OSError as error:
        raise ConfigurationError(f"{named} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{named} is no UTF-8 text: {error}") from None
    return parse(text, named)


def parse(text: str, where: str) -> Any:
    """What a text of YAML or JSON says.

    Raises:
        ConfigurationError: As `read`.
    """
    try:
        # JSON may hold tabs, which YAML refuses.
        return json.loads(text, object_pairs_hook=lambda pairs: _mapping(pairs, where))
    except ConfigurationError:
        raise
    except (ValueError, RecursionError):
        pass
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return None
        _check(node, where, (), [0])
        return yaml.SafeLoader("").construct_document(node)
    except ConfigurationError:
        raise
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{where}: {_yaml_message(error)}") from None
    except RecursionError:
        raise ConfigurationError(f"{where}: values within values, too deep to be read") from None
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(f"{where}: a value cannot be read: {error}") from None


def _mapping(pairs: Sequence[tuple[str, Any]], where: str) -> dict[str, Any]:
    _require_unique((key for key, _ in pairs), where)
    return dict(pairs)


def _require_unique(keys: Iterable[str], where: str) -> None:
    seen = set()
    for key in keys:
        if key in seen:
            raise ConfigurationError(f"{where}: the key '{key}' stands there twice; name it once")
        seen.add(key)


def _check(node: yaml.Node, where: str, above: tuple[yaml.Node, ...], counted: list[int]) -> None:
    """Refuses equal keys, a value within itself, and more values than anyone writes."""
    counted[0] += 1
    line = node.start_mark.line + 1
    if any(node is outer for outer in above):
        raise ConfigurationError(f"{where}: line {line}: a value contains itself")
    if counted[0] > MOST_VALUES:
        raise ConfigurationError(f"{where}: more than {MOST_VALUES} values, aliases counted")
    if isinstance(node, yaml.MappingNode):
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        lines = {key.value: key.start_mark.line + 1 for key in keys}
        seen: set[tuple[str, str]] = set()
        for key in keys:
            if (key.tag, key.value) in seen:
                _require_unique([key.value] * 2, f"{where}: line {lines[key.value]}")
            seen.add((key.tag, key.value))
        for pair in node.value:
            for child in pair:
                _check(child, where, (*above, node), counted)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _check(child, where, (*above, node), counted)


def _yaml_message(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    problem = " ".join(str(problem).split())
    if "but found another document" in problem:
        problem = "it holds more than one document"
    return f"line {mark.line + 1}: {problem}" if mark else f"no YAML: {problem}"


def check_settings(arguments: Sequence[str]) -> None:
    """Refuses settings of a command line of which Snakemake would drop some in silence.

    Args:
        arguments: Of the command, its name left out.

    Raises:
        ConfigurationError: A key is set twice, or --config stands there twice.
    """
    groups = _settings(arguments)
    if len(groups) > 1:
        raise ConfigurationError(
            "--config stands there twice, and only the last would count; give all settings after"
            " one (--config campaign=NAME device=cpu)"
        )
    for settings in groups:
        _require_unique((setting.partition("=")[0] for setting in settings), "--config")
        for setting in settings:
            key, _, value = setting.partition("=")
            try:
                node = yaml.compose(value, Loader=yaml.SafeLoader)
            except yaml.YAMLError:
                # Snakemake takes it for a text.
                continue
            if node is not None:
                _check(node, f"--config {key}={format_value(value)}", (), [0])


def _settings(arguments: Sequence[str]) -> list[list[str]]:
    """The settings after each --config, as argparse groups them."""
    groups: list[list[str]] = []
    within = False
    for word in arguments:
        name, equals, value = word.partition("=")
        if word == "--":
            break
        if name in ("--config", "-C"):
            groups.append([value] if equals else [])
            within = not equals
        elif word.startswith("-C") and not word.startswith("--"):
            groups.append([word[2:]])
            within = False
        elif word.startswith("-"):
            within = False
        elif within:
            groups[-1].append(word)
    return groups
