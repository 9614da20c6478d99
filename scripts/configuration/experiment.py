"""From a validated configuration to the table of sessions. Pure: no files, no devices."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from configuration.architectures import LANGUAGE_MODELS, context_of
from configuration.protocol import LATER, check_repetitions, told_repetitions
from configuration.validation import ConfigurationError, choice, format_value
from generation.agenda import SHORTEST, SWEEP
from generation.workloads import WORKLOADS
from session.stopping import by_width
from weights import TEXT_GENERATION, task_of

LONGCODE_FILE = "longcode"
# The ids of each benchmark's tasks, so that a wrong one is refused before the first job.
TASKS = {
    "humaneval": tuple(f"HumanEval/{number}" for number in range(164)),
    "longbench": tuple(f"{name}/{n}" for name in ("lcc", "repobench-p") for n in range(500)),
    "longcode": tuple(f"longcode/{number}" for number in range(40)),
}
DTYPES = ("float32", "bfloat16", "float16")
SAMPLE = "a random sample"


@dataclasses.dataclass(frozen=True)
class Session:
    """One process to be measured: one model, one workload, one round of both conditions.

    Attributes:
        batch: Copies of a prompt that are decoded together.
        dtype: Of weights and activations; `auto` follows the device.
        decoding: `greedy` or `sampled`.
    """

    model: str
    workload: str
    round: int
    batch: int = 1
    dtype: str = "auto"
    decoding: str = "greedy"

    @property
    def name(self) -> str:
        """The session's folder under `results/<campaign>/raw/`; factors only where they are not
        the study's."""
        factors = [
            *([f"b{self.batch}"] if self.batch > 1 else []),
            *([self.dtype] if self.dtype != "auto" else []),
            *([self.decoding] if self.decoding != "greedy" else []),
        ]
        return f"{self.model}__{'_'.join((self.workload, *factors))}__r{self.round}"

    @classmethod
    def parse(cls, name: str) -> Session:
        """The session that a folder's name tells of. Raises ValueError for another name."""
        found = re.fullmatch(
            r"([A-Za-z0-9.-]+)__([A-Za-z0-9.-]+)(?:_b([1-9][0-9]*))?"
            rf"(?:_({'|'.join(DTYPES)}))?(?:_(sampled))?__r([1-9][0-9]*)",
            name,
        )
        if found is None:
            raise ValueError(f"'{name}' names no session")
        model, workload, batch, dtype, decoding, number = found.groups()
        return cls(
            model, workload, int(number), int(batch or 1), dtype or "auto", decoding or "greedy"
        )

    @property
    def file(self) -> str:
        """The name of the file with its tasks."""
        return file_of(self.workload)


def file_of(workload: str) -> str:
    """The name of the file with a workload's tasks."""
    return LONGCODE_FILE if workload == SWEEP else WORKLOADS[workload].file


def plan(config: Mapping[str, Any], models: Mapping[str, Any]) -> list[Session]:
    """The sessions that a configuration asks for, in the order of its lists.

    Args:
        config: Validated against config.schema.yaml.
        models: The registry, validated against models.schema.yaml.

    Raises:
        ConfigurationError: A name that there is not, or a model, a factor or a condition that
            cannot be measured as asked.
    """
    phases = config["phases"]
    for name in phases["models"]:
        choice(name, models, "model", f"phases.models ({config['models_file']})")
        _check_model(name, models, phases)
        # A host's own transformers may know others.
        if models[name]["source"] == "init" and config["software"] != "host":
            family = models[name]["architecture"]["model_type"]
            choice(family, LANGUAGE_MODELS, "family", f"models.{name}.architecture.model_type")
        _check_lengths(name, models[name], phases)
    _check_tasks(phases)
    _check_factors(phases)
    check_repetitions(phases["repetitions"], "phases.repetitions")
    check_repetitions(phases["probe"]["repetitions"], "phases.probe.repetitions")
    if (replay := phases["replay"]) is not None:
        if by_width(phases["repetitions"]):
            raise ConfigurationError(
                "phases.repetitions: a replay forces the outputs that were recorded, each once"
                " (allowed with phases.replay: a whole number)"
            )
        choice(replay["model"], models, "model", "phases.replay.model")
        if replay["campaign"] == config["campaign"]:
            raise ConfigurationError(
                f"phases.replay.campaign: '{replay['campaign']}' is this campaign; replay one that"
                " is finished, under another name (--config campaign=NAME)"
            )
    return [
        Session(model, workload, number, batch, dtype, decoding)
        for number in range(1, phases["rounds"] + 1)
        for model in phases["models"]
        for dtype in phases["dtypes"]
        for workload in phases["workloads"]
        for decoding in (phases["decoding"] if workload != SWEEP else ["greedy"])
        for batch in phases["batch_sizes"]
    ]


