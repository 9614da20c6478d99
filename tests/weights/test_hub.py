"""Weights from a hub: a server on this machine with the hub's layout."""

import json
import os

import pytest

from weights.digest import sha256

REVISION = "0123456789abcdef0123456789abcdef01234567"
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
