# Takes: the registry of models.
# Gives: resources/models/<model>/model.json, beside the weights or naming where they are;
#        resources/workloads/<benchmark>.jsonl, its tasks, which several workloads may pose.


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
        run=command_of("model", model_env),
        entry=registry_entry,
        tokenizer=tokenizer_option,
    shell:
        "{params.run} --name {wildcards.model:q} --entry {params.entry:q}"
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
        run=command("workload", "analysis"),
        options=workload_json,
    shell:
        "{params.run} {wildcards.benchmark:q} --options {params.options:q}"
        " --out {output.tasks:q} 2>&1 | tee -i {log:q}"
