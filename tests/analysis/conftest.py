"""Meters under known power, and sessions as the workflow writes them: the truth is at hand."""

import dataclasses
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import report_runtimes
import tables_phases
import tables_runtimes
from analysis.energy.raw import read_session
from analysis.figures import on_page
from analysis.figures.drawing.campaign import Campaign
from analysis.phases.generations import generations_table
from analysis.quality.windows import windows_table

START_NS = 1_000_000_000_000
SLOW_S = 0.1
RANGE_UJ = 262_143_328_850

GPU = {
    "domain": "gpu:0",
    "meter": "nvml",
    "source": "nvml",
    "unit": "mJ",
    "label": "GPU 0, Some Board (NVML, whole board)",
    "quantity": "energy",
    "estimate": False,
    "max_range": None,
    "details": {},
}
GPU_POWER = {**GPU, "unit": "mW", "quantity": "power"}
RAPL = {
    "domain": "cpu:package-0",
    "meter": "rapl",
    "source": "powercap",
    "unit": "uJ",
    "label": "CPU package-0 (RAPL)",
    "quantity": "energy",
    "estimate": False,
    "max_range": RANGE_UJ,
    "details": {"zone": "intel-rapl:0"},
}
ESTIMATE = {
    "domain": "cpu:estimate",
    "meter": "estimate",
    "source": "estimate",
    "unit": "J",
    "label": "CPU, estimate: utilisation x rated power",
    "quantity": "energy",
    "estimate": True,
    "max_range": None,
    "details": {"rated_power_w": 20.0, "logical_cpus": 2, "resolution_s": 0.01},
}

# What can be read, as (domain, how the fake reads it).
METERS = {
    "fresh counter": (RAPL, {"gap_s": 0.01}),
    "slow counter": (GPU, {}),
    "slow counter, read often": (GPU, {"gap_s": 0.02}),
    "power only": (GPU_POWER, {}),
    "estimate": (ESTIMATE, {}),
}
TRUTHS = ("constant", "step", "ramp", "sawtooth")


class Truth:
    """A known power over time, in seconds since START_NS."""

    def __init__(self, power_w: Callable[[np.ndarray], np.ndarray], seconds: float = 60.0):
        self._t = np.arange(0, seconds, 1e-3)
        self.power_w = power_w
        watts = np.broadcast_to(power_w(self._t), self._t.shape)
        self._joules = np.concatenate([[0.0], np.cumsum((watts[1:] + watts[:-1]) / 2 * 1e-3)])

    def joules(self, seconds):
        return np.interp(seconds, self._t, self._joules)


def truth_of(name: str) -> Truth:
    return {
        "constant": lambda: Truth(lambda t: np.full_like(t, 150.0)),
        "step": lambda: Truth(lambda t: np.where(t % 7 < 3.3, 60.0, 280.0)),
        "ramp": lambda: Truth(lambda t: 40 + 4.0 * t),
        "sawtooth": lambda: Truth(lambda t: 60 + 300 * (t % 0.73)),
    }[name]()


def read(
    domain: dict, truth: Truth, *, seconds=20.0, gap_s=0.05, update_s=None, seed=0, until=None
):
    """(times_ns, values) as the sampler would write them for a domain under a known power.

    Args:
        update_s: How often the meter has news.
        until: When the meter stands still.
    """
    randoms = np.random.default_rng(seed)
    t = np.arange(0, seconds, gap_s) + randoms.uniform(
        0, 0.04 * gap_s, len(np.arange(0, seconds, gap_s))
    )
    update_s = update_s or {"uJ": 1e-3, "J": 0.01}.get(domain["unit"], SLOW_S)
    phase = randoms.uniform(0, update_s)
    known = np.maximum(0, np.floor((t - phase) / update_s) * update_s + phase)
    known = known if until is None else np.minimum(known, until)
    if domain["quantity"] == "power":
        # No board draws the same power for long.
        noise = np.random.default_rng(seed).normal(1, 0.003, len(t))
        _, update = np.unique(known, return_inverse=True)
        values = np.round(truth.power_w(known) * noise[update] * 1000).astype(int)
    elif domain["unit"] == "uJ":
        steps = np.floor(truth.joules(known) * 2**14)
        values = (steps / 2**14 * 1e6 + RANGE_UJ - 5e8).astype(np.int64) % RANGE_UJ
    elif domain["unit"] == "mJ":
        values = np.floor(truth.joules(known) * 1000).astype(np.int64) + 123_456_789
    else:
        values = np.round(truth.joules(known) / 0.1) * 0.1
    return (START_NS + t * 1e9).astype(np.int64), values.tolist()


