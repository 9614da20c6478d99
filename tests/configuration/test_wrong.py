"""Wrong configurations, many of each kind: one clear line each, before any file is looked at."""

import copy
import datetime
from pathlib import Path

import pytest
import yaml

from configuration import ConfigurationError, plan, strict, validate
from configuration.paths import expanded
from configuration.registry import check_keys, with_twins
from configuration.runtimes import plan_runtimes
from runtimes.base import backend_names, load_backend

ROOT = Path(__file__).parents[2]
SCHEMAS = {
    name: yaml.safe_load((ROOT / f"config/schemas/{name}.schema.yaml").read_text(encoding="utf-8"))
    for name in ("config", "models")
}
REGISTRY = yaml.safe_load((ROOT / "config/models.yaml").read_text(encoding="utf-8"))
SHIPPED = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
BACKENDS = {name: load_backend(name) for name in backend_names()}
ENVIRONMENTS = {file.stem for file in (ROOT / "envs").glob("*.yaml")}


def checked(config, registry=REGISTRY):
    """What the rules do with both, without files and devices."""
    config = validate(config, SCHEMAS["config"], "configuration")
    models = with_twins(validate(registry, SCHEMAS["models"], "models.yaml"))
    check_keys(registry, SCHEMAS["models"], "models.yaml")
    plan(config, models)
    plan_runtimes(config, models, BACKENDS, ENVIRONMENTS, 0)


def refusal(make, *arguments):
    with pytest.raises(ConfigurationError) as caught:
        make(*arguments)
    line = str(caught.value)
    assert line.strip() and "\n" not in line and len(line) < 600, line
    return line


def leaves(schema, path=()):
    for key, sub in schema.get("properties", {}).items():
        yield (*path, key), sub
        yield from leaves(sub, (*path, key))


LEAVES = list(leaves(SCHEMAS["config"]))
WRONG = [
    float("nan"),
    float("-inf"),
    -1,
    -(10**400),
    True,
    "nonsense of no kind",
    [],
    [[]],
    ["twice", "twice"],
    [None],
    {"no": "key"},
    datetime.date(2024, 1, 1),
    b"\xff\x00",
    "",
    "a/../b",
    {1: 2},
]


def put(path, value):
    config = copy.deepcopy(SHIPPED)
    inner = config
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            pytest.skip("a list or a text stands there")
    inner[path[-1]] = value
    return config


def test_the_shipped_configuration_and_registry_are_right():
    checked(SHIPPED)


@pytest.mark.parametrize("path", [path for path, _ in LEAVES], ids=".".join)
def test_a_wrong_value_of_any_key_is_refused_in_one_line_or_taken(path):
    refused = 0
    for value in WRONG:
        try:
            checked(put(path, value))
        except ConfigurationError as error:
            refused += 1
            line = str(error)
            assert line.strip() and "\n" not in line and len(line) < 900, line
            assert path[-1] in line or path[0] in line, line
    # No key takes more than a few of them: a free text takes texts, a date counts as none.
    assert refused >= len(WRONG) - 4, refused


@pytest.mark.parametrize("path", [p for p, s in LEAVES if "properties" in s], ids=".".join)
def test_an_unknown_key_at_any_level_is_named_with_the_nearest(path):
    known = next(iter(dict(LEAVES)[path]["properties"]))
    line = refusal(checked, put((*path, known + "x"), 1))
    assert f"unknown key '{'.'.join(path)}.{known}x'" in line
    assert f"'{known}'" in line and "allowed here" in line


@pytest.mark.parametrize("path", [p for p, s in LEAVES if "number" in str(s.get("type"))])
def test_huge_numbers_are_refused_or_taken_and_never_more(path):
    for value in (10**400, "1e999", "-" * 50 + "1", 1e308):
        try:
            checked(put(path, value))
        except ConfigurationError as error:
            assert "\n" not in str(error) and len(str(error)) < 600


FOLDER = {"source": "folder", "licence": "MIT", "path": "/nowhere"}
DRAWN = {
    "source": "init",
    "licence": "none",
    "tokenizer": "own",
    "architecture": {"model_type": "llama", "max_position_embeddings": 512},
}


def entry(change, base=FOLDER):
    kept = {key: value for key, value in {**base, **change}.items() if value is not ...}
    return {**REGISTRY, "mine": kept, "own": FOLDER}


