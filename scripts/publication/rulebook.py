"""The workflow's rules as commands, without Snakemake: what a rule's file says is what is run.

Only what the rules of analysis use is understood: literal outputs, a `shell` with `{input.name:q}`,
`{output...}`, `{params...}`, `{wildcards...}` and `{log}`, and `use rule ... with`.
"""

from __future__ import annotations

import ast
import re
import shlex
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

RULE = re.compile(r"^(?:use rule (?P<base>\w+) as (?P<copy>\w+) with|rule (?P<name>\w+)):$")
SECTION = re.compile(r"^    (\w+):$")


class RuleError(Exception):
    """A rule says what this reader does not understand."""


@dataclass(frozen=True)
class Rule:
    """A rule's sections, as their source has them."""

    name: str
    file: str
    sections: Mapping[str, str] = field(default_factory=dict)

    def command(self, inputs: Mapping[str, Any], given: Mapping[str, Any]) -> str:
        """The shell command.

        Args:
            inputs: By name, the files that functions of the workflow would find.
            given: What expressions of the rule may name: `config`, functions, and `campaign`.
        """
        campaign = given["campaign"]
        output = SimpleNamespace(**{n: _filled(v, campaign) for n, v in self.outputs().items()})
        names = {**given, "output": output}
        params = {
            name: self._evaluated(node, names) for name, node in self._keywords("params").items()
        }
        (shell,) = self._positional("shell")
        return _Shell().format(
            self._evaluated(shell, {"SCRIPTS": "scripts"}),
            input=SimpleNamespace(**inputs),
            output=output,
            params=SimpleNamespace(**params),
            wildcards=SimpleNamespace(campaign=campaign),
            threads=1,
            log="/dev/stdout",
        )

    def outputs(self) -> dict[str, str]:
        """The output files by name, with their wildcards."""
        found = {}
        for name, node in self._keywords("output").items():
            if isinstance(node, ast.Call) and node.args:  # report("...", caption=...)
                node = node.args[0]
            found[name] = ast.literal_eval(node)
        return found

    def _keywords(self, section: str) -> dict[str, ast.expr]:
        return {keyword.arg: keyword.value for keyword in self._call(section).keywords}

    def _positional(self, section: str) -> list[ast.expr]:
        return self._call(section).args

    def _call(self, section: str) -> ast.Call:
        if section not in self.sections:
            raise RuleError(f"{self.file}: rule {self.name} has no '{section}'")
        return ast.parse(f"f(\n{self.sections[section]}\n)", mode="eval").body

    def _evaluated(self, node: ast.expr, names: Mapping[str, Any]) -> Any:
        source = ast.unparse(node)
        try:
            value = eval(source, {"__builtins__": {}}, dict(names))
        except NameError as error:
            raise RuleError(f"{self.file}: rule {self.name}: params: {error}") from None
        return value() if callable(value) else value


def read_rules(*files: Path) -> dict[str, Rule]:
    """The rules of some files, by name."""
    rules: dict[str, Rule] = {}
    for file in files:
        for name, base, sections in _parsed(file.read_text(encoding="utf-8")):
            inherited = rules[base].sections if base else {}
            rules[name] = Rule(name, str(file), {**inherited, **sections})
    return rules


def _parsed(text: str):
    """(name, name of the rule it copies, sections) of each rule."""
    name = base = section = None
    sections: dict[str, str] = {}
    for line in [*text.splitlines(), "end"]:
        if line and not line.startswith((" ", "#")):
            if name:
                yield name, base, sections
            match = RULE.match(line)
            name = match and (match["copy"] or match["name"])
            base, section, sections = match and match["base"], None, {}
        elif name and (match := SECTION.match(line)):
            section = match[1]
            sections[section] = ""
        elif section:
            sections[section] += line + "\n"


def _filled(pattern: str, campaign: str) -> str:
    return pattern.replace("{campaign}", campaign)


class _Shell(string.Formatter):
    """Snakemake's formats: a list is words, and `:q` quotes."""

    def format_field(self, value: Any, spec: str) -> str:
        words = [str(v) for v in value] if isinstance(value, (list, tuple)) else [str(value)]
        return " ".join(map(shlex.quote, words) if spec == "q" else words)
