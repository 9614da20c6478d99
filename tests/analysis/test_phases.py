"""The study of phases on sessions whose energies are known: what is found is what was put in."""

import numpy as np
import pandas as pd
import pytest

from analysis.phases.published import read_paper

SPAN_S = 400.0
WATTS = 100.0
LENGTHS = (128, 256, 512, 1024, 2048, 4096)


def growing(tokens):
    """Seconds of a prefill: at 100 W 25 J + 0.04 J a token + 4 uJ a token squared."""
    return 0.25 + 4e-4 * tokens + 4e-8 * tokens**2


def later(tokens):
    """Seconds of a decoding step: at 100 W 4 J + 0.2 mJ a token of context."""
    return 0.04 + 2e-6 * tokens


HOW = {"prefill_s": growing, "token_s": later}


def probed(lab, *meters, window_s=2.0, tasks=2, round=1, **how):
    """A session of whole outputs and their probes."""
    one = lab(*meters, prompts={f"T/{n}": 1000 * (n + 1) for n in range(tasks)}, round=round)
    one.begin(seconds=SPAN_S)
    for task in one.prompts:
        # Apart by more than the counter's period.
        one.generation(task, answer=9, pause_s=0.5, **{**HOW, **how})
        one.probes(task, window_s=window_s, **{**HOW, **how})
    return one


def truth(phase, prompt, outputs=21):
    if phase == "prefill":
        return WATTS * growing(prompt)
    return WATTS * np.mean([later(prompt + n) for n in range(1, outputs)])


def test_all_estimators_of_a_resolved_phase_find_its_energy(lab, tabulate):
    campaign = tabulate(probed(lab))
    table = campaign.estimators
    assert set(table.estimator) == {"attribution", "repetition", "difference", "pooling"}
    assert len(table) == 2 * 2 * 4
    assert table.resolved.all()
    for row in table.itertuples():
        assert row.value == pytest.approx(truth(row.phase, row.prompt_tokens), rel=0.01)
    # What another process would differ by is not known from one; reading is.
    assert table.low.isna().all() and table.why.str.startswith("one round").all()
    assert (table.reading_u > 0).all()
    # What is resolved on whole outputs is the headline: it is of the very outputs.
    assert set(table[table.headline].estimator) == {"attribution"}
    assert set(campaign.summary.estimator) == {"attribution", ""}
    assert set(campaign.agreement.verdict) == {"one round: not tested"}
    assert (campaign.agreement.spread < 0.02).all()
    assert (campaign.agreement.closure.abs() < 0.01).all()


def test_estimators_are_equivalent_only_where_rounds_say_so(lab, tabulate):
    campaign = tabulate(*(probed(lab, round=number) for number in (1, 2, 3)))
    agreement, table = campaign.agreement, campaign.estimators
    assert set(agreement.verdict) == {"equivalent"}
    assert (agreement.equal_p_holm < 0.05).all() and (
        agreement.equal_p_holm >= agreement.equal_p
    ).all()
    assert agreement.family.str.endswith(": 4 tests").all()
    assert set(agreement.rounds) == {3}
    assert (table.low < table.value).all() and (table.value < table.high).all()
    assert set(table.sampled) == {"rounds"}


def test_a_mean_within_one_percent_is_no_agreement_where_rounds_scatter(lab, known, tabulate):
    def session(number, watts):
        # Whole generations, which attribution splits, at another power than the repetitions.
        one = lab(prompts={"T/0": 1000}, round=number)
        one.begin(seconds=SPAN_S)
        for repetition in range(2):
            one.probe("T/0", "prefill", repetition, output_tokens=1, **HOW)
            one.probe("T/0", "decode", repetition, **HOW)
            one.probe("T/0", "generation", repetition, stretch=watts, **HOW)
        return one

    campaign = tabulate(*(session(n, by) for n, by in ((1, 0.9), (2, 1.0), (3, 1.1))))
    agreement = campaign.agreement
    assert (agreement.ratio - 1).abs().max() < 0.01
    assert set(agreement.verdict) == {"not told apart"}
    tested = campaign.identities[campaign.identities.identity.str.startswith("tested")]
    assert tested.holds.isna().all() and (tested.worst.abs() < 0.01).all()


