# Takes: nothing but the machine.
# Gives: results/doctor/doctor.txt and .json: what its meters are like, printed too. They are no
#        outputs, so that it looks anew each time: what was true a while ago may be true no more.


rule doctor:
    input:
        software=software("onnxruntime"),
    log:
        "results/doctor/doctor.log",
    localrule: True
    conda:
        "../envs/onnxruntime.yaml"
    params:
        run=command("doctor", "onnxruntime"),
        period=config["metering"]["period_s"],
        resolve=config["analysis"]["resolve_periods"],
        wall=json.dumps(config["metering"]["wall"]),
    shell:
        "{params.run} --period-s {params.period} --wall {params.wall:q}"
        " --resolve-periods {params.resolve} --out results/doctor/doctor 2>&1 | tee -i {log:q}"