def at(seconds) -> int:
    """A time of the session's clock."""
    return START_NS + round(seconds * 1e9)


# A duration in seconds, or one that depends on the tokens before.
Seconds = float | Callable[[float], float]


def lasting(seconds: Seconds, tokens: float) -> float:
    """Seconds that work takes behind so many tokens."""
    return seconds(tokens) if callable(seconds) else seconds


@dataclasses.dataclass
class Lab:
    """Builds one session's raw folder, window by window, and its scores.

    Attributes:
        meters: (domain, truth, keywords of `read`) of each meter.
        workload: A benchmark's name, or `sweep`: such a session has no scores.
        prompts: Tokens of a task's prompt; 30 where it is not named.
        source: Where the weights are from; `init` for seeded ones.
        published: The model's name in the paper's tables.
        replay: As in the session's configuration.
    """

    campaign: Path
    model: str = "small"
    round: int = 1
    tasks: object = "all"
    meters: list = dataclasses.field(default_factory=list)
    conditions: tuple = ("baseline", "suppressed")
    repetitions: int = 1
    missing: list = dataclasses.field(default_factory=list)
    protections: list = dataclasses.field(default_factory=list)

    sampler: dict | None = None
    workload: str = "humaneval-0shot"
    batch: int = 1
    dtype: str = "auto"
    decoding: str = "greedy"
    replay: dict | None = None
    source: str = "hub"
    published: str | None = None
    prompts: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        factors = [
            *([f"b{self.batch}"] if self.batch > 1 else []),
            *([self.dtype] if self.dtype != "auto" else []),
            *([self.decoding] if self.decoding != "greedy" else []),
        ]
        workload = "_".join([self.workload, *factors])
        self.name = f"{self.model}__{workload}__r{self.round}"
        self.score_file = self.campaign / "scores" / f"{self.name}.json"
        self.folder = self.campaign / "raw" / self.name
        self.windows, self.events, self.scores, self.segments, self.samples = [], [], [], [], []
        self.segment = 0
        boards = any(domain["domain"].startswith("gpu:") for domain, _, _ in self.meters)
        self.device = "cuda:0" if boards else "cpu"
        self.now = 0.0

    def begin(self, *, seconds=60.0, **keywords):
        """A new segment: its clock and its meters begin anew."""
        self.segment += 1
        self.now = 1.0
        found = [domain for domain, _, _ in self.meters]
        self.segments.append(
            {
                "segment": self.segment,
                "started_utc": "2026-01-01T00:00:00+00:00",
                "host": {"cpu_model": "A Processor"},
                "code": {"commit": None, "dirty": None},
                "device": self.device,
                "dtype": "float32",
                "threads": 1,
                "meters": {"found": found, "missing": self.missing},
                "protections": self.protections,
            }
        )
        for domain, truth, how in self.meters:
            for t_ns, value in zip(*read(domain, truth, seconds=seconds, **how), strict=True):
                self.samples.append((self.segment, t_ns, domain, value))
        return self

    def window(self, kind, seconds, **more):
        start, self.now = self.now, self.now + seconds
        self._add(kind, start, self.now, **more)

    def _add(self, kind, start, end, **more):
        self.windows.append(
            {
                "segment": self.segment,
                "kind": kind,
                **more,
                "start_ns": at(start),
                "end_ns": at(end),
            }
        )

    def generation(
        self,
        task,
        condition="baseline",
        repetition=0,
        *,
        tokens=21,
        prefill_s: Seconds = 0.4,
        token_s: Seconds = 0.05,
        looks=(),
        stop="length",
        answer=None,
        passed=True,
        similarity=None,
        pause_s=0.02,
    ):
        """One generation and its score. `looks`: (behind which token, seconds, outcome).

        `prefill_s` and `token_s` may depend on the tokens before. With a `similarity` no tests
        judge.
        """
        prompt = self.prompts.get(task, 30)
        passed = None if similarity is not None else passed
        name = f"{task}:{condition}:{repetition}"
        identity = {
            "generation": name,
            "task": task,
            "condition": condition,
            "repetition": repetition,
        }
        start = self.now
        clock, stamps, checks = start + lasting(prefill_s, prompt), [], []
        for number in range(1, tokens + 1):
            stamps.append(clock)
            for behind, seconds, outcome in looks:
                if behind == number:
                    checks.append((clock, clock + seconds, outcome))
                    clock += seconds
            clock += lasting(token_s, prompt + number) if number < tokens else 1e-5
        self._add("prefill", start, stamps[0], **identity)
        self._add("decode", stamps[0], clock, **identity)
        for begin, end, outcome in checks:
            more = {"tokens": 1, "characters": 1, "outcome": outcome, "passed": outcome == "passed"}
            self._add("check", begin, end, **identity, **more)
        self._add(
            "generation",
            start,
            clock,
            **identity,
            cpu_s=clock - start,
            batch=self.batch,
            prompt="p",
            prompt_tokens=prompt,
            reference=None if similarity is None else "x",
            replayed=self.replay is not None,
            stop=stop,
            characters=tokens,
            text="x" * tokens,
            text_ends=list(range(1, tokens + 1)),
            tokens=list(range(tokens)),
            token_ns=[at(stamp) for stamp in stamps],
        )
        self.now = clock + pause_s
        self.scores.append(
            {
                "generation": name,
                "passed": passed,
                "similarity": similarity,
                "result": "passed" if passed else "failed: ",
                "passed_as_it_stands": passed,
                "passed_processed": passed,
                "answer": "x",
                "answer_tokens": answer,
                "answer_by": None if answer is None else "tests",
            }
        )
        return name

    def probe(
        self,
        task,
        what,
        repetition=0,
        *,
        output_tokens=21,
        prefill_s: Seconds = 0.4,
        token_s: Seconds = 0.05,
        window_s=2.0,
        stretch=1.0,
        pause_s=0.3,
    ):
        """One window of a probe, at least `window_s` long. `what`: prefill, decode or generation;
        `stretch` makes all of it longer than it should be."""
        prompt = self.prompts.get(task, 30)
        first_s = stretch * lasting(prefill_s, prompt)
        steps_s = stretch * sum(lasting(token_s, prompt + n) for n in range(1, output_tokens))
        each_s = {"prefill": first_s, "decode": steps_s, "generation": first_s + steps_s}[what]
        count = max(1, int(np.ceil(window_s / each_s - 1e-9)))
        start, marks = self.now, {}
        if what == "generation":
            starts = [start + number * each_s for number in range(count)]
            marks = {
                "starts_ns": [at(t) for t in starts],
                "firsts_ns": [at(t + first_s) for t in starts],
                "ends_ns": [at(t + each_s) for t in starts],
            }
        tokens = 1 if what == "prefill" else output_tokens
        name = f"{task}:{tokens}:{what}:{repetition}"
        self.window(
            "probe",
            count * each_s,
            probe=name,
            task=task,
            what=what,
            repetition=repetition,
            prompt_tokens=prompt,
            output_tokens=tokens,
            count=count,
            batch=self.batch,
            cpu_s=count * each_s,
            **marks,
        )
        self.now += pause_s
        return name

    def probes(self, task, *, repetitions=3, lengths=(21,), **keywords):
        """All windows of one task's probes: a prefill, and for each length of the output the
        decoding steps and the whole; one kind after the other, in each repetition."""
        for repetition in range(repetitions):
            self.probe(task, "prefill", repetition, output_tokens=1, **keywords)
            for output_tokens in lengths:
                how = {"output_tokens": output_tokens, **keywords}
                self.probe(task, "decode", repetition, **how)
                self.probe(task, "generation", repetition, **how)
        return self

    def write(self) -> "Lab":
        """The raw folder and, but for a sweep, the scores, on disk."""
        spec = {
            "session": self.name,
            "model": self.model,
            "workload": self.workload,
            "round": self.round,
            "tasks": self.tasks,
            "repetitions": self.repetitions,
            "conditions": list(self.conditions),
            "batch_size": self.batch,
            "dtype": self.dtype,
            "decoding": self.decoding,
            "replay": self.replay,
            "source": self.source,
            "entry": {} if self.published is None else {"published": self.published},
        }
        self._write_raw({"spec": spec})
        if self.scored:
            self.score_file.parent.mkdir(exist_ok=True)
            self.score_file.write_text(
                json.dumps({"protections": self.protections, "scores": self.scores})
            )
        return self

    @property
    def scored(self) -> bool:
        """Whether there are outputs to judge."""
        return self.workload != "sweep"

    def _write_raw(self, facts: dict) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        facts = {"format": 1, **facts, "segments": self.segments, "sampler": self.sampler}
        (self.folder / "session.json").write_text(json.dumps(facts))
        for name, lines in (("windows", self.windows), ("events", self.events)):
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (self.folder / f"{name}.jsonl").write_text(text)
        with (self.folder / "trace.csv").open("w") as trace:
            trace.write("segment,t_ns,domain,quantity,value,unit,source\n")
            for segment, t_ns, domain, value in self.samples:
                fields = (domain["domain"], domain["quantity"], value, domain["unit"], "nvml")
                trace.write(",".join(map(str, (segment, t_ns, *fields))) + "\n")

    @property
    def by_name(self) -> dict:
        return {score["generation"]: score for score in self.scores}