def test_a_prefill_shorter_than_the_counter_s_period_comes_from_repetition(lab, known, tabulate):
    # 20 ms at 300 W among decoding at 60 W, under a counter that moves every 100 ms: the power
    # depends on what is done, so the curve is made from the windows.
    one = probed(lab, tasks=1, prefill_s=0.02, token_s=0.05)
    one.meters = [(known.GPU, known.Truth(power_of(one, 300.0, 60.0), SPAN_S), {})]
    one.segments, one.samples, one.segment = [], [], 0
    now = one.now
    one.begin(seconds=SPAN_S)
    one.now = now
    campaign = tabulate(one)
    prefill = campaign.estimators[campaign.estimators.phase == "prefill"].set_index("estimator")
    assert not prefill.resolved["attribution"]
    assert prefill.headline["repetition"]
    # The counter's steps blur the two edges of a window.
    assert prefill["value"]["repetition"] == pytest.approx(6.0, rel=0.02)
    # Interpolation gives it the power of its neighbours, the same each time.
    assert prefill["value"]["attribution"] < 0.8 * 6.0
    assert set(campaign.agreement.verdict) == {"one is not resolved"}
    summary = campaign.summary.set_index("metric")
    assert summary.estimator["prefill energy"] == "repetition"
    assert summary["value"]["prefill energy"] == pytest.approx(prefill["value"]["repetition"])
    # One probed prompt in one round is no sample.
    for metric in ("prefill energy", "prefill share"):
        assert np.isnan(summary.low[metric]) and summary.tasks["prefill energy"] == 1, metric
    assert summary["value"]["energy per decoded token"] == pytest.approx(3.0, rel=0.02)
    assert summary["value"]["prefill share"] == pytest.approx(6 / 66, rel=0.05)


def power_of(one, prefill_w, decode_w):
    """Power over time as the windows of a session say."""
    spans = []
    for window in one.windows:
        if window["kind"] == "probe" and window["what"] == "generation":
            spans += zip(window["starts_ns"], window["firsts_ns"], strict=True)
        elif window["kind"] == "prefill" or window.get("what") == "prefill":
            spans.append((window["start_ns"], window["end_ns"]))
    begin = 1_000_000_000_000

    def power(t):
        watts = np.full_like(t, decode_w)
        for start, end in spans:
            watts[(t >= (start - begin) / 1e9) & (t < (end - begin) / 1e9)] = prefill_w
        return watts

    return power


def test_prompts_between_the_probed_ones_take_a_prefill_of_their_length(lab, tabulate):
    one = lab(prompts={"T/0": 100, "T/1": 300, "T/2": 200, "T/3": 50}).begin(seconds=SPAN_S)
    how = {"prefill_s": lambda tokens: tokens / 1e4, "token_s": 0.05}
    for task in one.prompts:
        one.generation(task, answer=9, pause_s=0.5, **how)
    for task in ("T/0", "T/1"):
        one.probes(task, **how)
    campaign = tabulate(one)
    assert (campaign.generations.prefill_status == "unresolved").all()
    summary = campaign.summary.set_index("metric")
    # At 100 W 1 J, 3 J, between them 2 J; no prompt is shorter than the shortest that was probed.
    assert summary["value"]["prefill energy"] == pytest.approx((1 + 3 + 2 + 1) / 4, rel=0.02)
    assert summary.tasks["energy per decoded token"] == 4
    assert summary["value"]["energy per decoded token"] == pytest.approx(5.0, rel=0.01)


def test_prefills_by_repetition_vary_by_round(lab, known, tabulate):
    """Each round has the probes of its own, and rounds that differ give an interval as wide."""
    watts, labs = (90.0, 100.0, 110.0), []
    for number, power in enumerate(watts, 1):
        truth = known.Truth(lambda t, power=power: np.full_like(t, power), SPAN_S)
        one = lab((known.GPU, truth, {}), prompts={"T/0": 100, "T/1": 100}, round=number)
        one.begin(seconds=SPAN_S)
        how = {"prefill_s": 0.02, "token_s": 0.05}
        for task in one.prompts:
            one.generation(task, answer=9, pause_s=0.5, **how)
        one.probes("T/0", **how)
        labs.append(one)
    row = tabulate(*labs).summary.set_index("metric").loc["prefill energy"]
    assert row.estimator == "repetition" and (row.rounds, row.tasks) == (3, 1)
    assert row["value"] == pytest.approx(2.0, rel=0.02)
    assert row.low < 1.8 and row.high > 2.2 and row.sampled == "rounds"


def test_a_round_without_probes_has_no_prefill_by_repetition(lab, tabulate):
    labs = []
    for number in (1, 2):
        one = lab(prompts={"T/0": 100}, round=number).begin(seconds=SPAN_S)
        how = {"prefill_s": 0.02, "token_s": 0.05}
        one.generation("T/0", answer=9, pause_s=0.5, **how)
        if number == 1:
            one.probes("T/0", **how)
        labs.append(one)
    summary = tabulate(*labs).summary.set_index("metric")
    assert summary.rounds["prefill energy"] == 1 and np.isnan(summary.low["prefill energy"])
    assert summary.rounds["energy per generation"] == 2