def _check_model(name: str, models: Mapping[str, Any], phases: Mapping[str, Any]) -> None:
    entry = models[name]
    if (task := task_of(entry)) != TEXT_GENERATION:
        raise ConfigurationError(
            f"phases.models: '{name}' is for {task}; this study measures language models"
        )
    if entry["source"] != "init":
        return
    other = choice(entry["tokenizer"], models, "model", f"models.{name}.tokenizer")
    if models[other]["source"] == "init":
        raise ConfigurationError(
            f"models.{name}.tokenizer: '{other}' has seeded weights and no tokenizer of its own"
        )
    generates = set(phases["workloads"]) != {SWEEP}
    if generates and "suppressed" in phases["conditions"] and phases["replay"] is None:
        raise ConfigurationError(
            f"phases.conditions: 'suppressed' means nothing for '{name}', whose weights are random"
            " (source: init); measure it with conditions: [baseline], or replay the outputs of a"
            " model with weights (phases.replay)"
        )


def _check_lengths(name: str, entry: Mapping[str, Any], phases: Mapping[str, Any]) -> None:
    """Refuses prompts and outputs that together are longer than the model takes, where its entry
    says how long. How long a benchmark's prompts are only its tokenizer tells: the least is 1."""
    limit = context_of(entry)
    if limit is None:
        return
    for workload in phases["workloads"]:
        if workload == SWEEP:
            sweep = phases["sweep"]
            auto = sweep["prompt_tokens"] == "auto"
            where = "sweep.longest" if auto else "sweep.prompt_tokens"
            prompt = SHORTEST if auto else max(sweep["prompt_tokens"])
            output = max(sweep["output_tokens"])
        else:
            of_longcode = file_of(workload) == LONGCODE_FILE
            where = "longcode.prompt_tokens" if of_longcode else "max_new_tokens"
            prompt = phases["longcode"]["prompt_tokens"] if of_longcode else 1
            output = 0 if phases["replay"] is not None else limit_of(workload, phases)
        if prompt + output > limit:
            raise ConfigurationError(
                f"phases.{where}: '{name}' takes {limit} tokens of prompt and output, and"
                f" {prompt} + {output} are asked for ({workload})"
            )


def limit_of(workload: str, phases: Mapping[str, Any]) -> int:
    """The most new tokens of a workload's outputs."""
    asked = phases["max_new_tokens"]
    return WORKLOADS[workload].limit if asked == "auto" else asked


def _check_tasks(phases: Mapping[str, Any]) -> None:
    asked = phases["tasks"]
    if isinstance(asked, Mapping):
        # One that is not measured does no harm: it may stand in a configuration below this one.
        for workload in asked:
            choice(workload, WORKLOADS, "workload", "phases.tasks")
    for workload in (w for w in phases["workloads"] if w != SWEEP):
        known = TASKS[file_of(workload)]
        wanted = tasks_of(workload, phases)
        if isinstance(wanted, int) and wanted > len(known):
            raise ConfigurationError(
                f"phases.tasks ({workload}): {wanted} are asked for and there are {len(known)}"
            )
        if isinstance(wanted, list):
            for task in wanted:
                choice(task, known, "task", f"phases.tasks ({workload})")


def tasks_of(workload: str, phases: Mapping[str, Any]) -> Any:
    """What is asked for of a workload: `all`, a number, or a list of ids."""
    asked = _requested_tasks(workload, phases)
    return asked["ids"] if isinstance(asked, Mapping) else asked


def _requested_tasks(workload: str, phases: Mapping[str, Any]) -> Any:
    """The same, or a list with how it was chosen."""
    asked = phases["tasks"]
    return asked.get(workload, "all") if isinstance(asked, Mapping) else asked


