"""The pages lead where they say: links, anchors, files and names of the code; the front door is
short."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "config/README.md",
    "results/README.md",
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md")),
]
# The changelog names files as they were called then.
OF_TODAY = [page for page in PAGES if page != "CHANGELOG.md"]
WORDS_OF_README = 1200

FENCE = re.compile(r"^(\s*)(```|~~~).*?^\s*\2", re.M | re.S)
LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
# What a page names in backticks and is a file of the repository: its first folder says so.
TOP = ("scripts", "rules", "config", "envs", "docs", "tests", "profiles", "report", "workflow")
NAMED = re.compile(rf"`((?:{'|'.join(TOP)})/[^\s`]*)`")
# Modules and keys, by the room or the section that they begin with; words of the code.
DOTTED = re.compile(r"`((?:analysis|metering|session|runtimes|statistics)(?:\.[a-z_]+)+)`")
FILE = re.compile(r"`([\w-]+\.py)`")
WORD = re.compile(r"`([A-Z]\w+)`")
# What others name: variables of the environment, constants of Python, files of other projects.
OF_OTHERS = {"CUDA_VISIBLE_DEVICES", "NPROC", "None", "metrics.py", "pred.py"}


def prose(page):
    return FENCE.sub("", page)


def anchors(page):
    """Of a page's headings, as GitHub makes them."""
    found = []
    for heading in re.findall(r"^#+ +(.+?) *$", prose(page), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"<!--.*?-->", "", heading))
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        again = sum(other == anchor for other, _ in found)
        found.append((anchor, f"{anchor}-{again}" if again else anchor))
    return {name for _, name in found}


def broken_links(page, folder):
    """Targets that are no file, or no heading of one; those of the network are left alone."""
    for match in LINK.finditer(prose(page)):
        target = match["target"]
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = folder / path if path else None
        if file is not None and not file.exists():
            yield target
        elif anchor and (file is None or file.suffix == ".md"):
            text = page if file is None else file.read_text(encoding="utf-8")
            if anchor not in anchors(text):
                yield target


def missing_files(page, root):
    """Paths in backticks that are not there. `{a,b}` are two, `*` and `<name>` are any."""
    for path in NAMED.findall(prose(page)):
        for one in _alternatives(path):
            pattern = re.sub(r"<[^>]*>", "*", one).rstrip("/")
            if not any(root.glob(pattern)):
                yield one


def missing_names(page, root):
    """Modules, keys, files and words of the code, in backticks, that are nowhere in it."""
    scripts, tests = root.glob("scripts/**/*.py"), list(root.glob("tests/**/*.py"))
    # Of the tests only what they share: a test of what is gone names it, too.
    shared = (file for file in tests if file.name == "conftest.py")
    sources = [*scripts, *shared, root / "Makefile"]
    code = "\n".join(file.read_text(encoding="utf-8") for file in sources)
    schemas = list(root.glob("config/schemas/*.yaml"))
    keys = "\n".join(file.read_text(encoding="utf-8") for file in schemas)
    for name in DOTTED.findall(prose(page)):
        module, key = name.replace(".", "/"), name.rpartition(".")[2]
        files = [root / "scripts" / at / f"{module}.py" for at in ("", "analysis")]
        is_data = key in ("html", "json")
        if not is_data and not any(file.is_file() for file in files) and f" {key}:" not in keys:
            yield name
    files = {file.name for file in (*sources, *tests)}
    yield from (name for name in FILE.findall(prose(page)) if name not in files | OF_OTHERS)
    for name in WORD.findall(prose(page)):
        of_others = name in OF_OTHERS or name.startswith("HF_")
        if not of_others and not re.search(rf"\b{name}\b", code):
            yield name


def _alternatives(path):
    braces = re.search(r"\{([^}]*)\}", path)
    if not braces:
        return [path]
    return [
        path[: braces.start()] + choice + path[braces.end() :] for choice in braces[1].split(",")
    ]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert not list(broken_links(text, (ROOT / page).parent))


@pytest.mark.parametrize("page", OF_TODAY)
def test_every_file_that_a_page_names_is_there(page):
    assert not list(missing_files((ROOT / page).read_text(encoding="utf-8"), ROOT))


@pytest.mark.parametrize("page", OF_TODAY)
def test_every_name_of_the_code_that_a_page_names_is_there(page):
    assert not list(missing_names((ROOT / page).read_text(encoding="utf-8"), ROOT))


def test_the_list_of_pages_has_them_all():
    listed = {match["target"] for match in LINK.finditer((ROOT / "docs/README.md").read_text())}
    there = {os.path.relpath(ROOT / page, ROOT / "docs") for page in PAGES}
    assert there - {"README.md", "../README.md", "../CHANGELOG.md"} <= listed


def test_the_front_door_is_one_page():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= WORDS_OF_README


def test_what_leads_nowhere_is_found(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "there.py").touch()
    (tmp_path / "other.md").write_text("# One two: `three`, four\n## Again\n## Again\n")
    page = (
        "# A head\n[a](other.md), [b](other.md#one-two-three-four), [c](other.md#again-1),\n"
        "[d](#a-head), [e](https://no.where/x), ![f](gone.png), [g](other.md#five), [h](#b),\n"
        "[i](other.md#again-2)\n"
        "```\n[j](gone.md)\n# No head\n```\n[k](#no-head)\n"
        "`scripts/there.py`, `scripts/<name>.py`, `scripts/{there,gone}.py`, `scripts/`, `rules/`\n"
    )
    assert list(broken_links(page, tmp_path)) == [
        *("gone.png", "other.md#five", "#b", "other.md#again-2", "#no-head")
    ]
    assert list(missing_files(page, tmp_path)) == ["scripts/gone.py", "rules/"]


def test_a_name_that_the_code_no_longer_has_is_found(tmp_path):
    for name, text in {
        "scripts/metering/pace.py": "class Budget:\n    pass\n",
        "scripts/analysis/statistics/rounds.py": "",
        "config/schemas/config.schema.yaml": "metering:\n  properties:\n    idle_s:\n",
        "Makefile": "RUNTIMES := a\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    page = (
        "`metering.pace`, `metering.idle_s`, `statistics.rounds`, `pace.py`, `Budget`,\n"
        "`RUNTIMES`, `session.json`,\n"
        "`metering.gone`, `statistics.gone`, `gone.py`, `Paced`, `WORKLOADS`, `os.fork`, `None`\n"
    )
    gone = ["metering.gone", "statistics.gone", "gone.py", "Paced", "WORKLOADS"]
    assert list(missing_names(page, tmp_path)) == gone