def test_without_probes_a_short_prefill_has_no_energy(lab, tabulate):
    one = lab().begin()
    one.generation("T/0", prefill_s=0.02, answer=9)
    campaign = tabulate(one)
    summary = campaign.summary.set_index("metric")
    assert pd.isna(summary["value"]["prefill energy"])
    assert summary["value"]["energy per generation"] > 0
    assert campaign.estimators.empty and campaign.agreement.empty and campaign.law.empty


def test_estimators_that_disagree_are_told(lab, tabulate):
    labs = []
    for number in (1, 2, 3):
        one = lab(prompts={"T/0": 1000}, round=number).begin(seconds=SPAN_S)
        for repetition in range(3):
            one.probe("T/0", "prefill", repetition, output_tokens=1, **HOW)
            one.probe("T/0", "decode", repetition, **HOW)
            # Whole generations take a tenth longer than their parts.
            one.probe("T/0", "generation", repetition, stretch=1.1, **HOW)
        one.generation("T/0", answer=9, **HOW)
        labs.append(one)
    campaign = tabulate(*labs)
    assert set(campaign.agreement.verdict) == {"differ"}
    assert (campaign.agreement.spread > 0.09).all()
    assert campaign.agreement.closure.to_numpy() == pytest.approx(1 / 1.1 - 1, abs=0.005)
    tested = campaign.identities[campaign.identities.identity.str.startswith("tested")]
    assert tested.holds.tolist() == [False] and (tested.high < -0.08).all()
    others = campaign.identities[~campaign.identities.identity.str.startswith("tested")]
    assert len(others) == 9 and others.holds.all()


def test_every_identity_holds_on_sound_sessions(lab, tabulate):
    identities = tabulate(*(probed(lab, round=number) for number in (1, 2, 3))).identities
    assert len(identities) == 3 * 3 + 1
    assert identities.holds.all()
    assert (identities.worst.abs() < 0.01).all()


def test_energies_are_of_one_sequence_of_a_batch(lab, tabulate):
    one = lab(batch=8, prompts={"T/0": 1000}).begin(seconds=SPAN_S)
    one.generation("T/0", answer=9, **HOW)
    one.probes("T/0", **HOW)
    campaign = tabulate(one)
    assert set(campaign.generations.workload) == {"humaneval-0shot, batch 8"}
    for row in campaign.estimators.itertuples():
        assert row.value == pytest.approx(truth(row.phase, 1000) / 8, rel=0.01)
    whole = truth("prefill", 1000) + 20 * truth("decoded token", 1000)
    assert campaign.generations.total_j[0] == pytest.approx(whole / 8, rel=0.01)


def swept(lab, lengths=LENGTHS, repetitions=3, **keywords):
    one = lab(
        workload="sweep",
        prompts={f"sweep/{n}": n for n in lengths},
        conditions=("baseline",),
        **keywords,
    ).begin(seconds=SPAN_S)
    for length in lengths:
        one.probes(f"sweep/{length}", repetitions=repetitions, **HOW)
    return one


def test_a_sweep_finds_the_law_that_was_put_in(lab, tabulate):
    campaign = tabulate(swept(lab))
    law = campaign.law.set_index("term")
    truths = {"a": 25, "b": 0.04, "c": 4e-6, "d": 4, "e": 2e-4}
    assert list(law.index) == list(truths)
    for term, value in truths.items():
        # A term that hardly shows has a wide interval, and the truth within or beside it.
        allowed = max(0.05 * value, law.high[term] - law.low[term])
        assert law["value"][term] == pytest.approx(value, abs=allowed), term
        assert law.low[term] <= law["value"][term] <= law.high[term]
    assert (law.worst_residual < 0.02).all()
    assert (law.r2 > 0.99).all()
    assert len(campaign.law_points) == 2 * 3 * len(LENGTHS)
    assert set(law.unit["b":"b"]) == {"J/token"}
    # The slope along the context is the law's, per 1,000 tokens.
    (slope,) = campaign.context.to_dict("records")
    assert slope["source"] == "sweep"
    assert slope["slope"] == pytest.approx(1000 * law["value"]["e"])
    assert campaign.generations.empty and campaign.summary.empty


def test_a_law_is_not_fitted_to_as_few_lengths_as_it_has_terms(lab, tabulate):
    law = tabulate(swept(lab, LENGTHS[:3])).law
    assert set(law.phase) == {"decoded token"}


