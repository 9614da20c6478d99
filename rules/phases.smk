# Takes: a prepared model, a workload's tasks, and for a replay a recorded session.
# Gives: the raw data of one session, results/<campaign>/raw/<session>/: session.json,
#        windows.jsonl, trace.csv and events.jsonl.
# What was measured is never measured again: a finished session has no rule, and its raw data are
# write-protected. Delete its folder to measure it anew. A session ends with Snakemake, however that
# ends ($PPID), and not with its log: a job whose log cannot be written is no failed one.


rule phases_session:
    input:
        software=software("pytorch"),
        model=model_of,
        tasks=tasks_of,
        replayed=replayed_windows,
    output:
        session="results/{campaign}/raw/{session}/session.json",
        windows="results/{campaign}/raw/{session}/windows.jsonl",
        trace="results/{campaign}/raw/{session}/trace.csv",
        events="results/{campaign}/raw/{session}/events.jsonl",
    log:
        "results/{campaign}/logs/{session}.log",
    wildcard_constraints:
        session=PLAN.unmeasured("phases"),
    conda:
        "../envs/pytorch.yaml"
    # All of them, whatever the framework uses: nothing else may run beside a measurement.
    threads: CORES
    resources:
        gpu=gpus,
    params:
        run=command("measure_phases", "pytorch"),
        spec=phases_spec,
        replayed=replayed_option,
        folder=subpath(output.session, parent=True),
    shell:
        "{params.run} --spec {params.spec:q} --model {input.model:q}"
        " --tasks {input.tasks:q} {params.replayed:q} --out {params.folder:q}"
        " --partial results/{wildcards.campaign:q}/partial --parent $PPID 2>&1"
        " | (tee -i {log:q} || :)"
