"""Figures and the page of the study of runtimes, on the cases that a campaign can be."""

import base64
import re
from html import unescape

import pytest

from analysis.figures import figures, load, on_page
from analysis.figures.drawing.style import NothingToShowError

RUNTIMES = {name: load(name) for name in on_page("runtimes")}

PAIR = {
    "pair": "onnx",
    "model": "small",
    "subject": "ONNX Runtime from PyTorch",
    "against": "PyTorch",
    "where": "cpu",
    "batch_sizes": [1, 3],
    "relative_error": [0.0, 2e-7],
    "tolerance": 1e-5,
    "passed": True,
    "why": None,
    "exporter": "an exporter 1.0",
    "opset": 18,
    "notes": "two nodes folded",
}
FAILED = {**PAIR, "relative_error": [None, None], "passed": False, "why": "invalid <graph>"}
OUT = {"stage": "conversion", "why": "invalid <graph>"}
EXPORT = {"system": "onnxruntime", "origin": "pytorch"}


def fill(one, each_s=0.01, repetitions=4, **shares):
    one.begin(seconds=40)
    one.window("idle", 2)
    for repetition in range(repetitions):
        for batch in one.batch_sizes:
            # No two windows are alike.
            one.inference(batch, repetition, each_s=each_s * batch + 1e-5 * repetition, **shares)
    return one


def titles_of(names):
    return [figures()[name].title for name in names]


def processor(bench, known):
    more = {"parity": [PAIR]}
    return [
        fill(bench(known.ESTIMATE, watts=10.0, round=number, **how), each_s)
        for number in (1, 2)
        for how, each_s in (
            ({}, 0.01),
            ({"system": "tensorflow"}, 0.02),
            ({**EXPORT, **more, "absent": {"cuda": "no CUDA provider"}}, 0.008),
        )
    ] + [bench(system="onnxruntime", origin="tensorflow", parity=[FAILED], excluded=OUT)]


def both_providers(bench, known):
    return [
        fill(bench(known.GPU, provider=provider, **how), each_s)
        for provider, how, each_s in (
            ("cuda", {}, 0.01),
            ("cuda", EXPORT, 0.008),
            ("tensorrt", EXPORT, 0.005),
        )
    ] + [fill(bench(known.RAPL, **EXPORT), 0.1)]


def one_window(bench, known):
    return [fill(bench(batch_sizes=(1,)), repetitions=1)]


def busy(bench, known):
    return [fill(bench(), others=0.5), fill(bench(**EXPORT))]


def lost(bench, known):
    one = fill(bench())
    one.samples = []
    one.events = [{"segment": 1, "t_ns": 1, "kind": "meter-lost", "domain": "cpu", "why": "gone"}]
    return [one]


def nothing(bench, known):
    return [bench(excluded=OUT), bench(**EXPORT, excluded=OUT, parity=[FAILED])]


CASES = [processor, both_providers, one_window, busy, lost, nothing]


@pytest.fixture
def page(bench, known, runtimes_page):
    """The report of a case, as the rules make it, and its campaign."""
    return lambda case: runtimes_page(*case(bench, known))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_figures_and_page_are_whole(case, page):
    text, campaign = page(case)
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//|@import|<script|<link""", text)
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    left_out = re.findall(r'left-out"><strong>([^<]+)</strong>: left out, ([^<]+)\.<', text)
    titles = re.findall(r"<figcaption><strong>([^<]+)\.</strong>", text)
    assert len(images) == len(titles)
    assert sorted([*titles, *(title for title, _ in left_out)]) == sorted(titles_of(RUNTIMES))
    assert all(base64.b64decode(image).startswith(b"\x89PNG") for image in images)
    assert re.findall(r"\W(?:nan|None|NaN|inf)\W.{0,60}", re.sub(r"base64,[^\"]+", "", text)) == []
    energies = campaign.inferences.dropna(subset=["inference_j"])
    for name, draw in RUNTIMES.items():
        try:
            figure = draw(campaign)
        except NothingToShowError as error:
            assert str(error) in {unescape(why) for _, why in left_out}, name
            continue
        shown = [axes for axes in figure.axes if axes.axison]
        labels = " ".join(axes.get_xlabel() + axes.get_ylabel() for axes in shown)
        assert not shown or re.search(r"\[\S+\]", labels), name
        texts = [text.get_text() for axes in figure.axes for text in axes.texts]
        assert not any("nan" in text for text in texts), name
        if shown and len(energies) and name in ("runtimes-energy", "runtimes-correlation"):
            assert all(meter in figure.get_supxlabel() for meter in set(energies.meter)), name
            assert ("ESTIMATE" in figure.get_supxlabel()) == bool(energies.estimate.any()), name


