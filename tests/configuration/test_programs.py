"""The files of a program: all that it imports is among them, and little else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from configuration import ConfigurationError
from configuration.programs import program_files

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
# Imports programs one by one, or runs one as its rule does, and says after each which files
# of the workflow it has imported. Libraries stay: to import them takes long.
RUN = """
import contextlib, json, pathlib, runpy, sys
scripts = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(scripts))
found = {}
for program, *arguments in json.loads(sys.argv[2]):
    sys.argv = [str(scripts / f"{program}.py"), *arguments]
    runpy.run_path(sys.argv[0], run_name="__main__" if arguments else program)
    files = {name: getattr(m, "__file__", None) for name, m in list(sys.modules.items())}
    ours = {name: f for name, f in files.items() if f and scripts in pathlib.Path(f).parents}
    found[program] = sorted(ours.values())
    for name in ours:
        del sys.modules[name]
print("\\n" + json.dumps(found))
"""


def imported(python, *programs):
    """By program, the files under scripts/ that it imports; one with arguments is run."""
    command = [python, "-c", RUN, SCRIPTS, json.dumps(programs)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_what_programs_of_the_analysis_import_is_among_their_files(tmp_path, analysis_python):
    there = ROOT / "results" / "h100-metering" / "meters"
    for name in ("session.json", "windows.jsonl", "trace.csv", "events.jsonl"):
        (tmp_path / name).symlink_to(there / name)
    options = ("--session", str(tmp_path), "--resolve-periods", "3", "--confidence", "0.95")
    programs = [["score"], ["tables_phases"], ["tables_runtimes"], ["figures"]]
    programs += [["report_phases"], ["report_runtimes"], ["tables_meters", *options]]
    found = imported(analysis_python, *programs)
    assert (tmp_path / "loads.parquet").is_file()
    for program, files in found.items():
        assert len(files) > 4
        assert set(files) <= set(program_files(SCRIPTS, program)), program


def test_of_the_programs_of_networks_too(pytorch_python):
    for program, files in imported(pytorch_python, ["network"], ["convert"], ["verify"]).items():
        assert len(files) > 4
        assert set(files) <= set(program_files(SCRIPTS, program)), program


def short(program, *named):
    files = program_files(SCRIPTS, program, *named)
    assert files[0] == str(SCRIPTS / f"{program}.py") and len(set(files)) == len(files)
    return [str(Path(file).relative_to(SCRIPTS)) for file in files]


def test_templates_and_programs_that_are_started_count():
    assert {"analysis/pages/base.html.j2", "analysis/pages/report.html.j2"} <= {
        *short("report_phases")
    }
    assert "generation/sandbox/worker.py" in short("score")
    assert not [file for file in short("report_phases") if file.endswith(".pyc")]


def test_a_backend_is_one_of_those_that_there_are():
    backends = {f"runtimes/backends/{f.name}" for f in (SCRIPTS / "runtimes/backends").glob("*.py")}
    assert backends <= set(short("convert"))
    one = set(short("convert", "runtimes.backends.mxnet"))
    assert one & backends == {"runtimes/backends/__init__.py", "runtimes/backends/mxnet.py"}
    assert "runtimes/networks/gluon.py" in one and "runtimes/networks/keras.py" not in one
    # An ONNX file from elsewhere has none.
    none = set(short("convert", "runtimes.backends.file"))
    assert none & backends == {"runtimes/backends/__init__.py"}


def test_tables_depend_on_no_figure_and_no_measurement():
    files = short("tables_phases")
    assert not [file for file in files if file.startswith(("analysis/figures/", "generation/"))]
    assert "metering/sampler.py" not in files
    assert "analysis/runtimes/omnibus.py" not in files
    assert "analysis/runtimes/omnibus.py" in short("tables_runtimes")


@pytest.fixture
def tree(tmp_path):
    """Programs and packages of a text each; their files' names."""

    def write(**texts):
        for name, text in texts.items():
            file = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            for folder in file.relative_to(tmp_path).parents:
                if folder != Path("."):
                    (tmp_path / folder / "__init__.py").touch()
        return tmp_path

    return write


def names(scripts, *arguments):
    files = program_files(scripts, *arguments)
    return {str(Path(file).relative_to(scripts)) for file in files} - {"go.py", "p/__init__.py"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import p.a", {"p/a.py", "p/b.py"}),
        ("import os, p.b as x", {"p/b.py"}),
        ("from p import b", {"p/b.py"}),
        ("from p.a import name", {"p/a.py", "p/b.py"}),
        ("def f():\n    if 1:\n        try:\n            from p import b\n        except E: ...",
         {"p/b.py"}),
        ("match 1:\n    case 1:\n        import p.b", {"p/b.py"}),
        ("class C:\n    for x in y: ...\n    else:\n        with z: import p.b", {"p/b.py"}),
        ("async def f():\n    try: ...\n    finally:\n        import p.b", {"p/b.py"}),
        ("from importlib import import_module\nimport_module('p.b')", {"p/b.py"}),
        ("import importlib\nx = lambda n: importlib.import_module(f'p.b{n}')", {"p/b.py"}),
        ("import importlib\nx = importlib.import_module('p.a' + y)", {"p/a.py", "p/b.py"}),
        ("import importlib\nx = importlib.import_module(y)", set()),
        ("from p import *", set()),
        ("'import p.a'", set()),
        ("import numpy.p.a, nowhere", set()),
        ("from p.q.deep import x", {"p/q/__init__.py", "p/q/deep.py", "p/b.py", "p/c.py"}),
        ("START = 'other.py'", {"other.py"}),
        ("START = 'no-such.py'", set()),
    ],
)  # fmt: skip
def test_ways_to_import(tree, text, found):
    scripts = tree(
        go=text,
        other="",
        p__a="from . import b",
        p__b="",
        p__c="",
        p__q__deep="from ..b import x\nfrom .. import c",
    )
    assert names(scripts, "go") == found


def test_a_package_that_imports_what_its_own_name_begins(tree):
    scripts = tree(go="import p", p__a="", p__b="")
    (scripts / "p" / "__init__.py").write_text(
        "from importlib import import_module\nload = lambda n: import_module(f'{__name__}.{n}')\n"
        "other = lambda n: import_module(f'.{n}', __package__)\n"
    )
    assert names(scripts, "go") == {"p/a.py", "p/b.py"}
    assert names(scripts, "go", "p.b") == {"p/b.py"}


def test_circles_end_and_data_beside_a_module_count(tree):
    scripts = tree(go="import p.a", p__a="import p.b", p__b="import p.a", other="")
    for name in ("page.j2", ".page.j2.swp", "page.j2~"):
        (scripts / "p" / name).touch()
        (scripts / name).touch()
    assert names(scripts, "go") == {"p/a.py", "p/b.py", "p/page.j2"}


def test_a_program_that_is_not_there_is_an_error(tree):
    with pytest.raises(FileNotFoundError):
        program_files(tree(other=""), "go")


def test_a_module_that_is_no_python_is_one_line(tree):
    scripts = tree(go="import p.a", p__a="x = 1\nx = = 2\n")
    with pytest.raises(ConfigurationError, match=r"^.*/p/a\.py: line 2: invalid syntax$"):
        program_files(scripts, "go")


def test_nothing_is_imported_to_find_out(tree):
    scripts = tree(go="import p.a", p__a="raise SystemExit(1)")
    assert names(scripts, "go") == {"p/a.py"}
    assert "p.a" not in sys.modules