@pytest.mark.parametrize(
    ("registry", "words"),
    [
        (entry({"source": "disk"}), "mine.source: 'disk' is not allowed"),
        (entry({"source": ...}), "mine: the key 'source' is missing"),
        (entry({"licence": ...}), "mine: the key 'licence' is missing"),
        (entry({"path": ...}), "mine: the key 'path' is missing"),
        (entry({"path": None}), "mine.path: nothing stands there"),
        (entry({"path": 3}), "mine.path: 3 is not a text; put it into quotes"),
        (entry({"pth": "x"}), "unknown key 'mine.pth'; did you mean 'path'?"),
        (entry({"repo": "a/b"}), "mine.repo: a model of source 'folder' does not take it"),
        (entry({"revision": "main"}), "mine.revision: a model of source 'folder' does not take"),
        (entry({"package": "a==1"}), "(it is for source: package)"),
        (entry({"seed": 3}), "mine.seed: a model of source 'folder' does not take it"),
        (entry({"tokenizer": "own"}), "mine.tokenizer: a model of source 'folder' does not"),
        (entry({"sha256": "a" * 64}), "mine.sha256: "),
        (entry({"prompt": "talk"}), "mine.prompt: 'talk' is not allowed"),
        (entry({"task": "translation"}), "mine.task: 'translation' is not allowed"),
        (entry({"parameters": 0}), "mine.parameters: 0 must be at least 1"),
        (entry({"parameters": True}), "mine.parameters: True is not a whole number"),
        (entry({"path": "x"}, DRAWN), "mine.path: a model of source 'init' does not take it"),
        (entry({"sha256": {"a": "b" * 64}}, DRAWN), "mine.sha256: a model of source 'init'"),
        (entry({"architecture": ...}, DRAWN), "mine: the key 'architecture' is missing"),
        (entry({"architecture": {}}, DRAWN), "the key 'model_type' is missing"),
        (entry({"architecture": {"model_type": "lama"}}, DRAWN), "did you mean 'llama'?"),
        (entry({"architecture": {"model_type": "resnet"}}, DRAWN), "no family 'resnet'"),
        (entry({"tokenizer": "nobody"}, DRAWN), "mine.tokenizer: no model 'nobody'"),
        (entry({"tokenizer": "mine"}, DRAWN), "mine.tokenizer: 'mine' has seeded weights"),
        (entry({"tokenizer": "smollm2-135m-init"}, DRAWN), "has seeded weights and no tokenizer"),
        (entry({"architecture": {"model_type": "gpt2", "n_positions": 200}}, DRAWN), "takes 200"),
        (entry({"source": "package", "path": ...}), "mine: the key 'package' is missing"),
        ({"a/b": FOLDER}, "a/b"),
        ({"..": FOLDER}, ".."),
        ({"with space": FOLDER}, "with space"),
        ({7: FOLDER}, "7"),
        ({"mine": None}, "mine"),
        ({"mine": [FOLDER]}, "mine"),
        ({}, "must not be empty"),
        ([FOLDER], "must be a mapping"),
        (None, "must be a mapping"),
    ],
)
def test_a_wrong_registry(registry, words):
    config = {
        "phases": {
            "models": ["mine"],
            "conditions": ["baseline"],
            "max_new_tokens": 256,
        }
    }
    assert words in refusal(checked, config, registry)


@pytest.mark.parametrize(
    ("phases", "words"),
    [
        ({"max_new_tokens": 512}, "takes 512 tokens of prompt and output, and 1 + 512"),
        ({"workloads": ["humaneval-cot"]}, "1 + 2000 are asked for (humaneval-cot)"),
        ({"workloads": ["longcode-long"], "longcode": {"prompt_tokens": 300}}, "300 + 300"),
        ({"workloads": ["sweep"], "sweep": {"prompt_tokens": [64, 500]}}, "500 + 64"),
        ({"workloads": ["sweep"], "sweep": {"output_tokens": [500]}}, "64 + 500"),
    ],
)
def test_a_prompt_and_an_output_beyond_the_context(phases, words):
    config = {"phases": {"models": ["mine"], "conditions": ["baseline"], **phases}}
    assert words in refusal(checked, config, entry({}, DRAWN))


def test_a_prompt_and_an_output_that_just_fit():
    phases = {"models": ["mine"], "conditions": ["baseline"]}
    fits = {"workloads": ["longcode-long"], "longcode": {"prompt_tokens": 212}}
    checked({"phases": {**phases, **fits}}, entry({}, DRAWN))
    checked({"phases": {**phases, "max_new_tokens": 511}}, entry({}, DRAWN))


