# Takes: the raw data of the campaign's sessions; no device, no model.
# Gives: results/<campaign>/scores/<session>.json (what passes, judged in the sandbox) and
#        results/<campaign>/tables/*.parquet.


rule scores:
    input:
        software=software("analysis"),
        program=files_of("score"),
        session="results/{campaign}/raw/{session}/session.json",
        windows="results/{campaign}/raw/{session}/windows.jsonl",
        tasks=tasks_of_scores,
    output:
        scores="results/{campaign}/scores/{session}.json",
    log:
        "results/{campaign}/logs/scores-{session}.log",
    conda:
        "../envs/analysis.yaml"
    params:
        run=command("score", "analysis"),
        tasks=tasks_option,
    shell:
        "{params.run} --session {input.session:q} --windows {input.windows:q}"
        " {params.tasks:q} --out {output.scores:q} 2>&1 | tee -i {log:q}"


rule tables:
    input:
        software=software("analysis"),
        program=files_of("tables_phases"),
        published=own("config/published/phases.csv"),
        seen=STAMP,
        sessions=session_files("phases"),
        scores=campaign_scores,
    output:
        windows="results/{campaign}/tables/windows.parquet",
        generations="results/{campaign}/tables/generations.parquet",
        position="results/{campaign}/tables/position.parquet",
        pairs="results/{campaign}/tables/pairs.parquet",
        summary="results/{campaign}/tables/summary.parquet",
        savings="results/{campaign}/tables/savings.parquet",
        probes="results/{campaign}/tables/probes.parquet",
        estimators="results/{campaign}/tables/estimators.parquet",
        agreement="results/{campaign}/tables/agreement.parquet",
        amplification="results/{campaign}/tables/amplification.parquet",
        ends="results/{campaign}/tables/ends.parquet",
        context="results/{campaign}/tables/context.parquet",
        law="results/{campaign}/tables/law.parquet",
        law_points="results/{campaign}/tables/law_points.parquet",
        identities="results/{campaign}/tables/identities.parquet",
        order="results/{campaign}/tables/order.parquet",
        repeatability="results/{campaign}/tables/repeatability.parquet",
        flags="results/{campaign}/tables/flags.parquet",
        checks="results/{campaign}/tables/checks.parquet",
        beside="results/{campaign}/tables/published.parquet",
    log:
        "results/{campaign}/logs/tables.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    # Sessions are read side by side, on what `--cores` gives.
    threads: 8
    params:
        run=command("tables_phases", "analysis"),
        folder=subpath(output.windows, parent=True),
        confidence=config["analysis"]["confidence"],
        margin=config["analysis"]["equivalence_margin"],
        resolve=config["analysis"]["resolve_periods"],
        strict=strict_flags(),
    shell:
        "{params.run} --sessions {input.sessions:q} --scores {input.scores:q}"
        " --out {params.folder:q} --confidence {params.confidence}"
        " --equivalence-margin {params.margin} --resolve-periods {params.resolve}"
        " --strict {params.strict:q} --workers {threads} &> {log:q}"


rule runtime_tables:
    input:
        software=software("analysis"),
        program=files_of("tables_runtimes"),
        seen=STAMP,
        sessions=session_files("runtimes"),
    output:
        inferences="results/{campaign}/tables/inferences.parquet",
        runtimes="results/{campaign}/tables/runtimes.parquet",
        comparisons="results/{campaign}/tables/comparisons.parquet",
        engines="results/{campaign}/tables/engines.parquet",
        systems="results/{campaign}/tables/systems.parquet",
        omnibus="results/{campaign}/tables/omnibus.parquet",
        correlation="results/{campaign}/tables/correlation.parquet",
        order="results/{campaign}/tables/runtime_order.parquet",
        flags="results/{campaign}/tables/runtime_flags.parquet",
        checks="results/{campaign}/tables/runtime_checks.parquet",
        parity="results/{campaign}/tables/parity.parquet",
        excluded="results/{campaign}/tables/excluded.parquet",
    log:
        "results/{campaign}/logs/runtime-tables.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 8
    params:
        run=command("tables_runtimes", "analysis"),
        folder=subpath(output.parity, parent=True),
        planned=planned_runtimes,
        excluded=excluded_files,
        confidence=config["analysis"]["confidence"],
        margin=config["analysis"]["equivalence_margin"],
        resolve=config["analysis"]["resolve_periods"],
        strict=strict_flags(),
    shell:
        "{params.run} --sessions {input.sessions:q} {params.excluded:q} {params.planned:q}"
        " --out {params.folder:q} --confidence {params.confidence}"
        " --equivalence-margin {params.margin} --resolve-periods {params.resolve}"
        " --strict {params.strict:q} --workers {threads} &> {log:q}"
