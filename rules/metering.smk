# Takes: nothing but the machine: loads whose work is known.
# Gives: results/<campaign>/meters/: the raw data of one session as in phases.smk, and what comes
#        of them: how far off this machine's meters are, and other tools with them. Its figure and
#        page are made in report.smk.
from configuration.meters import meters_spec


# As everywhere, what was measured is never measured again.
rule metering_session:
    input:
        software=software("pytorch"),
    output:
        session="results/{campaign}/meters/session.json",
        windows="results/{campaign}/meters/windows.jsonl",
        trace="results/{campaign}/meters/trace.csv",
        events="results/{campaign}/meters/events.jsonl",
    log:
        "results/{campaign}/logs/meters.log",
    wildcard_constraints:
        campaign=r"(?!)" if PLAN.recorded.are_meters_finished() else THIS_CAMPAIGN,
    conda:
        "../envs/pytorch.yaml"
    # All of them: nothing else may run beside a measurement.
    threads: CORES
    resources:
        gpu=0 if config["device"] == "cpu" else 1,
    params:
        run=command("measure_meters", "pytorch"),
        spec=meters_spec(config),
        folder=subpath(output.session, parent=True),
    shell:
        "{params.run} --spec {params.spec:q} --out {params.folder:q}"
        " --partial results/{wildcards.campaign:q}/partial --parent $PPID 2>&1"
        " | (tee -i {log:q} || :)"


rule meter_tables:
    input:
        software=software("analysis"),
        program=files_of("tables_meters"),
        seen=STAMP,
        session="results/{campaign}/meters/session.json",
    output:
        loads="results/{campaign}/meters/loads.parquet",
        phases="results/{campaign}/meters/phases.parquet",
    log:
        "results/{campaign}/logs/meter-tables.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        run=command("tables_meters", "analysis"),
        folder=subpath(output.loads, parent=True),
        resolve=config["analysis"]["resolve_periods"],
        confidence=config["analysis"]["confidence"],
    shell:
        "{params.run} --session {params.folder:q}"
        " --resolve-periods {params.resolve} --confidence {params.confidence} &> {log:q}"
