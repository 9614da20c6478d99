# Takes: the registry of models.
# Gives: resources/models/<model>/model.json, beside the weights or naming where they are;
#        resources/workloads/<benchmark>.jsonl, its tasks, which several workloads may pose.
# Snakemake makes anew what another command or parameter made; so these stay as they are, or models
# are fetched again in the middle of a campaign.


rule model:
    input:
        software=software_of(model_env),
        own=own_files_of,
        tokenizer=tokenizer_model,
    output:
        ready="resources/models/{model}/model.json",
    log:
        "resources/logs/model-{model}.log",
    localrule: True
    conda:
        conda_of(model_env)
    params:
        python=python_of(model_env),
        entry=registry_entry,
        tokenizer=tokenizer_option,
    shell:
        "{params.python} "
        f"{SCRIPTS}/model.py"
        " --name {wildcards.model:q} --entry {params.entry:q}"
        " {params.tokenizer:q} --out {output.ready:q} 2>&1 | tee -i {log:q}"


rule workload:
    input:
        software=software("analysis"),
    output:
        tasks="resources/workloads/{benchmark}.jsonl",
    log:
        "resources/logs/workload-{benchmark}.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        python=SOFTWARE.interpreter("analysis"),
        options=workload_json,
    shell:
        "{params.python} "
        f"{SCRIPTS}/workload.py"
        " {wildcards.benchmark:q} --options {params.options:q}"
        " --out {output.tasks:q} 2>&1 | tee -i {log:q}"
