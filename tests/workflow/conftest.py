"""Throw-away copies of the project, so that runs of the workflow touch nothing of the user's."""

import copy
import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SOFTWARE = [
    f".software/{name}/ready.json"
    for name in (
        *("analysis", "pytorch", "tensorflow", "mxnet", "onnxruntime", "openvino", "jax"),
        "onnxruntime-openvino",
    )
]
# Of the study of phases alone.
PHASES_SOFTWARE = [f".software/{name}/ready.json" for name in ("analysis", "pytorch")]
RESOURCES = [
    "resources/models/smollm2-135m-instruct/model.json",
    "resources/workloads/humaneval.jsonl",
]
# What is the same under every configuration.
SHARED = ("resources/models/smollm2-135m-instruct", "resources/workloads/humaneval.jsonl")
# Two tasks, one that the model solves in six tokens and one that it does not solve.
CONFIG = """
campaign: small
device: cpu
studies: [phases]
metering: {idle_s: 0.5}
protocol: {stable_within: null, settle_s: 0}
phases:
  workloads: [humaneval-0shot]
  tasks: [HumanEval/23, HumanEval/0]
  max_new_tokens: 40
  threads: 1
  warmup_s: 0
  probe: {prompts: 1, output_tokens: 4, window_s: 0.2, repetitions: 2}
"""
# One session as short as can be.
QUICK = """
campaign: small
device: cpu
studies: [phases]
metering: {idle_s: 0.3}
protocol: {stable_within: null, settle_s: 0}
phases:
  models: [smollm2-135m-instruct]
  workloads: [humaneval-0shot]
  tasks: [HumanEval/23]
  max_new_tokens: 8
  threads: 1
  warmup_s: 0
  probe: {prompts: 0}
"""
# The same beside every other workload of the study, on a LongBench of two tasks.
WHOLE = """
campaign: small
device: cpu
studies: [phases]
metering: {idle_s: 0.5}
protocol: {stable_within: null, settle_s: 0}
phases:
  workloads: [humaneval-0shot, humaneval-2shot, humaneval-cot, longbench-cu, longbench-cu-long,
    longcode, longcode-long, sweep]
  tasks:
    humaneval-0shot: [HumanEval/23, HumanEval/0]
    humaneval-2shot: 1
    humaneval-cot: [HumanEval/23]
    longbench-cu: all
    longbench-cu-long: all
    longcode: 1
    longcode-long: 2
  max_new_tokens: 40
  threads: 1
  warmup_s: 0
  probe: {prompts: 1, output_tokens: 4, window_s: 0.2, repetitions: 2}
  longbench: {folder: longbench, sha256: {}}
  longcode: {prompt_tokens: 256, characters: 4000}
  sweep: {prompt_tokens: [32, 64, 128, 256], output_tokens: [4]}
"""
# Its outputs at other weights; sampling; batches and precisions.
REPLAYED = """
campaign: replayed
device: cpu
studies: [phases]
metering: {idle_s: 0.5}
protocol: {stable_within: null, settle_s: 0}
phases:
  models: [smollm2-135m-init]
  workloads: [humaneval-0shot, longcode-long]
  tasks: {humaneval-0shot: [HumanEval/23, HumanEval/0], longcode-long: 2}
  max_new_tokens: 40
  threads: 1
  warmup_s: 0
  probe: {prompts: 0}
  longcode: {prompt_tokens: 256, characters: 4000}
  replay: {campaign: small, model: smollm2-135m-instruct}
"""
SAMPLED = """
campaign: sampled
device: cpu
studies: [phases]
metering: {idle_s: 0.5}
protocol: {stable_within: null, settle_s: 0}
phases:
  workloads: [humaneval-0shot]
  tasks: [HumanEval/23]
  decoding: [sampled]
  seeds: 2
  max_new_tokens: 12
  threads: 1
  warmup_s: 0
  probe: {prompts: 0}
"""
FACTORS = """
campaign: factors
device: cpu
studies: [phases]
metering: {idle_s: 0.5}
protocol: {stable_within: null, settle_s: 0}
phases:
  models: [smollm2-135m-instruct]
  workloads: [humaneval-0shot]
  tasks: [HumanEval/23]
  conditions: [baseline]
  decoding: [greedy]
  batch_sizes: [1, 2]
  dtypes: [auto, bfloat16]
  max_new_tokens: 12
  threads: 1
  warmup_s: 0
  probe: {prompts: 0}
"""
SESSION = "smollm2-135m-instruct__humaneval-0shot__r1"
# The three families, as small as they can be.
TINY = """
tiny-resnet:
  source: init
  task: image-classification
  licence: none
  architecture: {model_type: resnet, downsample_in_bottleneck: true, num_labels: 10,
    embedding_size: 16, hidden_sizes: [32, 64], depths: [2, 1]}
tiny-mobilenet:
  source: init
  task: image-classification
  licence: none
  architecture: {model_type: mobilenet_v2, tf_padding: true, num_labels: 10,
    depth_multiplier: 0.35}
tiny-bert:
  source: init
  task: feature-extraction
  sequence_length: 16
  licence: none
  architecture: {model_type: bert, hidden_size: 32, num_hidden_layers: 2,
    num_attention_heads: 4, intermediate_size: 64, vocab_size: 100}
smollm2-135m-instruct: {source: folder, path: none, licence: none}
"""
RUNTIMES = """
campaign: tiny
models_file: tiny-models.yaml
device: cpu
studies: [runtimes]
metering: {idle_s: 0.5}
protocol: {stable_within: null, settle_s: 0}
runtimes:
  models: [tiny-resnet, tiny-mobilenet, tiny-bert]
  providers: auto
  batch_sizes: [1, 2]
  rounds: 1
  repetitions: 2
  window_s: 0.2
  warmup_s: 0
  threads: 1
phases: {tasks: all}
"""
# The same networks in other engines, on one framework's exports. A processor knows no tf32.
ENGINES = """
campaign: engines
models_file: tiny-models.yaml
device: cpu
studies: [runtimes]
metering: {idle_s: 0.5}
protocol: {stable_within: null, settle_s: 0}
runtimes:
  models: [tiny-resnet, tiny-mobilenet, tiny-bert]
  systems: [jax, openvino, onnxruntime]
  onnx_from: [pytorch]
  providers: [cpu, openvino]
  batch_sizes: [2]
  rounds: 1
  repetitions: 2
  window_s: 0.1
  warmup_s: 0
  threads: 1
  precision: tf32
phases: {tasks: all}
"""


