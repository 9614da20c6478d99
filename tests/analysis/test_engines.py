"""Engine against engine: whoever was measured, by name, and nobody's name is in the code."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

from analysis.figures import load
from analysis.figures.drawing import style
from analysis.figures.drawing.style import NothingToShowError, marker_style
from analysis.figures.runtimes_engines import over_one
from analysis.runtimes import wording
from analysis.runtimes.matrix import EXPORTS, both_ways, label, matrices
from analysis.runtimes.order import rank
from analysis.runtimes.pairs import ENGINES, engine_pairs, planned_pairs
from analysis.runtimes.providers import place
from analysis.runtimes.systems import engine

ENERGY, TIME = wording.ENERGY, wording.TIME
# Seconds of an inference, by (system, origin, provider).
ON_ONE_EXPORT = {
    ("pytorch", None, "cpu"): 0.02,
    ("onnxruntime", "pytorch", "cpu"): 0.01,
    ("openvino", "pytorch", "cpu"): 0.008,
    ("onnxruntime", "pytorch", "openvino"): 0.009,
}
FILE_IN_THREE = {
    ("onnxruntime", "file", "cpu"): 0.01,
    ("openvino", "file", "cpu"): 0.005,
    ("another_engine", "file", "cpu"): 0.02,
}
TWO_ORIGINS = ON_ONE_EXPORT | {
    ("jax", None, "cpu"): 0.03,
    ("onnxruntime", "jax", "cpu"): 0.015,
}
NAMES = [f"system_{letter}" for letter in "abcdefghijkl"]
TWELVE = {(name, None, "cpu"): 0.01 * (1 + n / 10) for n, name in enumerate(NAMES)}
OUT = {"stage": "provider", "why": "no such wheel"}


def measured(bench, times, model="small", rounds=3, batch_sizes=(1,), **shares):
    """Sessions of several runtimes on one network; a round takes up to 1 % more."""
    made = []
    for number, ((system, origin, provider), each_s) in itertools.product(
        range(1, rounds + 1), times.items()
    ):
        one = bench(
            **{"system": system, "origin": origin, "provider": provider, "model": model},
            **{"round": number, "batch_sizes": batch_sizes},
        )
        one.begin(seconds=20)
        one.window("idle", 2)
        # A scatter that is not the same for any two of them.
        off = 1 + 0.002 * np.sin(number * (1 + each_s * 1000))
        for repetition, batch in itertools.product(range(2), batch_sizes):
            one.inference(batch, repetition, each_s=each_s * batch * off, **shares)
        one.device = "cpu"
        for segment in one.segments:
            segment["device"] = "cpu"
        made.append(one)
    return made


MADE = {}


@pytest.fixture
def tables(bench, tabulate_runtimes):
    """The campaign of some runtimes, made once."""

    def make(times):
        key = str(times)
        if key not in MADE:
            MADE[key] = tabulate_runtimes(*measured(bench, times))
        return MADE[key]

    return make


def of(campaign):
    compared = pd.concat([campaign.comparisons, campaign.engines], ignore_index=True)
    return list(matrices(compared, campaign.runtimes, campaign.systems))


def test_two_engines_on_one_export_are_compared_and_named(tables):
    campaign = tables(ON_ONE_EXPORT)
    time = campaign.engines[campaign.engines.metric == TIME].set_index(["first", "first_provider"])
    row = time.loc[("OpenVINO from PyTorch", "cpu")]
    row = row[row.second_provider == "cpu"].squeeze()
    assert row.second == "ONNX Runtime from PyTorch" and row.ratio == pytest.approx(0.8, rel=0.01)
    assert row.ratio_low < row.ratio < row.ratio_high and row.p_holm < 0.05
    assert row.question == ENGINES and row.family == "engines, time per inference: 2 tests"
    # What the study asks is asked there, and not again.
    assert set(campaign.comparisons.question) == {"RQ2", "RQ3"}
    systems = campaign.systems.set_index(["runtime", "provider"])
    openvino = systems.loc[("OpenVINO from PyTorch", "cpu")]
    assert (openvino.engine, openvino.version, openvino.runs) == (
        *("OpenVINO", "1.2.3", "the export of PyTorch"),
    )
    assert systems.loc[("ONNX Runtime from PyTorch", "openvino")].place == "cpu"


def test_a_provider_that_no_framework_has_stands_against_the_framework_where_it_computes(tables):
    table = tables(ON_ONE_EXPORT).comparisons
    asked = table[(table.question == "RQ2") & (table.first_provider == "openvino")]
    assert set(asked.second) == {"PyTorch"} and (asked.second_provider == "cpu").all()
    (energy,) = asked[asked.metric == ENERGY].itertuples()
    assert energy.ratio == pytest.approx(0.45, rel=0.01)
    provider = table[(table.question == "RQ3") & (table.metric == TIME)].squeeze()
    assert (provider.first_provider, provider.second_provider) == ("openvino", "cpu")


def test_a_file_without_a_framework_is_compared_in_all_its_engines(tables):
    campaign = tables(FILE_IN_THREE)
    assert campaign.comparisons.empty
    table = campaign.engines[campaign.engines.metric == ENERGY]
    pairs = zip(table["first"].map(engine), table.second.map(engine), strict=True)
    ratios = dict(zip(pairs, table.ratio, strict=True))
    assert ratios == pytest.approx(
        {
            ("OpenVINO", "ONNX Runtime"): 0.5,
            ("another_engine", "ONNX Runtime"): 2,
            ("another_engine", "OpenVINO"): 4,
        },
        rel=0.01,
    )
    assert set(campaign.systems.runs) == {"the model's own file"}
    load("runtimes-engines")(campaign)
    with pytest.raises(NothingToShowError, match="no export was measured beside the framework"):
        load("runtimes-onnx")(campaign)
    with pytest.raises(NothingToShowError, match="OpenVINO was measured on one provider only: CPU"):
        load("runtimes-providers")(campaign)


def test_a_matrix_holds_every_pair_both_ways_and_no_two_exports(tables):
    campaign = tables(TWO_ORIGINS)
    (matrix,) = of(campaign)
    assert len(matrix.names) == 6 and EXPORTS in matrix.left_out
    exports = {"jax": "ONNX Runtime from JAX", "pytorch": "ONNX Runtime from PyTorch"}
    for one, other in itertools.permutations(matrix.names, 2):
        found = [matrix.ratios.get((one, other, metric)) for metric in (ENERGY, TIME)]
        apart = {exports["jax"]} < {one[0], other[0]} and "JAX" not in (one[0], other[0])
        apart = apart and not {one[0], other[0]} & {"PyTorch"}
        assert all(found) != apart, (one, other)
        if not apart:
            back = matrix.ratios[(other, one, ENERGY)]
            assert found[0]["ratio"] * back["ratio"] == pytest.approx(1)
            assert found[0]["ratio_low"] * back["ratio_high"] == pytest.approx(1)
            assert found[0]["told"] == back["told"]
    least = min(matrix.names, key=lambda who: matrix.means[who, ENERGY])
    assert label(least) == "OpenVINO from PyTorch"
    assert "least mean energy: OpenVINO from PyTorch, told apart from 4 of 4" in matrix.best[0]


def test_a_ratio_turned_round_is_its_inverse_and_tests_stay(tables):
    table = tables(ON_ONE_EXPORT).comparisons
    both = both_ways(table)
    there, back = (both[both.turned == turned].reset_index(drop=True) for turned in (False, True))
    assert (there["first"] == back.second).all() and (there.p_holm.equals(back.p_holm))
    known = there.ratio.notna()
    assert np.allclose(there.ratio[known] * back.ratio[known], 1)
    assert (back.ratio_low[known] < back.ratio[known]).all()
    assert (there.first_mean[known] == back.second_mean[known]).all()


def test_the_reference_is_whom_most_can_be_held_against(bench, tabulate_runtimes, tables):
    shown = over_one(tables(TWO_ORIGINS))
    # Both frameworks can be held against all: of them the first.
    assert set(shown.against) == {"JAX"} and len(shown[shown.metric == TIME]) == 5
    checked = {"pair": "framework", "model": "small", "subject": "JAX", "against": "PyTorch"}
    checked |= {"where": "cpu", "batch_sizes": [1], "relative_error": [0.0], "tolerance": 1e-5}
    checked |= dict.fromkeys(("why", "exporter", "opset", "notes")) | {"passed": True}
    benches = measured(bench, TWO_ORIGINS)
    benches[0].parity = [checked]
    assert set(over_one(tabulate_runtimes(*benches)).against) == {"PyTorch"}
    # A file has no framework: the first of its engines.
    own = over_one(tables(FILE_IN_THREE))
    assert set(own.against) == {"ONNX Runtime from file"}


def test_what_was_excluded_is_no_line_and_its_reason_stands_once(bench, tabulate_runtimes):
    benches = measured(bench, ON_ONE_EXPORT)
    benches += [
        bench(system=system, origin="pytorch", round=number, excluded=OUT, batch_sizes=(1,))
        for system in ("tvm", "iree")
        for number in (1, 2, 3)
    ]
    campaign = tabulate_runtimes(*benches)
    (matrix,) = of(campaign)
    assert len(matrix.names) == 4
    (reason,) = [line for line in matrix.left_out if "no such wheel" in line]
    assert reason.count("no such wheel") == 1 and "tvm" in reason and "iree" in reason
    (line,) = wording.exclusions(campaign.excluded)
    assert line.startswith("small: iree from PyTorch, tvm from PyTorch on CPU (provider): no such")
    figure = load("runtimes-engines")(campaign)
    names = [mark.get_text() for mark in figure.axes[0].get_yticklabels()]
    assert not any("tvm" in name for name in names)
    assert figure.get_supxlabel().count("no such wheel") == 1


def test_the_page_of_many_engines_names_all_and_folds(bench, runtimes_page):
    benches = [
        *measured(bench, TWELVE, "many", rounds=2),
        *measured(bench, TWO_ORIGINS, "small"),
        *measured(bench, FILE_IN_THREE, "own"),
    ]
    text, campaign = runtimes_page(*benches)
    plain = re.sub("<[^>]+>", "", text)
    assert all(name in plain for name in NAMES) and "OpenVINO 1.2.3" in plain
    assert f"{len(benches)} sessions in 3 rounds, on cpu, 2026-01-01" in plain
    folds = re.findall(r"<details( open)?><summary[^>]*>(.*?)</summary>", text, re.DOTALL)
    folded = {re.sub("<[^>]+>", "", words).split(",")[0]: not opened for opened, words in folds}
    assert folded[f"{len(benches)} sessions in 3 rounds"] and folded["67 pairs"]
    assert "many, batch 1, on CPU: 12 engines; least mean energy: system_a" in plain
    assert len(of(campaign)) == 3
    # One left out with its reason, in its place, and no picture of it.
    pictures = [file for file in campaign.folder.glob("figures/*.png") if file.stat().st_size]
    assert text.count("data:image/png") == len(pictures) > 1
    assert "Do they compute the same?</strong>: left out, no pair was checked." in text


def test_as_many_looks_as_there_are_systems():
    looks = [tuple(marker_style(number).values()) for number in range(72)]
    assert len(set(looks)) == 72
    # Neighbours differ in colour, which is seen first.
    assert all(a[0] != b[0] for a, b in itertools.pairwise(looks))
    # Told apart in grey and by the colour-blind: no colour is another's neighbour in lightness.
    assert len(set(style.COLOURS)) == len(style.COLOURS)


def test_a_provider_that_nobody_knows_has_a_place_and_a_rank():
    assert place("tensorrt") == "cuda" and place("somebodys") == "somebodys"
    names = ["somebodys", "cuda", "cpu"]
    assert sorted(names, key=lambda name: rank("x", False, name)) == ["cpu", "cuda", "somebodys"]


def test_no_pair_is_asked_twice():
    def session(system, origin, provider):
        spec = {"model": "m", "title": f"{system} {origin}", "system": system, "origin": origin}
        return {"spec": spec | {"provider": provider, "batch_sizes": [1]}}

    sessions = [session(*who) for who in TWO_ORIGINS] + [
        session("pytorch", None, "cuda"),
        session("onnxruntime", "pytorch", "cuda"),
        session("onnxruntime", "pytorch", "tensorrt"),
        session("openvino", "pytorch", "cuda"),
    ]
    pairs = [*planned_pairs(sessions), *engine_pairs(sessions)]
    asked = [frozenset((pair.first, pair.second)) for pair in pairs]
    assert len(asked) == len(set(asked))
    subjects = {side for pair in pairs for side in (pair.first, pair.second)}
    for one, other in itertools.combinations(subjects, 2):
        here = place(one.provider) == place(other.provider)
        exports = one.origin and other.origin and one.origin != other.origin
        if here and not exports:
            assert frozenset((one, other)) in asked, (one, other)
