# Takes: nothing but the machine: loads whose work is known.
# Gives: results/<campaign>/meters/: the raw data of one session as in phases.smk, loads.parquet,
#        loads.png and meters.html: how far off this machine's meters are, and other tools with them.
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
        campaign=r"(?!)" if measured_meters() else THIS_CAMPAIGN,
    conda:
        "../envs/pytorch.yaml"
    # All of them: nothing else may run beside a measurement.
    threads: CORES
    resources:
        gpu=0 if config["device"] == "cpu" else 1,
    params:
        python=interpreter("pytorch"),
        spec=meters_spec(config),
        folder=subpath(output.session, parent=True),
    shell:
        "{params.python} "
        f"{SCRIPTS}/measure_meters.py"
        " --spec {params.spec:q} --out {params.folder:q}"
        " --partial results/{wildcards.campaign:q}/partial --parent $PPID 2>&1"
        " | (tee -i {log:q} || :)"


rule meter_tables:
    input:
        software=software("analysis"),
        program=sources(
            "tables_meters.py",
            "analysis/*.py",
            "analysis/energy/*.py",
            "analysis/quality/*.py",
            "analysis/statistics/*.py",
            "analysis/meters/*.py",
            "metering/[cgnt]*.py",
        ),
        seen=SEEN,
        session="results/{campaign}/meters/session.json",
    output:
        loads="results/{campaign}/meters/loads.parquet",
        phases="results/{campaign}/meters/phases.parquet",
        figure="results/{campaign}/meters/loads.png",
        page="results/{campaign}/meters/meters.md",
    log:
        "results/{campaign}/logs/meter-tables.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        python=interpreter("analysis"),
        folder=subpath(output.loads, parent=True),
        resolve=config["analysis"]["resolve_periods"],
        confidence=config["analysis"]["confidence"],
    shell:
        "{params.python} "
        f"{SCRIPTS}/tables_meters.py"
        " --session {params.folder:q}"
        " --resolve-periods {params.resolve} --confidence {params.confidence} &> {log:q}"
