# Takes: envs/<env>.yaml.
# Gives: .software/<env>/ready.json beside a virtual environment of that file's Python and pins.
#        With --use-conda or `software: host` no rule asks for it.


localrules:
    virtual_environment,


rule virtual_environment:
    input:
        spec="envs/{env}.yaml",
    output:
        ready=".software/{env}/ready.json",
    log:
        "resources/logs/software-{env}.log",
    conda:
        "../envs/analysis.yaml"
    params:
        python=sys.executable,
    shell:
        "{params.python:q} scripts/software.py {input.spec:q} --out {output.ready:q} 2>&1"
        " | tee -i {log:q}"