TITLES = {"pytorch": "PyTorch", "tensorflow": "TensorFlow", "mxnet": "MXNet", "jax": "JAX"}
TITLES |= {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "file": "file"}


@dataclasses.dataclass
class Bench(Lab):
    """Builds one session of the study of runtimes.

    Attributes:
        origin: The framework that an export came from; None for a framework itself.
        parity: As in session.json.
        excluded: As in session.json; such a session has no segment and no window.
    """

    system: str = "pytorch"
    origin: str | None = None
    provider: str = "cpu"
    batch_sizes: tuple = (1, 8)
    threads: int = 1
    parity: list = dataclasses.field(default_factory=list)
    excluded: dict | None = None
    absent: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        super().__post_init__()
        parts = self.system if self.origin is None else f"{self.system}.{self.origin}"
        self.name = f"{self.model}__{parts}__{self.provider}__r{self.round}"
        self.folder = self.campaign / "raw" / self.name
        self.device = "cpu" if self.provider == "cpu" else "cuda:0"

    @property
    def title(self) -> str:
        if self.origin is None:
            return TITLES.get(self.system, self.system)
        engine, origin = (TITLES.get(name, name) for name in (self.system, self.origin))
        return f"{engine} from {origin}"

    def inference(self, batch, repetition, *, each_s, seconds=1.0, own=1.0, others=0.0):
        """A window of about so many seconds; `own` and `others` are shares of its time that this
        process and others had a CPU."""
        inferences = max(1, round(seconds / each_s))
        seconds = inferences * each_s
        self.window(
            "inference",
            seconds,
            inference=f"b{batch}:{repetition}",
            batch=batch,
            repetition=repetition,
            inferences=inferences,
            user_s=own * seconds,
            system_s=0.0,
            machine_busy_s=None if others is None else (own + others) * seconds,
        )
        self.now += 0.01

    def write(self) -> "Bench":
        """The raw folder, on disk."""
        spec = {
            "session": self.name,
            "campaign": self.campaign.name,
            "model": self.model,
            "system": self.system,
            "origin": self.origin,
            "title": self.title,
            "provider": self.provider,
            "round": self.round,
            "seed": 1,
            "batch_sizes": list(self.batch_sizes),
            "window_s": 1.0,
            "repetitions": self.repetitions,
            "threads": self.threads,
            "precision": "float32",
            "parity_tolerance": 1e-5,
        }
        version = {"name": self.title.partition(" from ")[0], "version": "1.2.3"}
        for segment in self.segments:
            segment |= {
                "threads": self.threads,
                "layout": "NCHW",
                "precision": "float32",
                "allocator": {"growth": True},
                "framework": version,
            }
            segment["host"] |= {"logical_cpus": 2, "gpus": None}
        self._write_raw(
            {
                "study": "runtimes",
                "spec": spec,
                "parity": self.parity,
                "excluded": self.excluded,
                "absent": self.absent,
            }
        )
        return self