TEXTS = {
    "equal keys": ("seed: 1\nseed: 2\n", "line 2: the key 'seed' stands there twice"),
    "equal keys within": ("a: {b: 1, 'b': 2}", "line 1: the key 'b' stands there twice"),
    "equal keys of JSON": ('{"a": {"b": 1, "b": 2}}', "the key 'b' stands there twice"),
    "two merges": ("a: &x {p: 1}\nb: {<<: *x, <<: *x}", "'<<' stands there twice"),
    "tab": ("a:\n\t- b", "line 2: "),
    "open list": ("a: [", "line 1: "),
    "two documents": ("a: 1\n---\nb: 2\n", "more than one document"),
    "no alias": ("a: *nope", "undefined alias 'nope'"),
    "itself": ("a: &x [*x]\n", "a value contains itself"),
    "laughs": (
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(
            f"{n}: &{n} [{', '.join([f'*{p}'] * 10)}]\n"
            for p, n in zip("abcdef", "bcdefg", strict=True)
        ),
        "more than 100000 values",
    ),
    "object": ("a: !!python/object:os.system x", "could not determine a constructor"),
    "date": ("a: 2024-13-45", "a value cannot be read: month must be in 1..12"),
    "number": ("a: !!int foo", "a value cannot be read"),
    "nul": ("a: \x00", "special characters are not allowed"),
    "list for a key": ("? [1]\n: 2\n", "unhashable key"),
    "deep": ("a: " + "[" * 3000 + "]" * 3000, "too deep"),
    "version": ("%YAML 9.9\n---\na: 1", "incompatible YAML document"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_wrong_file(tmp_path, name):
    text, words = TEXTS[name]
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    line = refusal(strict.read, file, str(file))
    assert words in line and line.startswith(str(file))


def test_files_that_are_none(tmp_path):
    assert "there is no file" in refusal(strict.read, tmp_path / "no.yaml", "models_file")
    assert "is a folder" in refusal(strict.read, tmp_path, "models_file")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00a: 1")
    assert "is no UTF-8 text" in refusal(strict.read, tmp_path / "binary", "models_file")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\ufeffa: 1\n", {"a": 1}),
        ("a: &x {p: 1, q: 2}\nb: {<<: *x, p: 3}\n", {"a": {"p": 1, "q": 2}, "b": {"p": 3, "q": 2}}),
        ('{\t"a": 1}', {"a": 1}),
        ("", None),
        ("é: [ß, '日本']\n", {"é": ["ß", "日本"]}),
    ],
)
def test_files_that_are_right(tmp_path, text, said):
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    assert strict.read(file, str(file)) == said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-n", "--config", "seed=1", "seed=2"], "the key 'seed' stands there twice"),
        (["--config", "seed=1", "-n", "--config", "device=cpu"], "--config stands there twice"),
        (["-C", "a=1", "--config=b=2"], "--config stands there twice"),
        (["--config", "phases={rounds: 1, rounds: 2}"], "the key 'rounds' stands there twice"),
        (["-C", "phases={probe: {prompts: 1, prompts: 2}}", "-n"], "'prompts' stands there twice"),
    ],
)
def test_settings_of_which_some_would_be_lost(arguments, words):
    assert words in refusal(strict.check_settings, arguments)


def test_settings_that_are_right():
    strict.check_settings(["-n", "--cores", "1", "--config", "seed=1", "phases={rounds: 2}", "-p"])
    strict.check_settings(["all", "--configfile", "a.yaml"])
    strict.check_settings(["--config", "x=[", "y={a: b"])


def test_paths_mean_the_same_everywhere(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    environ = {"DATA": "/data", "ÜBER": "x"}
    for written, path in {
        "~/a": "/home/me/a",
        "$DATA/a b": "/data/a b",
        "${DATA}/a'b": "/data/a'b",
        "a/~": "a/~",
        "plain": "plain",
        "5$": "5$",
    }.items():
        assert expanded(written, "key", environ) == path
    assert "the variable NO_SUCH, which is unset" in refusal(expanded, "$NO_SUCH/a", "key", environ)
    assert "the variable NO, which" in refusal(expanded, "${NO}", "key", environ)
    assert "the home ~no-such-user" in refusal(expanded, "~no-such-user/a", "key", environ)
    for nothing in ("", "  ", "a\0b"):
        assert "is no path" in refusal(expanded, nothing, "key", environ)