def line_task(dataset: str) -> dict:
    """A task in LongBench's form: https://github.com/THUDM/LongBench."""
    code = "def add(a, b):\n    total = a + b\n"
    return {
        "input": code if dataset == "repobench-p" else "",
        "context": code if dataset == "lcc" else "# helpers.py\nimport math\n\n",
        "answers": ["    return total"],
        "length": 9,
        "dataset": dataset,
        "language": "python",
        "all_classes": None,
        "_id": f"{dataset}-0",
    }


class Clone:
    """A copy of the project's files; software, and if wanted weights, are the original's.

    Attributes:
        config: The configuration that is laid over the default.
        results: The campaign's folder.
    """

    def __init__(
        self, folder: Path, config: str = CONFIG, share: tuple = (".software", *SHARED)
    ) -> None:
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file() and not name.startswith("results/"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        for shared in share:
            (folder / shared).parent.mkdir(parents=True, exist_ok=True)
            (folder / shared).symlink_to(ROOT / shared)
        self.config = folder / "small.yaml"
        self.config.write_text(config)
        (folder / "tiny-models.yaml").write_text(TINY)
        (folder / "longbench").mkdir()
        for name in ("lcc", "repobench-p"):
            (folder / "longbench" / f"{name}.jsonl").write_text(json.dumps(line_task(name)) + "\n")
        self.results = folder / "results" / yaml.safe_load(config)["campaign"]
        self.raw = self.results / "raw" / SESSION

    @property
    def environment(self) -> dict[str, str]:
        """A machine of its own: it waits for no other test's sessions."""
        return {**os.environ, "INFERENCE_ENERGY_LOCK": str(self.folder / "machine.lock")}

    def command(self, *arguments: str) -> list[str]:
        return [
            *(sys.executable, "-m", "snakemake", "--cores", "1", *arguments),
            *("--configfile", "config/config.yaml", str(self.config)),
        ]

    def run(self, *arguments: str, check: bool = True, env: dict | None = None) -> str:
        """Runs snakemake and gives its output."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env={**self.environment, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert not check or done.returncode == 0, done.stdout
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen:
        """Starts snakemake at the head of a process group of its own, as a terminal does."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def make(*targets: str) -> None:
    """One after the other: Snakemake locks the folder that it works in."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *targets]
    (ROOT / ".software").mkdir(exist_ok=True)
    with (ROOT / ".software" / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(command, cwd=ROOT, check=True)


@pytest.fixture(scope="session")
def software():
    """The environments of the original, made once as a user makes them."""
    make(*SOFTWARE)


@pytest.fixture(scope="session")
def ready():
    """Of the original, the software of the study of phases, and weights."""
    make(*PHASES_SOFTWARE, *RESOURCES)


@pytest.fixture(scope="session")
def quick():
    """The configuration of one session as short as can be."""
    return QUICK


@pytest.fixture
def clone(ready, tmp_path):
    return Clone(tmp_path)


@pytest.fixture(scope="module")
def finished(ready, tmp_path_factory):
    """A clone in which one session was measured, with its tables; figures and page are empty files
    for whom it is enough that they are there."""
    clone = Clone(tmp_path_factory.mktemp("finished"), QUICK)
    clone.run("results/small/tables/summary.parquet")
    for line in clone.run("-n").splitlines():
        if line.startswith("    output: "):
            for name in line.removeprefix("    output: ").split(", "):
                path = clone.folder / name
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.touch()
    return clone


@pytest.fixture(scope="module")
def measured(ready, tmp_path_factory):
    """A clone in which the small campaign has run."""
    clone = Clone(tmp_path_factory.mktemp("measured"), WHOLE)
    clone.output = clone.run()
    return clone


@pytest.fixture(scope="module")
def follow(measured):
    """Runs another campaign beside the first, in the same clone."""

    def make(config, *targets):
        clone = copy.copy(measured)
        name = yaml.safe_load(config)["campaign"]
        clone.config = measured.folder / f"{name}.yaml"
        clone.config.write_text(config)
        clone.results = measured.folder / "results" / name
        clone.output = clone.run(*targets)
        return clone

    return make


@pytest.fixture(scope="module")
def replayed(follow):
    """The outputs of the small campaign, forced through another model."""
    return follow(REPLAYED)


@pytest.fixture(scope="module")
def factors(follow):
    """Batches and a precision."""
    return follow(FACTORS)


@pytest.fixture(scope="module")
def sampled(follow):
    """Two seeds of one task, as far as their tables: pages are those of the other campaigns."""
    return follow(SAMPLED, "results/sampled/tables/generations.parquet")


@pytest.fixture(scope="module")
def compared(software, tmp_path_factory):
    """A clone in which the study of runtimes has run on three tiny networks."""
    clone = Clone(tmp_path_factory.mktemp("compared"), RUNTIMES, share=(".software",))
    clone.output = clone.run("runtimes")
    return clone


@pytest.fixture(scope="module")
def engines(software, tmp_path_factory):
    """A clone in which the three tiny networks were measured in JAX, OpenVINO and ONNX Runtime, in
    this on OpenVINO's provider too."""
    clone = Clone(tmp_path_factory.mktemp("engines"), ENGINES, share=(".software",))
    clone.output = clone.run("runtimes")
    return clone