def test_no_growth_is_no_law(lab, tabulate):
    one = lab(
        workload="sweep", prompts={f"sweep/{n}": n for n in LENGTHS}, conditions=("baseline",)
    ).begin(seconds=SPAN_S)
    for number, length in enumerate(LENGTHS):
        # As dear behind a long prompt as behind a short one.
        how = {"prefill_s": growing, "token_s": 0.04 * (1 + 0.05 * (-1) ** number)}
        one.probes(f"sweep/{length}", repetitions=2, **how)
    other = two_workloads(lab)
    campaign = tabulate(*other, one)
    law = campaign.law.set_index("term")
    assert law.found.loc["a":"c"].all() and not law.found.loc["d":"e"].any()
    assert law.why["e"].startswith("no law found") and law.why["b"] == ""
    assert not campaign.context.set_index("source").found["sweep"]
    assert campaign.amplification.predicted.isna().all()


def two_workloads(lab, **keywords):
    prompts = {f"T/{n}": 150 for n in range(4)} | {f"L/{n}": 5000 for n in range(4)}
    facts = {"prompts": prompts, **keywords}
    short, long = lab(**facts), lab(**facts, workload="longcode-long")
    for one, name in ((short, "T"), (long, "L")):
        one.begin(seconds=SPAN_S)
        for number in range(4):
            one.generation(f"{name}/{number}", tokens=101 + 10 * number, answer=9, **HOW)
    return short, long


def test_the_amplification_is_a_ratio_of_energies_per_decoded_token(lab, tabulate):
    campaign = tabulate(*two_workloads(lab))
    (row,) = campaign.amplification.to_dict("records")
    assert (row["workload"], row["reference"]) == ("longcode-long", "humaneval-0shot")
    wanted = (4 + 2e-4 * row["context"]) / (4 + 2e-4 * row["reference_context"]) - 1
    assert wanted == pytest.approx(0.24, abs=0.01)
    assert row["value"] == pytest.approx(wanted, abs=0.005)
    # Sessions of one round each: what other processes would give is not known.
    assert np.isnan(row["low"]) and row["why"].startswith("one round")
    assert row["verdict"] == "not tested"
    assert np.isnan(row["predicted"]) and np.isnan(row["published"])


def test_rounds_give_the_amplification_an_interval(lab, tabulate):
    rounds = [one for number in (1, 2, 3) for one in two_workloads(lab, round=number)]
    (row,) = tabulate(*rounds).amplification.to_dict("records")
    assert row["low"] <= row["value"] <= row["high"] and row["low"] > 0.2
    assert (row["rounds"], row["tasks"]) == (3, 4) and row["sampled"] == "rounds and prompts"
    assert row["verdict"] == "more" and row["family"].endswith(": 1 tests")


def test_a_law_predicts_the_amplification(lab, tabulate):
    (row,) = tabulate(*two_workloads(lab), swept(lab)).amplification.to_dict("records")
    assert row["predicted"] == pytest.approx(row["value"], abs=0.01)
    assert row["predicted_low"] <= row["predicted"] <= row["predicted_high"]


def test_models_that_the_study_measured_stand_beside_its_ratios(lab, tabulate):
    campaign = tabulate(*two_workloads(lab, published="CodeLlama-7B"))
    paper = read_paper()
    base, other = (paper.loc[("CodeLlama-7B", w)] for w in ("humaneval-0shot", "longbench-cu-long"))
    (row,) = campaign.amplification.to_dict("records")
    assert row["published"] == pytest.approx(other.decoded_token_j / base.decoded_token_j - 1)
    table = campaign.published.set_index(["workload", "quantity"])
    share = table.loc[("humaneval-0shot", "prefill share")]
    assert share.theirs == base.prefill_share
    assert share.ratio == pytest.approx(share.ours / share.theirs)
    longer = table.loc[("longcode-long", "decoded token over 0-shot")]
    # A generated workload says beside whose it stands.
    assert longer.published_workload == "longbench-cu-long"
    assert longer.ours == pytest.approx(1 + row["value"])


def test_a_law_says_what_the_study_s_lengths_would_take(lab, tabulate):
    lengths = (128, 512, 2048, 8192)
    campaign = tabulate(swept(lab, lengths, published="CodeLlama-7B"))
    table = campaign.published.set_index(["published_workload", "quantity"])
    assert set(table.workload) == {f"{w}, by the law" for w in PAPER}
    paper = read_paper().loc["CodeLlama-7B"]
    row = paper.loc["longbench-cu"]
    prefill = 25 + 0.04 * row.input_tokens + 4e-6 * row.input_tokens**2
    decoding = (row.output_tokens - 1) * (4 + 2e-4 * (row.input_tokens + row.output_tokens / 2))
    share = table.loc[("longbench-cu", "prefill share")]
    assert share.ours == pytest.approx(prefill / (prefill + decoding), rel=0.01)
    assert share.theirs == row.prefill_share
    over = table.loc[("longbench-cu", "decoded token over 0-shot")]
    assert over.theirs == pytest.approx(row.decoded_token_j / 5.21)
    assert ("humaneval-0shot", "decoded token over 0-shot") not in table.index