@pytest.fixture
def bench(tmp_path):
    """Makes a `Bench`; by default one processor at a constant 50 W, read through RAPL."""

    def make(*meters, watts=50.0, **keywords):
        constant = Truth(lambda t: np.full_like(t, watts), 400.0)
        used = [(m, constant, {}) if isinstance(m, dict) else m for m in meters]
        return Bench(tmp_path / "trial", meters=used or [(RAPL, constant, {})], **keywords)

    return make


@pytest.fixture
def lab(tmp_path):
    """Makes a `Lab`; by default one GPU at a constant 100 W, read through a slow counter."""

    def make(*meters, **keywords):
        constant = Truth(lambda t: np.full_like(t, 100.0), 400.0)
        used = [(m, constant, {}) if isinstance(m, dict) else m for m in meters]
        return Lab(tmp_path / "trial", meters=used or [(GPU, constant, {})], **keywords)

    return make


@pytest.fixture
def known():
    """What the tests take from this file: names cannot be imported from it."""
    return types.SimpleNamespace(**globals())


@pytest.fixture(params=METERS)
def meter(request):
    """(domain, how to read it), one after the other."""
    return METERS[request.param]


@pytest.fixture(params=TRUTHS)
def truth(request):
    """Known powers, one after the other."""
    return truth_of(request.param)