def _chosen_by(workload: str, phases: Mapping[str, Any]) -> str | None:
    """How a workload's tasks were chosen, as far as the configuration says."""
    asked = _requested_tasks(workload, phases)
    if isinstance(asked, Mapping):
        return asked["chosen_by"]
    return SAMPLE if isinstance(asked, int) else phases["tasks_chosen_by"]


def _check_factors(phases: Mapping[str, Any]) -> None:
    if max(phases["batch_sizes"]) == 1:
        return
    if "sampled" in phases["decoding"]:
        raise ConfigurationError(
            "phases.batch_sizes: above 1 only greedy decoding is measured, since sampled copies of"
            " a prompt differ (decoding: [greedy])"
        )
    if "baseline" not in phases["conditions"]:
        raise ConfigurationError(
            "phases.batch_sizes: above 1 only the baseline is measured, and conditions leaves it"
            " out"
        )


def check_unchanged(spec: str, measured: Mapping[str, Any]) -> None:
    """Refuses to measure over a session that was measured otherwise.

    Args:
        spec: What the session would be told now.
        measured: What it was told, from its session.json.

    Raises:
        ConfigurationError: The two differ; the message names where.
    """
    now = json.loads(spec)
    if unknown := sorted(now.keys() - measured.keys() - LATER):
        raise ConfigurationError(
            f"campaign '{now['campaign']}' holds {now['session']}, measured by a version that knew"
            f" no {unknown[0]}; choose another name (--config campaign=NAME), or read it with the"
            " target analyse"
        )
    for key in sorted((now.keys() - (LATER - measured.keys())) | measured.keys()):
        if now.get(key) != measured.get(key):
            raise ConfigurationError(
                f"campaign '{now['campaign']}' holds {now['session']}, measured with {key}:"
                f" {format_value(measured.get(key), 200)}, and now it is"
                f" {format_value(now.get(key), 200)}; choose another name"
                " (--config campaign=NAME), or delete"
                f" results/{now['campaign']}/raw/{now['session']} to measure it again"
            )


def session_spec(session: Session, config: Mapping[str, Any], models: Mapping[str, Any]) -> str:
    """What the session's program is told: one line of JSON, equal when the experiment is equal.
    What does not bear on the session is not in it."""
    phases = config["phases"]
    probe, analysis = phases["probe"], config["analysis"]
    entry = models[session.model]
    spec = {
        "session": session.name,
        "campaign": config["campaign"],
        "model": session.model,
        "source": entry["source"],
        "prompt": entry["prompt"],
        # Other weights under the same name are another experiment.
        "entry": entry,
        "workload": session.workload,
        "round": session.round,
        "batch_size": session.batch,
        "dtype": session.dtype,
        "decoding": session.decoding,
        "device": config["device"],
        "seed": config["seed"],
        "metering": config["metering"],
        "threads": phases["threads"],
        "warmup_s": phases["warmup_s"],
        "protocol": config["protocol"],
        "probe": probe | {"repetitions": told_repetitions(probe["repetitions"], analysis)},
    }
    if session.workload == SWEEP:
        return json.dumps({**spec, "sweep": phases["sweep"]}, sort_keys=True)
    sampled = session.decoding == "sampled"
    spec |= {
        "tasks": tasks_of(session.workload, phases),
        "tasks_chosen_by": _chosen_by(session.workload, phases),
        "conditions": phases["conditions"] if session.batch == 1 else ["baseline"],
        "repetitions": phases["seeds"]
        if sampled
        else told_repetitions(phases["repetitions"], analysis),
        "max_new_tokens": limit_of(session.workload, phases),
        "suppression": phases["suppression"],
        "replay": phases["replay"],
    }
    if sampled:
        spec |= {"temperature": phases["temperature"], "top_p": phases["top_p"]}
    if session.file == LONGCODE_FILE:
        spec |= {"prompt_tokens": phases["longcode"]["prompt_tokens"]}
    return json.dumps(spec, sort_keys=True)


def workload_options(file: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """What the program that writes a workload's tasks is told."""
    phases = config["phases"]
    match file:
        case "longcode":
            return {"seed": config["seed"], "characters": phases["longcode"]["characters"]}
        case "longbench":
            return dict(phases["longbench"])
    return {}
