# Takes: a network, the verdicts on all networks, and for an engine a framework's export.
# Gives: the raw data of one session, results/<campaign>/raw/<session>/, as in phases.smk. A session
#        that may not be measured writes why in its session.json, and can be tried again.


rule runtime_session:
    input:
        unpack(files_of_network),
        software=software_of(runtime_env),
        all_software=all_software,
        gate=parity_records,
    output:
        session="results/{campaign}/raw/{session}/session.json",
        windows="results/{campaign}/raw/{session}/windows.jsonl",
        trace="results/{campaign}/raw/{session}/trace.csv",
        events="results/{campaign}/raw/{session}/events.jsonl",
    log:
        "results/{campaign}/logs/{session}.log",
    wildcard_constraints:
        session=PLAN.unmeasured("runtimes"),
    priority: session_priority
    conda:
        conda_of(runtime_env)
    # All of them, whatever the framework uses: nothing else may run beside a measurement.
    threads: CORES
    resources:
        gpu=gpus,
    params:
        run=command_of("measure_runtimes", runtime_env),
        spec=runtimes_spec,
        files=network_options,
        folder=subpath(output.session, parent=True),
    shell:
        "{params.run} --spec {params.spec:q} {params.files:q}"
        " --out {params.folder:q} --partial results/{wildcards.campaign:q}/partial"
        " --parent $PPID 2>&1 | (tee -i {log:q} || :)"