@pytest.fixture
def analyse():
    """A lab's session, its windows and its generations."""

    def make(lab):
        session = read_session(lab.write().folder)
        windows = windows_table(session, 2)
        scores = lab.by_name
        return session, windows, generations_table(session, windows, scores) if scores else None

    return make


@pytest.fixture
def run_program(monkeypatch):
    """Runs a program of scripts/ as a rule does, here."""

    def make(program, *arguments):
        monkeypatch.setattr(sys, "argv", [program.__name__, *map(str, arguments)])
        program.main()

    return make


@pytest.fixture
def draw_figures(run_program):
    """Draws figures of a campaign by their program, as the rules do."""
    import figures

    def make(campaign, names):
        folder = campaign.folder / "figures"
        folder.mkdir()
        for name in names:
            files = "--png", folder / f"{name}.png", "--pdf", folder / f"{name}.pdf"
            run_program(figures, name, "--campaign", campaign.folder, *files)

    return make


@pytest.fixture
def tabulate(run_program):
    """The tables of a campaign of several labs, and its folder as `Campaign`."""

    def make(*labs):

        for lab in labs:
            lab.write()
        folder = labs[0].campaign
        run_program(
            tables_phases,
            "--sessions",
            *[lab.folder / "session.json" for lab in labs],
            "--scores",
            *[lab.score_file for lab in labs if lab.scored],
            "--out",
            folder / "tables",
        )
        return Campaign(folder)

    return make


@pytest.fixture
def tabulate_runtimes(run_program):
    """The tables of several benches, and their folder as `Campaign`."""

    def make(*benches, planned=None):

        for one in benches:
            one.write()
        folder = benches[0].campaign
        more = [] if planned is None else ["--planned", json.dumps(planned)]
        run_program(
            tables_runtimes,
            "--sessions",
            *[one.folder / "session.json" for one in benches],
            "--out",
            folder / "tables",
            *more,
        )
        return Campaign(folder)

    return make


@pytest.fixture
def runtimes_page(run_program, draw_figures, tabulate_runtimes):
    """The report of several benches, as the rules make it, and their campaign."""

    def make(*benches):
        campaign = tabulate_runtimes(*benches)
        draw_figures(campaign, on_page("runtimes"))
        out = campaign.folder / "runtimes.html"
        sessions = [one.folder / "session.json" for one in benches]
        run_program(
            report_runtimes, "--campaign", campaign.folder, "--sessions", *sessions, "--out", out
        )
        return out.read_text(encoding="utf-8"), campaign

    return make
