# Takes: envs/<env>.yaml.
# Gives: .software/<env>/ready.json beside a virtual environment of that file's Python and pins.
#        With --use-conda or `software: host` no rule asks for it.
# Its pins decide whether one is made anew: neither a file's time nor the path of this Python does.


rule virtual_environment:
    input:
        spec=spec_of,
    output:
        ready=".software/{env}/ready.json",
    log:
        "resources/logs/software-{env}.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    # As a parameter, another one would be a reason to install everything anew.
    resources:
        python=sys.executable,
    params:
        pins=pins_of,
    shell:
        "{resources.python:q} "
        f"{SCRIPTS}/software.py"
        " {input.spec:q} --out {output.ready:q} 2>&1"
        " | tee -i {log:q}"