def test_a_law_is_not_read_beyond_its_lengths(lab, tabulate):
    assert tabulate(swept(lab, published="CodeLlama-7B")).published.empty


PAPER = ("humaneval-0shot", "humaneval-2shot", "humaneval-cot", "longbench-cu", "longbench-cu-long")


def test_seeded_outputs_are_not_compared_whole(lab, tabulate):
    for source, there in (("hub", True), ("init", False)):
        campaign = tabulate(*two_workloads(lab, source=source, published="CodeLlama-7B"))
        assert ("generation over 0-shot" in set(campaign.published.quantity)) == there


def test_the_slope_along_the_context_is_found_in_outputs(lab, tabulate):
    table = tabulate(*two_workloads(lab)).context.set_index("workload")
    row = table.loc["all workloads"]
    assert row.slope == pytest.approx(0.2, rel=0.03)
    assert row.intercept == pytest.approx(4.0, rel=0.01)
    assert np.isnan(row.low) and row.why.startswith("one round") and not row.found


def test_the_slope_has_an_interval_over_rounds(lab, tabulate):
    rounds = [one for number in (1, 2, 3) for one in two_workloads(lab, round=number)]
    row = tabulate(*rounds).context.set_index("workload").loc["all workloads"]
    assert row.low <= row.slope <= row.high and row.found
    assert (row.rounds, row.tasks) == (3, 8)


def test_the_last_tokens_of_an_output_stand_beside_its_first(lab, tabulate):
    one = lab(prompts={f"T/{n}": 100 for n in range(3)}).begin(seconds=SPAN_S)
    for number in range(3):
        how = {"prefill_s": 0.3, "token_s": lambda tokens: 0.03 * (1 + tokens / 1000)}
        one.generation(f"T/{number}", tokens=400, answer=9, **how)
    one.generation("T/0", repetition=1, tokens=20, answer=9)
    (row,) = tabulate(one).ends.to_dict("records")
    # Positions at the middle of both ends, a period of the counter away from either edge.
    assert row["value"] == pytest.approx((1 + 0.486) / (1 + 0.112) - 1, abs=0.01)
    assert (row["outputs"], row["width"]) == (3, 16)
    assert row["resolved"]
    # Both ends are of one process, so one round has an interval.
    assert row["low"] <= row["value"] <= row["high"]
    assert row["sampled"] == "prompts within one round"


def test_replays_precisions_and_sampling_stand_apart(lab, tabulate):
    facts = ({}, {"dtype": "float16"}, {"decoding": "sampled"}, {"replay": REPLAY})
    labs = [lab(**fact).begin() for fact in facts[:3]]
    labs.append(lab(**facts[3], model="other").begin())
    for one in labs:
        one.generation("T/0", answer=9)
    table = tabulate(*labs).generations
    assert set(zip(table.model, table.workload, strict=True)) == {
        ("small", "humaneval-0shot"),
        ("small, float16", "humaneval-0shot"),
        ("small", "humaneval-0shot, sampled"),
        ("other, replay of small", "humaneval-0shot"),
    }


REPLAY = {"campaign": "recorded", "model": "small"}


def test_next_line_workloads_have_similarities_and_no_passes(lab, tabulate):
    one = lab(workload="longcode-long").begin()
    for number, similarity in enumerate((0.2, 0.9)):
        said = {"similarity": similarity, "answer": 9}
        one.generation(f"L/{number}", tokens=40, **said)
        one.generation(f"L/{number}", "suppressed", tokens=9, stop="answer", **said)
    campaign = tabulate(one)
    summary = campaign.summary[campaign.summary.condition == "baseline"].set_index("metric")
    assert summary["value"]["edit similarity"] == pytest.approx(0.55)
    assert "pass@1" not in summary.index
    (row,) = campaign.savings.to_dict("records")
    assert row["scope"] == "all tasks"
    assert row["similarity_baseline"] == row["similarity_suppressed"] == pytest.approx(0.55)
    assert row["similarity_differs"] == 0
    assert pd.isna(row["passed_baseline"])
    assert row["saved_share"] > 0.5