def test_the_page_of_estimates_warns_and_tells_what_is_out(page):
    text = " ".join(page(processor)[0].split())
    assert "These joules are an estimate" in text
    assert "estimate: close to a tautology" in text
    assert "takes 20 % less time" in text and "an estimate knows nothing of idle power" in text
    assert "TensorFlow on CPU takes 100 % more time than PyTorch on CPU" in text
    assert "RQ1, time per inference: 2 tests: 2 told apart." in " ".join(_words(text))
    assert "FAILED: invalid &lt;graph&gt;" in text
    assert "ONNX Runtime from TensorFlow on CPU (conversion): invalid &lt;graph&gt;" in text
    assert "on CUDA (absent): no CUDA provider" in text
    assert "an exporter 1.0, opset 18" in text and "two nodes folded" in text
    assert "not the sessions' own" not in text.replace("&#39;", "'")


def _words(text):
    return re.sub("<[^>]+>", "", text).split()


def test_the_page_says_first_what_can_be_said_and_names_its_families(page):
    text = page(processor)[0]
    said, body = text.index("What can be said"), text.index("<h2>Figures")
    assert said < body
    words = " ".join(_words(text[said:body]))
    for metric in ("energy per inference", "time per inference"):
        assert f"RQ2, {metric}: 2 tests" in words
    assert "RQ2, energy per inference above idle: 0 tests: 4 not compared" in words


def test_one_round_gives_no_verdict_and_says_so(page):
    text, campaign = page(both_providers)
    compared = campaign.comparisons[campaign.comparisons.reason == ""]
    assert len(compared) and set(compared.verdict) == {"one round: no verdict"}
    assert compared[["p", "p_holm", "ratio_low", "equivalence_p"]].isna().all(axis=None)
    assert "one round: no verdict" in text
    assert "RQ2, time per inference: 0 tests: 4 without a verdict" in " ".join(_words(text))


def test_the_page_of_a_measurement_has_no_such_warning(page):
    text = " ".join(page(busy)[0].split()).replace("&#39;", "'")
    assert (
        "are an estimate" not in text
        and "tautology" not in re.sub("<figcaption.*?>", "", text)[text.index("<h2>Parity") :]
    )
    assert "The machine was not the sessions' own" in text
    assert "small__pytorch__cpu__r1: 8 of 8 windows" in text
    assert "small__onnxruntime.pytorch__cpu__r1: " not in text
    assert "one round only" in text


def test_the_page_of_nothing_says_why(page):
    text, campaign = page(nothing)
    assert "Nothing was measured" in text and "invalid &lt;graph&gt;" in text
    assert campaign.runtimes.empty and campaign.inferences.empty


def test_the_figure_of_providers_says_where_there_was_only_one(bench, known, tabulate_runtimes):
    with pytest.raises(NothingToShowError, match="one provider only: CPU") as found:
        RUNTIMES["runtimes-providers"](tabulate_runtimes(*processor(bench, known)))
    assert "no CUDA provider" in str(found.value)
    several = RUNTIMES["runtimes-providers"](tabulate_runtimes(*both_providers(bench, known)))
    legend = {text.get_text() for legend in several.legends for text in legend.get_texts()}
    assert "TensorRT against CUDA" in legend


def test_bars_are_as_long_as_the_table_says(bench, known, tabulate_runtimes):
    campaign = tabulate_runtimes(*processor(bench, known))
    figure = RUNTIMES["runtimes-energy"](campaign)
    cells = campaign.runtimes
    energy = cells[(cells.metric == "energy per inference") & (cells.domain == "total")]
    bars = [bar.get_width() for axes in figure.axes for bar in axes.patches]
    assert sorted(bars) == pytest.approx(sorted(energy["mean"]))
    said = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert sum("excluded: conversion" in words for words in said) == 2
