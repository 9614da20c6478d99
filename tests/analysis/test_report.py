"""Tables, figures and the page, from raw data to HTML, on the cases that a campaign can be."""

import base64
import re

import numpy as np
import pandas as pd
import pytest

import report_phases
from analysis.figures import load, on_page
from analysis.figures.drawing.campaign import Campaign
from analysis.figures.drawing.style import NothingToShowError
from analysis.pages import phases_rows

FIGURES = {name: load(name) for name in on_page("phases")}
ON = {"name": "memory", "on": True, "detail": "1024 MB a process"}
OFF = {"name": "network", "on": False, "detail": "no namespaces here"}
SPAN_S = 380.0


def fill(one, tasks=3, *, suppressed=True, repetitions=1, **keywords):
    one.begin(seconds=SPAN_S)
    one.window("warmup", 0.3)
    one.window("idle", 3)
    for task in range(tasks):
        for repetition in range(repetitions):
            how = {"answer": 9, "passed": task != 1, "prefill_s": 0.1, **keywords}
            one.generation(f"T/{task}", repetition=repetition, **how)
            if suppressed:
                how |= {
                    "tokens": 9,
                    "passed": True,
                    "looks": [(4, 0.01, "failed: "), (9, 0.02, "passed")],
                }
                one.generation(f"T/{task}", "suppressed", repetition, **how)
    return one


def usual(lab, known):
    return [fill(lab())]


def estimate(lab, known):
    return [fill(lab((known.ESTIMATE, known.Truth(lambda t: 10 + 5 * np.sin(t), SPAN_S), {})))]


def baseline_only(lab, known):
    return [fill(lab(conditions=("baseline",)), suppressed=False)]


def one_task(lab, known):
    return [fill(lab(tasks=["T/0"]), 1)]


def only_ends(lab, known):
    return [fill(lab(), suppressed=False, tokens=1, stop="end", answer=None)]


def nothing_passes(lab, known):
    one = fill(lab(), suppressed=False, answer=None)
    for score in one.scores:
        score["passed"] = False
    return [one]


def lost_half_way(lab, known):
    one = fill(lab())
    middle = known.START_NS + 0.75 * (one.windows[-1]["start_ns"] - known.START_NS)
    one.samples = [sample for sample in one.samples if sample[1] < middle]
    one.events = [{"segment": 1, "t_ns": 1, "kind": "meter-lost", "domain": "gpu:0", "why": "bus"}]
    return [one]


def lost_at_once(lab, known):
    one = fill(lab())
    one.samples = []
    return [one]


def repeated(lab, known):
    return [fill(lab(repetitions=3), repetitions=3)]


def two_models_two_rounds(lab, known):
    return [
        fill(lab(model=model, round=number)) for model in ("small", "large") for number in (1, 2)
    ]


def whole_benchmark(lab, known):
    return [fill(lab(), 164, token_s=0.03, pause_s=0.01)]


def growing(tokens):
    """Seconds of a prefill of so many tokens, with a square term."""
    return 0.2 + 2e-4 * tokens + 1e-8 * tokens**2


def later(tokens):
    """Seconds of a decoding step behind so many tokens."""
    return 0.04 + 1e-6 * tokens


def whole_study(lab, known):
    """Two workloads of a published model with their probes, and a sweep."""
    how = {"prefill_s": growing, "token_s": later}
    prompts = {f"T/{n}": 140 + n for n in range(3)} | {f"L/{n}": 4200 + n for n in range(3)}
    prompts |= {f"sweep/{n}": n for n in LENGTHS}
    facts = {"model": "seeded", "published": "CodeLlama-7B", "prompts": prompts}
    first = fill(lab(**facts), tokens=80, **how)
    first.probes("T/0", **how)
    second = lab(**facts, workload="longcode-long").begin(seconds=SPAN_S)
    for task in ("L/0", "L/1", "L/2"):
        said = {"similarity": 0.5, "answer": 12, "tokens": 60, **how}
        second.generation(task, **said)
        second.generation(task, "suppressed", **{**said, "tokens": 12, "stop": "answer"})
    second.probes("L/0", **how)
    swept = lab(**facts, workload="sweep", conditions=("baseline",)).begin(seconds=SPAN_S)
    for length in LENGTHS:
        swept.probes(f"sweep/{length}", repetitions=2, **how)
    return [first, second, swept]


def only_a_sweep(lab, known):
    return whole_study(lab, known)[2:]


LENGTHS = (128, 256, 512, 1024, 2048, 4096)
CASES = [
    *(usual, estimate, baseline_only, one_task, only_ends, nothing_passes, lost_half_way),
    *(lost_at_once, repeated, two_models_two_rounds, whole_benchmark, whole_study, only_a_sweep),
]


@pytest.fixture(params=CASES, ids=lambda case: case.__name__)
def case(request, lab, known, tabulate):
    labs = request.param(lab, known)
    return labs, tabulate(*labs)


def footer(figure):
    return figure.get_supxlabel()


def labels(figure):
    """Labels of the axes that show numbers."""
    shown = [axes for axes in figure.axes if axes.axison]
    return [label for axes in shown for label in (axes.get_xlabel(), axes.get_ylabel()) if label]


