"""Weights from a hub: a server on this machine with the hub's layout."""

import json
import os

import pytest

from weights.digest import sha256

REVISION = "0123456789abcdef0123456789abcdef01234567"
BRANCH = "a-branch-with-a-long-name"
WEIGHTS = "model.safetensors"


@pytest.fixture
def program(program, hub):
    host, port = hub.server_address
    program.environ["HF_ENDPOINT"] = f"http://{host}:{port}"
    return program


@pytest.fixture
def entry(tiny):
    return {
        "source": "hub",
        "repo": "owner/tiny",
        "revision": REVISION,
        "sha256": {WEIGHTS: sha256(tiny / WEIGHTS)},
    }


def test_a_pinned_revision_loads_and_stays_after_the_hub_is_gone(program, hub, tiny, entry):
    (tiny / "pytorch_model.bin").write_bytes(b"pickle")
    (tiny / "modeling_tiny.py").write_text("raise SystemExit('run')\n")
    done = program.prepare(entry)
    assert done.returncode == 0, done.stderr
    record = json.loads(program.out.read_text())
    assert record["name"] == "tiny" and record["revision"] == REVISION
    assert record["sha256"] == entry["sha256"]
    assert not hub.fetched() & {"pytorch_model.bin", "modeling_tiny.py"}
    assert [p.name for p in program.out.parents[1].iterdir()] == ["tiny"]

    hub.shutdown()
    hub.server_close()
    again = program.out.parents[1] / "again" / "model.json"
    done = program.prepare(entry, out=again, HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    first, second = program.load(program.out, again, HF_HUB_OFFLINE="1")
    assert first == second and first["logits"] == [1, 3, 16]


def test_a_broken_transfer_and_the_next_run(program, hub, entry):
    hub.breaks_at = (WEIGHTS, 1000)
    program.refused(program.prepare(entry), "owner/tiny@0123456789ab", "the download failed")
    # The other files are in the cache: out of the hub's reach they are not taken for a model.
    done = program.prepare(entry, HF_HUB_OFFLINE="1")
    program.refused(done)
    hub.breaks_at = None
    done = program.prepare(entry)
    assert done.returncode == 0, done.stderr
    assert json.loads(program.out.read_text())["sha256"] == entry["sha256"]


def test_a_wrong_file_is_deleted_and_fetched_anew_once_the_hub_is_mended(program, hub, tiny, entry):
    good = (tiny / WEIGHTS).read_bytes()
    (tiny / WEIGHTS).write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    wrong = sha256(tiny / WEIGHTS)
    done = program.prepare(entry)
    program.refused(done, WEIGHTS, wrong, entry["sha256"][WEIGHTS], "the file was deleted")
    assert program.cached(WEIGHTS) == [] and program.cached(wrong) == []
    (tiny / WEIGHTS).write_bytes(good)
    done = program.prepare(entry)
    assert done.returncode == 0, done.stderr


def test_a_file_of_the_registry_that_the_hub_lacks(program, entry):
    entry["sha256"]["model-00002.safetensors"] = "0" * 64
    program.refused(program.prepare(entry), "'model-00002.safetensors'", "is not there")


def test_files_without_a_digest_are_named_with_the_digest_found(program, tiny, entry):
    for name in ("b.safetensors", "a.safetensors"):
        (tiny / name).write_bytes(name.encode())
    found = [f"{name}: {sha256(tiny / name)}" for name in ("a.safetensors", "b.safetensors")]
    program.refused(program.prepare(entry), ", ".join(found))
    # They may well be right: only a digest that differs condemns a file.
    assert program.cached("a.safetensors")


def unpinned(entry):
    """The entry without digests: those that the hub states are compared."""
    return {key: value for key, value in entry.items() if key != "sha256"}


def test_without_digests_those_of_the_hub_are_compared_and_recorded(program, hub, tiny, entry):
    hub.stated = {WEIGHTS: "0" * 64}
    done = program.prepare(unpinned(entry))
    program.refused(done, WEIGHTS, sha256(tiny / WEIGHTS), "expected " + "0" * 64)
    assert program.cached(WEIGHTS) == []
    hub.stated = {}
    done = program.prepare(unpinned(entry))
    assert done.returncode == 0, done.stderr
    record = json.loads(program.out.read_text())
    assert record["sha256"] == entry["sha256"] and record["revision"] == REVISION
    assert "can move" not in done.stderr


def test_a_file_that_neither_the_registry_nor_the_hub_has_a_digest_of(program, hub, tiny, entry):
    (tiny / "b.safetensors").write_bytes(b"b")
    hub.stated = {"b.safetensors": None}
    found = f"b.safetensors: {sha256(tiny / 'b.safetensors')}"
    program.refused(program.prepare(unpinned(entry)), "a digest is lacking", found)
    (tiny / "b.safetensors").unlink()
    hub.stated = {WEIGHTS: None}
    program.refused(program.prepare(unpinned(entry)), "the hub states no digest", "give sha256")


def test_digests_of_the_registry_count_and_not_those_of_the_hub(program, hub, entry):
    hub.stated = {WEIGHTS: "0" * 64}
    done = program.prepare(entry)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("strip", [dict, unpinned])
def test_a_branch_is_resolved_and_its_commit_is_fetched_and_recorded(program, hub, entry, strip):
    done = program.prepare({**strip(entry), "revision": BRANCH})
    assert done.returncode == 0, done.stderr
    assert json.loads(program.out.read_text())["revision"] == REVISION
    (line,) = [line for line in done.stderr.splitlines() if "can move" in line]
    assert f"owner/tiny@{BRANCH}" in line and f"revision: {REVISION}" in line
    fetched = [path for _, path, _ in hub.asked if "/resolve/" in path]
    assert fetched and all(f"/resolve/{REVISION}/" in path for path in fetched)


def test_a_branch_that_does_not_exist(program, entry):
    done = program.prepare({**entry, "revision": "mian"})
    program.refused(done, "owner/tiny@mian", "the download failed", "404")


def test_another_architecture_than_the_registry_tells_is_named(program, entry):
    architecture = {"model_type": "llama", "num_hidden_layers": 32, "vocab_size": 16}
    done = program.prepare({**entry, "architecture": architecture})
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert "'tiny': architecture: num_hidden_layers is 2, in the registry 32" in line
    assert "vocab_size" not in line


def test_a_token_reaches_the_hub_and_no_message(program, hub, entry):
    hub.token = "hf_secret"
    done = program.prepare(entry)
    program.refused(done, "owner/tiny@0123456789ab", "401")
    done = program.prepare(entry, HF_TOKEN="hf_wrong")
    program.refused(done, "owner/tiny@0123456789ab")
    assert "hf_wrong" not in done.stderr
    done = program.prepare(entry, HF_TOKEN="hf_secret")
    assert done.returncode == 0, done.stderr
    assert "hf_secret" not in done.stderr + program.out.read_text()
    assert hub.asked[-1][2] == "Bearer hf_secret"


def test_a_repository_that_does_not_exist(program, entry):
    program.refused(program.prepare({**entry, "repo": "owner/tyni"}), "owner/tyni@", "404")


def test_a_revision_that_does_not_exist(program, entry):
    program.refused(program.prepare({**entry, "revision": "f" * 40}), "@ffffffffffff", "404")


def test_a_hub_that_is_not_there(program, hub, entry):
    hub.shutdown()
    hub.server_close()
    program.refused(program.prepare(entry), "owner/tiny@0123456789ab", "the download failed")


def test_pickles_are_not_read(program, hub, tiny, entry):
    os.rename(tiny / WEIGHTS, tiny / "pytorch_model.bin")
    program.refused(program.prepare(entry), "no *.safetensors", "other formats are not read")
    assert "pytorch_model.bin" not in hub.fetched()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_repository_without_what_loading_needs(program, tiny, entry, name):
    (tiny / name).unlink()
    program.refused(program.prepare(entry), f"there is no {name}")
