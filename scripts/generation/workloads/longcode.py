"""`longcode`: next lines of real Python code after a long repository context, made on this machine.

Of the shape of LongBench's code tasks and not LongBench: the sources are those of the running
Python's standard library (PSF licence), and prompts have exactly as many tokens as asked.
"""

from __future__ import annotations

import ast
import dataclasses
import platform
import random
import sys
import sysconfig
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generation.workloads.base import WorkloadError, require_fit
from generation.workloads.nextline import LineTask, NextLines, PosedLine

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TASKS = 40
HEAD, TAIL = "Complete the code of this repository.\n\n", "The next line of code:\n"
# Data and tests, what distributions leave out, and what an installation writes: that holds paths of
# its machine.
EXCLUDED = {"test", "tests", "idlelib", "lib2to3", "encodings", "site-packages", "dist-packages"}
EXCLUDED |= {"__pycache__", "ensurepip", "turtledemo", "pydoc_data", "sitecustomize.py"}
EXCLUDED_PREFIXES = ("_test", "_sysconfigdata", "config-")
SHORTEST_FILE = 4000
SHORTEST_LINE = 16


class LongCode(NextLines):
    """Next lines of code after a context of a given length."""

    file = "longcode"

    def load(self, options: Mapping[str, Any]) -> list[LineTask]:
        """The tasks; the same seed and the same standard library give the same ones.

        Args:
            options: `seed`, and `characters` that each context has at least.
        """
        root = Path(sysconfig.get_path("stdlib"))
        made = list(make_tasks(read_modules(root), options["seed"], options["characters"]))
        python = f"{platform.python_implementation()} {platform.python_version()}"
        message = f"{len(made)} tasks from the standard library of {python}"
        print(message, file=sys.stderr, flush=True)
        return made

    def pose(self, task: LineTask, style: str, length: int | None = None) -> PosedLine:
        return PosedToLength(task, "completion", HEAD, TAIL, length)


@dataclasses.dataclass(frozen=True)
class PosedToLength(PosedLine):
    """A next-line task whose prompt has exactly `length` tokens: the end of its context, as much of
    it as there is place for, cut among the tokens."""

    length: int | None = None

    def tokens(self, tokenizer: PreTrainedTokenizerBase, room: int) -> list[int]:
        """The prompt's token ids, exactly `length`; without a length all of them.

        Raises:
            WorkloadError: The length leaves no place for context, or is more than the context
                gives or the model takes.
        """
        if self.length is None:
            return require_fit(
                tokenizer(self.text, verbose=False).input_ids, room, self.task.task_id
            )
        if self.length > room:
            raise WorkloadError(
                f"{self.task.task_id}: a prompt of {self.length} tokens"
                f" (phases.longcode.prompt_tokens) is longer than the {room} that the model takes"
                " beside the output (phases.max_new_tokens)"
            )
        begin = tokenizer(self.head).input_ids
        if begin and begin[-1] in tokenizer.all_special_ids:
            # An encoder's tokenizer closes each text; here the text goes on.
            begin = begin[:-1]
        end = tokenizer(self.tail, add_special_tokens=False).input_ids
        place = self.length - len(begin) - len(end)
        if place < 1:
            raise WorkloadError(
                f"{self.task.task_id}: a prompt of {self.length} tokens has no place for context"
                f" (at least {len(begin) + len(end) + 1})"
            )
        context = _last_tokens(tokenizer, self.task.context, place)
        if len(context) < place:
            raise WorkloadError(
                f"{self.task.task_id}: its context gives {len(context)} tokens, and a prompt of"
                f" {self.length} needs {place}; give more phases.longcode.characters"
            )
        return [*begin, *context, *end]


def _last_tokens(tokenizer: PreTrainedTokenizerBase, text: str, count: int) -> list[int]:
    """The last `count` tokens of a text, or all of it where it has fewer."""
    # Not the whole of it, which takes seconds: from the start of a line that lies far enough back.
    reach = 8 * count
    while True:
        start = 0 if reach >= len(text) else text.rfind("\n", 0, len(text) - reach) + 1
        ids = tokenizer(text[start:], add_special_tokens=False, verbose=False).input_ids
        if len(ids) >= count or start == 0:
            return ids[-count:]
        reach *= 2


def read_modules(root: Path) -> dict[str, str]:
    """The modules below a folder, by their paths from it; those that are no valid Python or belong
    to tests and data are left out."""
    found = {}
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        name = path.relative_to(root)
        if EXCLUDED & set(name.parts):
            continue
        if any(part.startswith(EXCLUDED_PREFIXES) for part in name.parts):
            continue
        try:
            found[name.as_posix()] = path.read_text(encoding="utf-8").replace("\r\n", "\n")
        except (OSError, UnicodeDecodeError):
            continue
    return found


def make_tasks(files: Mapping[str, str], seed: int, characters: int) -> Iterator[LineTask]:
    """Tasks from a repository's files: a line within a function, and before it other files, those
    of the same package last, and the beginning of its own."""
    order = random.Random(f"longcode/{seed}")
    names = [name for name, text in files.items() if len(text) >= SHORTEST_FILE]
    order.shuffle(names)
    number = 0
    for name in names:
        lines = files[name].split("\n")
        targets = [n for n in _in_functions(files[name]) if _is_informative(lines[n]) and n > 30]
        if not targets:
            continue
        target = order.choice(targets)
        before = f"# {name}\n" + "".join(f"{line}\n" for line in lines[:target])
        context = _context_from(files, name, characters - len(before), order) + before
        source = f"{name}, line {target + 1}"
        yield LineTask(f"longcode/{number}", context, lines[target], source)
        number += 1
        if number == TASKS:
            return
    raise WorkloadError(f"the standard library here gives {number} tasks, and {TASKS} are needed")


def _context_from(
    files: Mapping[str, str], name: str, characters: int, order: random.Random
) -> str:
    """Other files, each under a line with its path, until they have so many characters."""
    package = name.rpartition("/")[0]
    near = [other for other in files if other != name and other.rpartition("/")[0] == package]
    far = [other for other in files if other != name and other not in set(near)]
    order.shuffle(near)
    order.shuffle(far)
    taken, length = [], 0
    for other in [*near, *far]:
        if length >= characters:
            break
        taken.append(f"# {other}\n{files[other]}\n")
        length += len(taken[-1])
    # Those of its own package stand nearest to it.
    return "".join(reversed(taken))


def _in_functions(source: str) -> list[int]:
    """Indices of the lines of statements within functions, docstrings left out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    functions = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return sorted({s.lineno - 1 for function in functions for s in _statements(function.body)})


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not text:
            yield statement


def _is_informative(line: str) -> bool:
    """Whether a line says enough to be compared: long, and without what the metric passes over."""
    return len(line.strip()) >= SHORTEST_LINE and not any(m in line for m in ("#", "`", "//"))
