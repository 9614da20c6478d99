"""A tiny model, a hub on this machine that serves it, and the program under test."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
REVISION = "0123456789abcdef0123456789abcdef01234567"
BRANCH = "a-branch-with-a-long-name"
REPO = "owner/tiny"
LARGE = (".safetensors", ".bin")

MAKE = """
import sys
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

words = ["<unk>", "<s>", "</s>", *"abcdefghij"]
tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=16, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
    num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64,
)
LlamaForCausalLM(config).save_pretrained(sys.argv[1])
PreTrainedTokenizerFast(
    tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
).save_pretrained(sys.argv[1])
"""

LOAD = """
import hashlib, json, sys
from pathlib import Path
import torch
from weights import WeightsError
from weights.load import load

for ready in sys.argv[1:]:
    try:
        model, tokenizer = load(Path(ready), torch.device("cpu"), torch.float32)
    except WeightsError as error:
        print(json.dumps({"error": str(error)}))
        continue
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    out = model(**tokenizer("a b c", return_tensors="pt", return_token_type_ids=False))
    print(json.dumps({"digest": digest.hexdigest(), "logits": list(out.logits.shape)}))
"""


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.fixture(scope="session")
def made_once(pytorch_python, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "model"
    subprocess.run([pytorch_python, "-c", MAKE, folder], check=True, capture_output=True)
    return folder


@pytest.fixture
def tiny(made_once, tmp_path):
    """A folder with a llama of two layers; the test's own, to be spoilt at will."""
    return Path(shutil.copytree(made_once, tmp_path / "tiny"))


def sibling(file, stated):
    """A file as the information on a model has it, with the digest that the hub states, if any."""
    entry = {"rfilename": file.name, "size": file.stat().st_size}
    if file.suffix in LARGE and (digest := stated.get(file.name, sha256(file))):
        entry["lfs"] = {"sha256": digest, "size": entry["size"], "pointerSize": 134}
    return entry


def tree_entry(file):
    entry = {"type": "file", "path": file.name, "size": file.stat().st_size}
    entry["oid"] = hashlib.sha1(file.read_bytes()).hexdigest()
    if file.suffix in LARGE:
        entry["lfs"] = {"oid": sha256(file), "size": entry["size"], "pointerSize": 134}
    return entry


class FakeHub(ThreadingHTTPServer):
    """The part of the hub's HTTP that a download uses, over the files of a folder.

    Attributes:
        breaks_at: Name and byte after which the transfer of a file breaks off.
        stated: The digests of files for which the hub states another than the true one, or None.
        token: The only token that is let in, if one is needed.
        asked: Every request: method, path and the Authorization header.
    """

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.breaks_at, self.token, self.asked = folder, None, None, []
        self.stated = {}

    def handle_error(self, request, client_address):
        pass

    def fetched(self):
        return {path.rpartition("/")[2] for method, path, _ in self.asked if method == "GET"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        hub, (path, _, query) = self.server, self.path.partition("?")
        sent = self.headers.get("Authorization")
        hub.asked.append((self.command, path, sent))
        if hub.token is not None and sent != f"Bearer {hub.token}":
            return self.refuse(401, "GatedRepo" if sent else "RepoNotFound")
        if path in [f"/api/models/{REPO}/revision/{name}" for name in (REVISION, BRANCH)]:
            siblings = [sibling(p, hub.stated) for p in sorted(hub.folder.iterdir())]
            if "blobs=" not in query:
                siblings = [{"rfilename": entry["rfilename"]} for entry in siblings]
            record = {"id": REPO, "sha": REVISION, "siblings": siblings, "tags": []}
            return self.reply(json.dumps(record).encode(), body, {})
        if path == f"/api/models/{REPO}/tree/{REVISION}":
            entries = [tree_entry(p) for p in sorted(hub.folder.iterdir())]
            return self.reply(json.dumps(entries).encode(), body, {})
        if path.startswith(f"/api/models/{REPO}/"):
            return self.refuse(404, "RevisionNotFound")
        file = hub.folder / path.removeprefix(f"/{REPO}/resolve/{REVISION}/")
        if not path.startswith(f"/{REPO}/"):
            return self.refuse(404, "RepoNotFound")
        if not path.startswith(f"/{REPO}/resolve/{REVISION}/") or not file.is_file():
            return self.refuse(404, "EntryNotFound")
        data = file.read_bytes()
        headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": REVISION}
        if file.suffix in LARGE:
            headers["X-Linked-Etag"] = f'"{sha256(file)}"'
            headers["X-Linked-Size"] = str(len(data))
        return self.reply(data, body, headers, file.name)

    def refuse(self, status, code):
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def reply(self, data, body, headers, name=None):
        wanted, total = self.headers.get("Range"), len(data)
        if wanted and body:
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            data = data[start:]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if not body:
            return
        broken = self.server.breaks_at
        if broken and broken[0] == name:
            self.wfile.write(data[: broken[1]])
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True
            return
        self.wfile.write(data)


@pytest.fixture
def hub(tiny):
    server = FakeHub(tiny)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


class Program:
    """scripts/model.py under the interpreter of its environment, with a cache of its own."""

    def __init__(self, python, folder):
        self.python, self.folder = python, folder
        self.script = SCRIPTS / "model.py"
        self.out = folder / "models" / "tiny" / "model.json"
        self.cache = folder / "hf"
        self.environ = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("HF_") and not key.lower().endswith("_proxy")
        }
        self.environ |= {
            "HF_HOME": str(self.cache),
            "HF_HUB_DISABLE_XET": "1",
            "PYTHONPATH": str(SCRIPTS),
            "OMP_NUM_THREADS": "1",
        }

    def prepare(self, entry, *options, out=None, **environ):
        entry = {"licence": "MIT", "prompt": "completion", "seed": 0, **entry}
        command = [self.python, self.script, "--name", "tiny", "--entry"]
        command += [json.dumps(entry), "--out", out or self.out, *options]
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**self.environ, **environ},
            timeout=120,
        )

    def refused(self, done, *words):
        """The run failed, said why in its one last line, and left nothing behind."""
        assert done.returncode not in (0, None)
        assert "Traceback" not in done.stderr, done.stderr
        line = done.stderr.splitlines()[-1]
        assert line.startswith("error: model 'tiny': "), done.stderr
        assert [word for word in words if word not in line] == [], line
        assert len([x for x in done.stderr.splitlines() if x.startswith("error")]) == 1
        assert not self.out.exists()
        assert list(self.out.parents[1].iterdir()) == []

    def load(self, *ready, **environ):
        done = subprocess.run(
            [self.python, "-c", LOAD, *ready],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**self.environ, "TRANSFORMERS_VERBOSITY": "error", **environ},
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def cached(self, name):
        """Whatever the cache holds under a name: finished files, links, beginnings."""
        return list(self.cache.rglob(name))


def write_wheel(folder, name, files):
    """A folder that pip takes for the index, with one wheel: NAME 1.0."""
    folder.mkdir()
    distribution = name.replace("-", "_")
    info = f"{distribution}-1.0.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    with zipfile.ZipFile(folder / f"{distribution}-1.0-py3-none-any.whl", "w") as wheel:
        for path, data in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(data)}\n"
            wheel.writestr(path, data)
        wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")


@pytest.fixture
def index(program, tmp_path):
    """Puts one wheel, NAME 1.0, in place of the package index."""

    def make(name, files):
        write_wheel(tmp_path / "wheels", name, files)
        program.environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}

    return make


@pytest.fixture
def program(pytorch_python, tmp_path):
    (tmp_path / "models").mkdir()
    return Program(pytorch_python, tmp_path)
