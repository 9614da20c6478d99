"""The figures of the study of phases on large and odd tables: all can be read, and none is cut."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from analysis.figures import load, on_page
from analysis.figures.drawing.campaign import Campaign
from analysis.figures.drawing.style import NothingToShowError, joules, si, si_interval

WORKLOADS = {
    # (prompt tokens, output tokens, whether tests judge)
    "humaneval-0shot": (140, 207, True),
    "humaneval-2shot": (500, 200, True),
    "humaneval-cot": (150, 1200, True),
    "longbench-cu": (4300, 10, False),
    "longbench-cu-long": (4250, 280, False),
}
TEN = [
    *("codellama-7b-init", "qwen2.5-coder-7b-init", "deepseek-coder-6.7b-init"),
    *("codegemma-7b-init", "codeqwen1.5-7b-init", "nextcoder-7b-init", "phi-3.5-mini-init"),
    *("phi-4-mini-init", "qwen3-4b-init", "qwen2.5-coder-3b-init, float16, replay of qwen3-4b"),
]
METER = {"meter": "GPU 0, Some Board (NVML, whole board)", "estimate": False}
LEVEL = {"confidence": 0.95}
# What of one prompt rests on rounds alone has no number of prompts.
ROUNDS = {"sampled": "rounds", "why": "", "rounds": 3}
BOTH = {**ROUNDS, "sampled": "rounds and prompts", "tasks": 12}
LENGTHS = (128, 256, 512, 1024, 2048, 4096, 8192)
SLOPE_J = 1e-5


def token_j(base, context):
    return base * 5 * (1 + SLOPE_J * context)


def prefill_j(base, n):
    return base * (2 + 0.04 * n + 2e-7 * n * n)


def within(value, share, randoms):
    """A value with an interval around it."""
    value = value * (1 + share * randoms.normal() / 2)
    return {"value": value, "low": value * (1 - share), "high": value * (1 + share)}


def tables_of(models, workloads, tasks=12, *, sweep=True, probes=True, suppressed=True, seed=0):
    """Tables as scripts/tables_phases.py writes them, by a known law."""
    randoms = np.random.default_rng(seed)
    rows = {name: [] for name in TABLES}
    for number, model in enumerate(models):
        base = 1 + 0.1 * number
        for workload in workloads:
            cell = _cell(rows, model, workload, base, tasks, suppressed, randoms)
            if probes:
                _estimators(rows, cell, base, randoms)
        if workloads:
            _compared(rows, model, workloads, base, sweep, randoms)
        if sweep:
            _law(rows, model, base, randoms)
    return {name: pd.DataFrame(rows[name], columns=TABLES[name] or None) for name in rows}


TABLES = {
    "generations": None,
    "summary": None,
    "savings": None,
    "pairs": None,
    "position": None,
    "estimators": None,
    "agreement": None,
    "amplification": None,
    "ends": None,
    "context": None,
    "law": None,
    "law_points": None,
    "identities": None,
    "published": None,
}


def _cell(rows, model, workload, base, tasks, suppressed, randoms):
    prompt, output, judged = WORKLOADS[workload]
    cell = {"model": model, "workload": workload}
    conditions = ("baseline", "suppressed") if suppressed else ("baseline",)
    for task in range(tasks):
        name = f"HumanEval/{task}" if judged else f"lcc/{task}"
        passed = bool(task % 3) if judged else pd.NA
        alike = pd.NA if judged else (task % 7) / 7
        totals = {}
        for condition in conditions:
            tokens = output if condition == "baseline" else max(2, output // 3)
            decode = token_j(base, prompt) * (tokens - 1)
            totals[condition] = prefill_j(base, prompt) + decode * (1 + 0.02 * randoms.normal())
            rows["generations"].append(
                {
                    **cell,
                    "session": f"{model}__{workload}__r1",
                    "generation": f"{name}:{condition}:0",
                    "task": name,
                    "condition": condition,
                    "repetition": 0,
                    "chosen": True,
                    "chosen_by": "a random sample",
                    "output_tokens": tokens,
                    "babble_tokens": 2 * tokens // 3 if task % 4 else pd.NA,
                    "passed": passed,
                    "similarity": alike,
                    **METER,
                }
            )
        if suppressed:
            rows["pairs"].append(
                {
                    **cell,
                    "task": name,
                    "total_j_baseline": totals["baseline"],
                    "total_j_suppressed": totals["suppressed"],
                    "check_j_suppressed": 0.02 * totals["suppressed"],
                    "passed_suppressed": passed,
                    "similarity_suppressed": alike,
                    "resolved": True,
                }
            )
        for position in range(1, output - 16, 16):
            each = token_j(base, prompt + position) * (1 + 0.03 * randoms.normal())
            rows["position"].append(
                {
                    **cell,
                    "session": f"{model}__{workload}__r1",
                    "generation": f"{name}:baseline:0",
                    "task": name,
                    "position": position,
                    "context": prompt + position + 8,
                    "tokens": 16,
                    "joules": 16 * each,
                    "resolved": True,
                }
            )
    if suppressed:
        saved = dict(
            zip(
                ("saved_share", "saved_share_low", "saved_share_high"), (0.6, 0.5, 0.7), strict=True
            )
        )
        rows["savings"].append({**cell, "scope": "all tasks", "unresolved": 0, **saved, **BOTH})
    total = prefill_j(base, prompt) + token_j(base, prompt) * (output - 1)
    share = prefill_j(base, prompt) / total
    short = prompt < 1000
    metrics = {
        "energy per generation": (total, ""),
        "prefill energy": (prefill_j(base, prompt), "repetition" if short else "attribution"),
        "decoding energy": (total - prefill_j(base, prompt), ""),
        "checking energy": (0.0, ""),
        "prefill share": (share, "repetition" if short else "attribution"),
    }
    for condition in conditions:
        for metric, (value, estimator) in metrics.items():
            interval = within(value, 0.05, randoms)
            facts = {"condition": condition, "metric": metric, "estimator": estimator}
            rows["summary"].append({**cell, **facts, **interval, **LEVEL, **BOTH})
    return cell | {"prompt": prompt, "output": output}


def _estimators(rows, cell, base, randoms):
    model, workload, prompt = cell["model"], cell["workload"], cell["prompt"]
    for task in range(2):
        length = int(prompt * (1 + 0.2 * task))
        for phase, truth in (
            ("prefill", prefill_j(base, length)),
            ("decoded token", token_j(base, length)),
        ):
            resolved = phase != "prefill" or prompt > 1000
            for estimator in ("attribution", "repetition", "difference"):
                off = 0.3 if estimator == "attribution" and not resolved else 0.01
                rows["estimators"].append(
                    {
                        "model": model,
                        "workload": workload,
                        "task": f"T/{task}",
                        "prompt_tokens": length,
                        "output_tokens": 65,
                        "phase": phase,
                        "estimator": estimator,
                        **within(truth * (1 + off), 0.02, randoms),
                        "resolved": resolved or estimator != "attribution",
                        "headline": estimator == ("attribution" if resolved else "repetition"),
                        **ROUNDS,
                        **METER,
                        **LEVEL,
                    }
                )


def _compared(rows, model, workloads, base, sweep, randoms):
    reference, *others = workloads
    for workload in others:
        longer, shorter = (WORKLOADS[w][0] for w in (workload, reference))
        rows["amplification"].append(
            {
                "model": model,
                "workload": workload,
                "reference": reference,
                "context": longer,
                "reference_context": shorter,
                **within(token_j(base, longer) / token_j(base, shorter) - 1, 0.1, randoms),
                "predicted": 0.04 if sweep else np.nan,
                "predicted_low": 0.03 if sweep else np.nan,
                "predicted_high": 0.05 if sweep else np.nan,
                **BOTH,
                "published": 0.05,
                **METER,
                **LEVEL,
            }
        )
    for workload in workloads:
        for quantity, ours in (
            ("prefill share", 0.02 if workload != "longbench-cu" else 0.8),
            ("decoded token over 0-shot", 1.04),
            ("generation over 0-shot", WORKLOADS[workload][1] / 207),
        ):
            if workload == reference and quantity != "prefill share":
                continue
            found = within(ours, 0.1, randoms)
            found["ours"] = found.pop("value")
            facts = {"model": model, "workload": workload, "quantity": quantity}
            facts["published_workload"] = workload
            rows["published"].append(
                {**facts, **found, **BOTH, "theirs": ours * 1.2, "ratio": 0.83}
            )
    rows["context"].append(_slope(model, base, "all workloads", "outputs", 150, 4600))


def _law(rows, model, base, randoms):
    for length, repetition in itertools.product(LENGTHS, range(3)):
        for phase, truth in (
            ("prefill", prefill_j(base, length)),
            ("decoded token", token_j(base, length)),
        ):
            measured = truth * (1 + 0.01 * randoms.normal())
            rows["law_points"].append(
                {
                    "model": model,
                    "phase": phase,
                    "prompt_tokens": length,
                    "context": length + 32,
                    "repetition": repetition,
                    "measured_j": measured,
                    "fitted_j": truth,
                    "residual": measured / truth - 1,
                }
            )
    terms = {"a": (2, "J"), "b": (0.04, "J/token"), "c": (2e-7, "J/token²")}
    terms |= {"d": (5, "J"), "e": (5 * SLOPE_J, "J/token")}
    for term, (value, unit) in terms.items():
        rows["law"].append(
            {
                "model": model,
                "phase": "prefill" if term in "abc" else "decoded token",
                "term": term,
                **within(base * value, 0.02, randoms),
                "unit": unit,
                "worst_residual": 0.031,
                "found": True,
                "why": "",
                "r2": 0.998,
                "lack_of_fit_p": 0.2,
                "left_out_low": 0.98 * base * value,
                "left_out_high": 1.02 * base * value,
                "lengths": len(LENGTHS),
                "rounds": 1,
                **METER,
                **LEVEL,
            }
        )
    rows["context"].append(_slope(model, base, "sweep", "sweep", 128, 8200))


def _slope(model, base, workload, source, from_tokens, to_tokens):
    slopes = zip(("slope", "low", "high"), (5000, 4900, 5100), strict=True)
    return {
        "model": model,
        "workload": workload,
        **{name: value * base * SLOPE_J for name, value in slopes},
        "intercept": 5 * base,
        "from_tokens": from_tokens,
        "to_tokens": to_tokens,
        "found": True,
        **BOTH,
        "source": source,
    }


class Given(Campaign):
    """A campaign whose tables are at hand."""

    def __new__(cls, tables):
        return super().__new__(cls)

    def __init__(self, tables):
        super().__init__(None)
        object.__setattr__(self, "given", tables)

    def table(self, name):
        return self.given[name]


TWO = ["smollm2-135m-instruct"]
CASES = {
    "one workload": lambda: tables_of(TEN[1:2], [*WORKLOADS][:1], sweep=False, probes=False),
    "two workloads, probes, a sweep": lambda: tables_of(TWO, [*WORKLOADS][::4]),
    "two models, whole benchmarks": lambda: tables_of(TEN[-2:], WORKLOADS, 45),
    "ten models, five workloads": lambda: tables_of(TEN, WORKLOADS, 3),
    "a sweep only": lambda: tables_of(TEN[:2], []),
    "no suppression": lambda: tables_of(TEN[:3], WORKLOADS, 6, suppressed=False),
}
PHASES = {name: load(name) for name in on_page("phases")}
# Those that need readings or other tables are drawn in the tests of the page.
DRAWN = {
    name: PHASES[name]
    for name, spec in on_page("phases").items()
    if not spec.sessions and set(spec.tables) <= {*TABLES}
}
# What figures say where their table is empty.
NOTHING = {
    "phases": "no output was generated",
    "position": "no baseline output is long enough",
    "estimators": "no phase was probed",
    "amplification": "no model was measured on a second workload",
    "context": "no sweep was measured",
    "law": "no sweep of prompt lengths was measured",
    "published": "nothing can be compared",
    "answer": "no baseline output was judged",
    "savings": "no task was measured both with and without suppression",
}


@pytest.fixture(scope="module", params=CASES)
def given(request):
    return Given(CASES[request.param]())


def figure_of(name, given):
    """The figure; skipped where there is nothing to show, which says why."""
    try:
        return DRAWN[name](given)
    except NothingToShowError as error:
        pytest.skip(str(error))


def boxes(figure):
    """The texts that are drawn, with their boxes in pixels."""
    FigureCanvasAgg(figure).draw()
    found = [*figure.texts]
    found += [text for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        found += axes.texts
        if not axes.axison:
            continue
        found += [axes._left_title, axes.xaxis.label, axes.yaxis.label]
        found += axes.get_legend().get_texts() if axes.get_legend() else []
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = axis.get_major_ticks()
            places = axis.get_majorticklocs()
            found += [
                tick.label1
                for tick, at in zip(ticks, places, strict=True)
                if low <= at <= high and tick.label1.get_visible()
            ]
    return [
        (text.get_text(), text.get_window_extent())
        for text in found
        if text is not None and text.get_visible() and text.get_text().strip()
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_nothing_overlaps_and_nothing_is_cut(given, name):
    figure = figure_of(name, given)
    width, height = figure.canvas.get_width_height()
    assert figure.get_figheight() <= 20
    drawn = boxes(figure)
    for text, box in drawn:
        inside = box.x0 > -2 and box.y0 > -2 and box.x1 < width + 2 and box.y1 < height + 2
        assert inside, (text, box, (width, height))
    for (one, a), (other, b) in itertools.combinations(drawn, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        along = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across < 2 or along < 2, (one, other)


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_without_data_says_why(name):
    with pytest.raises(NothingToShowError) as found:
        DRAWN[name](Given(tables_of([], [])))
    assert str(found.value) and "\n" not in str(found.value)
    assert NOTHING.get(name, "") in str(found.value)


def one_length(tables):
    rows = tables["law_points"]
    return {"law_points": rows[rows.prompt_tokens == LENGTHS[0]]}


def changed(name, **values):
    return lambda tables: {name: tables[name].assign(**values)}


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("law", one_length, "only one length of prompt was measured: 128 tokens"),
        ("law", changed("law_points", measured_j=np.nan), "no sweep of prompt lengths"),
        ("phases", changed("summary", value=np.nan), "the meter resolved no generation"),
        (
            "position",
            changed("position", resolved=False),
            "the meter resolved no part of an output",
        ),
        ("position", changed("position", joules=np.nan), "the meter resolved no part of an output"),
        ("amplification", changed("amplification", value=np.nan), "resolved no decoded token"),
        ("estimators", changed("estimators", value=np.nan), "no probe was covered by the meter"),
        ("savings", changed("pairs", resolved=False), "the meter resolved no pair"),
        ("published", changed("published", ours=np.nan), "nothing can be compared"),
    ],
)
def test_a_figure_of_rows_without_a_value_is_left_out_and_says_which(name, change, why):
    tables = tables_of(TWO, ["humaneval-0shot", "longbench-cu"])
    with pytest.raises(NothingToShowError, match=why):
        DRAWN[name](Given(tables | change(tables)))
    # The same with its values is drawn.
    assert DRAWN[name](Given(tables)).axes


@pytest.mark.slow
def test_a_figure_draws_every_model_and_workload():
    given = Given(tables_of(TEN, WORKLOADS, 3))
    for name in NOTHING:
        figure = DRAWN[name](given)
        said = " ".join(text for text, _ in boxes(figure)).replace("\n", " ")
        assert all(model in said for model in TEN), name
        if name not in ("law", "position", "context"):
            # Position and context have no output of ten tokens, the amplification no reference.
            missing = {w for w in WORKLOADS if w not in said}
            assert not missing, (name, missing)


def lines(axes, marker):
    return [line for line in axes.lines if line.get_marker() == marker and len(line.get_xdata())]


def test_estimators_mark_the_headline_and_leave_unresolved_ones_hollow():
    tables = tables_of(TWO, ["humaneval-0shot"])
    rows = tables["estimators"]
    hidden = (rows.phase == "prefill") & (rows.estimator == "attribution")
    rows.loc[hidden, ["value", "low", "high"]] *= 0.8
    prefill, token = PHASES["estimators"](Given(tables)).axes
    for axes, hollow, ring in ((prefill, True, "repetition"), (token, False, "attribution")):
        attributed = [x for x in lines(axes, "o") if x.get_color() == "#0072B2"]
        points = [x for x in attributed if x.get_label() != "headline"]
        assert len(points) == 2
        assert all((p.get_markerfacecolor() == "none") == hollow for p in points)
        rings = [x for x in lines(axes, "o") if x.get_label() == "headline"]
        # The headline stands at 1, beside the name of its estimator.
        assert [float(x.get_xdata()[0]) for x in rings] == [1.0, 1.0], ring
    phase = rows[(rows.phase == "prefill") & rows.headline]
    assert [text.get_text() for text in prefill.texts if text.get_text().endswith("J")] == [
        joules([value]) for value in phase.value
    ]


def test_an_estimate_far_from_the_headline_is_marked_at_the_edge():
    tables = tables_of(TWO, ["humaneval-0shot"])
    rows = tables["estimators"]
    far = (rows.phase == "prefill") & (rows.estimator == "attribution")
    rows.loc[far, "value"] *= [0.01, 100]
    axes = PHASES["estimators"](Given(tables)).axes[0]
    assert len(lines(axes, "<")) == len(lines(axes, ">")) == 1
    low, high = axes.get_xlim()
    assert low < lines(axes, "<")[0].get_xdata()[0] < lines(axes, ">")[0].get_xdata()[0] < high


def test_the_amplification_marks_only_what_is_known():
    tables = tables_of(TWO, ["humaneval-0shot", "humaneval-2shot", "longbench-cu"])
    rows = tables["amplification"]
    rows["predicted"], rows["published"] = [0.04, np.nan], [np.nan, np.nan]
    figure = PHASES["amplification"](Given(tables))
    (axes,) = figure.axes
    assert len(lines(axes, "x")) == 1 and len(lines(axes, "D")) == 0
    footer = figure.get_supxlabel()
    assert "Predicted" in footer and "Published" not in footer
    assert f"{rows.value[0]:+.1%}" in " ".join(text.get_text() for text in axes.texts)


def test_the_context_says_the_slope_in_words():
    (axes,) = PHASES["context"](Given(tables_of(TWO, ["humaneval-0shot"]))).axes
    said = "50 [49, 51] mJ a token more for each 1,000 tokens"
    words = axes.get_title(loc="left").replace("\n", " ")
    assert f"all workloads: {said} (3 rounds, 12 prompts)" in words
    assert f"sweep: {said} (12 lengths)" in words


def test_no_law_is_drawn_and_said_where_none_is_found():
    tables = tables_of(TWO, [])
    for name in ("law", "context"):
        tables[name] = tables[name].assign(found=False, why="no law found: R² 0.08, less than 0.5")
    for axes in PHASES["law"](Given(tables)).axes[:2]:
        (text,) = axes.get_legend().get_texts()
        assert "no law found: R² 0.08" in text.get_text().replace("\n", " ")
        # Points, and no line but the legend's.
        assert not [x for x in axes.lines if x.get_marker() == "None" and len(x.get_xdata())]
    (axes,) = PHASES["context"](Given(tables)).axes
    assert "no law found" in axes.get_title(loc="left") and "a token more" not in axes.get_title(
        loc="left"
    )


def test_a_figure_says_what_its_bars_are_and_that_one_round_has_none():
    tables = tables_of(TWO, ["humaneval-0shot", "longbench-cu"])
    for name, table in (("amplification", "amplification"), ("phases", "summary")):
        given = Given(tables)
        assert "intervals over 3 rounds, 12 prompts" in PHASES[name](given).get_supxlabel(), name
        alone = {"low": np.nan, "high": np.nan, "sampled": "", "why": "one round: not known"}
        given = Given(tables | {table: tables[table].assign(**alone)})
        assert "No intervals: one round" in PHASES[name](given).get_supxlabel(), name


def test_an_order_effect_stands_under_what_it_touches():
    tables = tables_of(TWO, ["humaneval-0shot", "longbench-cu"])
    said = "s1: drift over the session: energy per unit -23%"
    for name in (
        "summary",
        "estimators",
        "amplification",
        "context",
        "law",
        "published",
        "savings",
    ):
        tables[name] = tables[name].assign(drift=said)
    tables["position"] = tables["position"].assign(drift="")
    for name in NOTHING:
        told = "Order effect" in DRAWN[name](Given(tables)).get_supxlabel()
        assert told == (name not in ("position", "answer")), name


def test_the_law_says_its_terms_and_draws_through_its_points():
    tables = tables_of(TWO, [])
    figure = PHASES["law"](Given(tables))
    above, _, below, _ = figure.axes
    (text,) = above.get_legend().get_texts()
    words = text.get_text().replace("\n", " ")
    assert "b 4" in words and "mJ/token" in words and "nJ/token²" in words and "3.1%" in words
    fitted = next(line for line in above.lines if line.get_marker() == "None")
    points = tables["law_points"][tables["law_points"].phase == "prefill"]
    at = np.interp(points.prompt_tokens, fitted.get_xdata(), fitted.get_ydata())
    # The given terms are within two percent of the truth, and so are the points.
    assert np.allclose(at, points.fitted_j, rtol=0.05)
    residuals = next(line for line in below.lines if len(line.get_ydata()) == len(points))
    assert sorted(residuals.get_ydata()) == pytest.approx(sorted(100 * points.residual))


def test_phases_close_on_the_total_and_say_repetition():
    tables = tables_of(TWO, ["humaneval-0shot", "longbench-cu"], suppressed=False)
    (axes,) = PHASES["phases"](Given(tables)).axes
    texts = [text.get_text() for text in axes.texts]
    assert "by repetition" in texts[0] and "by repetition" not in texts[1]
    summary = tables["summary"].set_index(["workload", "metric"]).value
    ends = {round(p.get_y(), 3): p.get_x() + p.get_width() for p in axes.patches}
    assert min(ends.values()) > 0
    first = ends[min(ends)]
    assert first == pytest.approx(summary["humaneval-0shot", "energy per generation"])


def test_lines_that_no_test_judges_show_their_similarity():
    given = Given(tables_of(TWO, ["longbench-cu-long"], 8))
    for name in ("answer", "savings"):
        (axes,) = PHASES[name](given).axes
        labels = {label.get_text() for label in axes.get_yticklabels()}
        assert "lcc/6 similarity 0.86" in labels, name
        assert not any("passes" in label or "fails" in label for label in labels)


def test_a_workload_of_ours_is_set_beside_another_by_name():
    tables = tables_of(TWO, ["humaneval-0shot", "longbench-cu"])
    rows = tables["published"].replace({"workload": {"longbench-cu": "longcode"}})
    figure = PHASES["published"](Given(tables | {"published": rows}))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["humaneval-0shot", "longcode\nbeside longbench-cu"]


def test_values_are_said_with_readable_prefixes():
    assert si(0.0041, "J") == "4.1 mJ" and si(0, "J") == "0 J" and si(250, "J") == "250 J"
    assert si(1500, "J") == "1.5 kJ" and si(2.5e-9, "J/token²") == "2.5 nJ/token²"
    assert si_interval(-0.002, -0.003, 0.001, "J") == "-2 [-3, 1] mJ"
    assert joules([0.0041, 0.0052]) == "4.1 to 5.2 mJ" and joules([3.0]) == "3 J"
    assert joules([0.9, 1.1]) == "0.9 to 1.1 J"