@pytest.mark.filterwarnings("error")
def test_each_figure_draws_and_says_its_units(case, tmp_path):
    _, campaign = case
    for name, draw in FIGURES.items():
        try:
            figure = draw(campaign)
        except NothingToShowError as error:
            assert "nan" not in str(error) and "\n" not in str(error)
            continue
        figure.savefig(tmp_path / "figure.png", dpi=40)
        shown = [axes for axes in figure.axes if axes.axison]
        assert not shown or any(re.search(r"\[\S+\]", label) for label in labels(figure)), name
        texts = [text.get_text() for axes in figure.axes for text in axes.texts]
        texts += [axes.get_title(loc="left") for axes in figure.axes]
        assert not any("nan" in text for text in texts), name
        if shown and name != "answer":
            total = campaign.windows[campaign.windows.domain == "total"]
            assert "Meter: " + total.meter.iloc[0] in footer(figure), name
            assert ("ESTIMATE" in footer(figure)) == bool(total.estimate.any())


def test_every_axis_has_a_label_with_its_unit(lab, known, tabulate):
    campaign = tabulate(*whole_study(lab, known))
    units = {"power": ["s", "W"], "position": ["tokens", "J/token"]}
    units |= {"phases": ["J"], "answer": ["tokens"], "savings": ["J"]}
    units |= {"estimators": ["1"], "amplification": ["%"], "published": ["1"]}
    units |= {"context": ["tokens", "J/token"], "law": ["tokens", "J", "%"]}
    for name, expected in units.items():
        said = " ".join(labels(FIGURES[name](campaign)))
        assert all(f"[{unit}]" in said for unit in expected), (name, said)


def test_footers_tell_chosen_tasks(lab, known, tabulate):
    campaign = tabulate(*one_task(lab, known))
    for name in ("power", "phases", "position", "answer", "savings"):
        assert "chosen by hand" in footer(FIGURES[name](campaign)), name


@pytest.mark.parametrize("tasks", [3, 6])
def test_savings_figure_says_what_the_table_says(lab, known, tabulate, tasks):
    campaign = tabulate(fill(lab(), tasks))
    row = campaign.savings.set_index("scope").loc["all tasks"]
    (axes,) = FIGURES["savings"](campaign).axes
    title = axes.get_title(loc="left").replace("\n", " ")
    assert f"saved {row.saved_share:.1%}" in title
    if tasks < 5:
        assert "[" not in title and "(fewer than 5 prompts)" in title
    else:
        assert f"[{row.saved_share_low:.1%}, {row.saved_share_high:.1%}]" in title
        assert "(6 prompts, within one round)" in title


def test_tables_close_and_lost_energies_are_not_zero(case):
    labs, campaign = case
    generations = campaign.generations
    assert len(generations) == sum(len(one.scores) for one in labs)
    parts = generations.prefill_j + generations.decode_j + generations.check_j
    assert parts.isna().equals(generations.total_j.isna())
    assert ((parts / generations.total_j - 1).abs().dropna() < 1e-9).all()
    lost = generations.total_status == "not covered"
    assert lost.equals(generations.total_j.isna())
    assert (generations.total_j[~lost] > 0).all()
    assert set(campaign.summary.confidence) <= {0.95}


@pytest.fixture
def page(run_program, draw_figures, tabulate):
    """The report of labs, as the rules make it: figures by their program, then the page."""

    def make(*labs):
        campaign = tabulate(*labs)
        draw_figures(campaign, FIGURES)
        out = campaign.folder / "report.html"
        run_program(
            report_phases,
            *("--campaign", campaign.folder, "--sessions"),
            *[lab.folder / "session.json" for lab in labs],
            "--scores",
            *[lab.score_file for lab in labs if lab.scored],
            *("--out", out),
        )
        return out.read_text(encoding="utf-8")

    return make


@pytest.mark.parametrize(
    "case", [c for c in CASES if c is not whole_benchmark], ids=lambda case: case.__name__
)
def test_the_page_is_whole_and_needs_nothing_else(case, lab, known, page):
    labs = case(lab, known)
    text = page(*labs)
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text)
    assert not re.search(r"@import|url\(|<script|<link", text)
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    # A figure that has nothing to show says why where it would be.
    places = re.findall(
        r'<figcaption><strong>([^<]+)\.</strong>|left-out"><strong>([^<]+)</strong>: left out, \w',
        text,
    )
    assert ["".join(place) for place in places] == [
        spec.title for spec in on_page("phases").values()
    ]
    assert len(images) == sum(bool(drawn) for drawn, _ in places)
    figures = labs[0].campaign / "figures"
    for name, (drawn, _) in zip(FIGURES, places, strict=True):
        for suffix in (".png", ".pdf"):
            assert bool((figures / f"{name}{suffix}").stat().st_size) == bool(drawn), name
    assert all(base64.b64decode(image).startswith(b"\x89PNG") for image in images)
    assert all(one.name in text for one in labs)
    words = re.findall(r"\W(?:nan|None|NaN|inf)\W.{0,60}", re.sub(r"base64,[^\"]+", "", text))
    assert words == []


def test_the_page_warns_of_estimates_and_only_of_them(lab, known, page, tmp_path):
    warning = "These joules are an estimate"
    assert warning in page(*estimate(lab, known))


def test_the_page_of_a_measurement_has_no_such_warning(lab, known, page):
    text = page(*usual(lab, known))
    assert "These joules are an estimate" not in text
    assert "GPU 0, Some Board (NVML, whole board)" in text


def test_the_page_says_that_stopping_on_the_tests_is_selection(lab, known, page):
    text = " ".join(page(*usual(lab, known)).split())
    # T/1 fails in the baseline and passes where it was stopped.
    assert "is selection" in text
    assert re.search(r"adds 1 pass\(es\) to the 2 of the baseline and loses 0", text)


def test_a_page_without_suppression_speaks_of_no_savings(lab, known, page):
    text = page(*baseline_only(lab, known))
    assert "is selection" not in text and "Savings by suppression" not in text


def test_the_page_names_protections_that_are_off_anywhere(lab, known, page):
    first, second = lab(protections=[ON, OFF]), lab(model="large", protections=[ON])
    for one in (first, second):
        fill(one)
    second.protections = [{**ON, "on": False, "detail": "only while scoring"}]
    text = " ".join(page(first, second).split())
    assert re.search(r"network</td><td class=off>OFF</td><td>no namespaces here", text)
    assert re.search(r"memory</td><td class=off>OFF</td><td>only while scoring", text)


def test_the_page_names_what_was_not_measured(lab, known, page):
    why = {"meter": "rapl", "why": "no package zone <x>", "remedy": "load the module"}
    text = page(fill(lab(missing=[why])))
    assert "no package zone &lt;x&gt;" in text and "load the module" in text
    assert "No meter was lost" in text


def test_the_page_tells_of_lost_meters(lab, known, page):
    text = page(*lost_half_way(lab, known))
    assert re.search(r"generation: \d not covered, \d ok", text)
    assert "meter-lost" in text and "bus" in text
    assert "not covered" in text and "No meter was lost" not in text


def test_tables_are_the_same_again(lab, known, tabulate):
    labs = usual(lab, known)
    first = {name: getattr(tabulate(*labs), name) for name in ("summary", "savings", "pairs")}
    again = Campaign(labs[0].campaign)
    for name, table in first.items():
        pd.testing.assert_frame_equal(table, getattr(again, name))


def test_rounds_read_by_different_meters_are_refused(lab, known, tabulate):
    rounds = fill(lab(known.GPU, round=1)), fill(lab(known.ESTIMATE, round=2))
    with pytest.raises(SystemExit, match="different meters, which are never mixed"):
        tabulate(*rounds)


def test_the_page_says_what_intervals_rest_on_and_where_there_is_none(lab, known, page):
    one = " ".join(page(*usual(lab, known)).split())
    assert "one round" in one and "3 prompts, within one round" in one
    assert "fewer than 5 prompts" in one and "cannot reject" in one


def test_the_page_of_rounds_says_how_many(lab, known, page):
    text = " ".join(page(*(fill(lab(round=number)) for number in (1, 2, 3))).split())
    assert "3 rounds, 3 prompts" in text


def test_the_page_says_where_no_law_was_found(lab, known, page):
    swept = lab(workload="sweep", prompts={f"sweep/{n}": n for n in LENGTHS})
    swept.begin(seconds=SPAN_S)
    for number, length in enumerate(LENGTHS):
        how = {"prefill_s": growing, "token_s": 0.04 * (1 + 0.05 * (-1) ** number)}
        swept.probes(f"sweep/{length}", repetitions=2, **how)
    assert "<strong>no law found" in page(swept)


def test_an_order_effect_stands_in_the_sections_that_it_touches(lab, known, page):
    def falling(t):
        return 150 - 0.35 * t + 2 * np.sin(1.7 * t)

    one = lab((known.GPU, known.Truth(falling, SPAN_S), {}), conditions=("baseline",))
    one.begin(seconds=SPAN_S)
    one.window("idle", 3)
    for repetition in range(8):
        for task in range(3):
            one.generation(f"T/{task}", repetition=repetition, answer=9, prefill_s=0.1)
    text = page(one)
    said = "Order effect (p &lt; 0.05 after Holm): small__humaneval-0shot__r1: drift"
    summary = text.index("<h2>Summary</h2>")
    assert summary < text.index(said) < text.index("<h2>", summary + 5)


def test_work_of_others_within_an_estimate_is_told():
    details = {"rated_power_w": 20.0, "logical_cpus": 2}
    found = [{"estimate": True, "details": details}]
    sessions = [{"segments": [{"meters": {"found": found}}]}]
    # At 10 W a processor and one second of its own: alone, with a little, with much beside it.
    rows = {"estimate": True, "cpu_share": 1.0, "duration_s": 1.0, "total_j": [10.0, 11.0, 16.0]}
    assert phases_rows.shared(pd.DataFrame(rows), sessions) == 1
    assert phases_rows.shared(pd.DataFrame({**rows, "estimate": False}), sessions) == 0
