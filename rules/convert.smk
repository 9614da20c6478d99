# Takes: a prepared model that is no language model.
# Gives: resources/networks/<model>/: the network as frameworks can build it, with reference outputs
#        (PyTorch's, or of an ONNX file ONNX Runtime's); and for each framework its parity with them
#        (conversion.json), its ONNX export (empty where there is none), and the export's parity
#        (verified.json). An ONNX file from elsewhere stands there as the export of `file`.
# What fails there is a result with its reason: the sessions that rest on it are excluded.


rule network:
    input:
        software=software_of(model_env),
        program=files_of("network"),
        model="resources/models/{model}/model.json",
    output:
        network="resources/networks/{model}/network.json",
        weights="resources/networks/{model}/weights.npz",
        reference="resources/networks/{model}/reference.npz",
    log:
        "resources/logs/network-{model}.log",
    conda:
        conda_of(model_env)
    params:
        run=command_of("network", model_env),
        length=sequence_length,
        seed=config["seed"],
    shell:
        "{params.run} --model {input.model:q} --out {output.network:q}"
        " {params.length} --seed {params.seed} 2>&1 | tee -i {log:q}"


rule convert:
    input:
        software=software_of(framework_env),
        program=files_of("convert", "runtimes.backends.{framework}"),
        network="resources/networks/{model}/network.json",
        weights="resources/networks/{model}/weights.npz",
    output:
        conversion="resources/networks/{model}/{framework}/conversion.json",
        onnx="resources/networks/{model}/{framework}/model.onnx",
        outputs="resources/networks/{model}/{framework}/outputs.npz",
    log:
        "resources/logs/convert-{model}-{framework}.log",
    conda:
        conda_of(framework_env)
    params:
        run=command_of("convert", framework_env),
    shell:
        "{params.run} --network {input.network:q}"
        " --backend {wildcards.framework} --onnx {output.onnx:q} --outputs {output.outputs:q}"
        " --out {output.conversion:q} 2>&1 | tee -i {log:q}"


rule verify:
    input:
        software=software("onnxruntime"),
        program=files_of("verify", "runtimes.backends.onnxruntime"),
        network="resources/networks/{model}/network.json",
        conversion="resources/networks/{model}/{framework}/conversion.json",
        onnx="resources/networks/{model}/{framework}/model.onnx",
        outputs="resources/networks/{model}/{framework}/outputs.npz",
    output:
        verified="resources/networks/{model}/{framework}/verified.json",
    log:
        "resources/logs/verify-{model}-{framework}.log",
    conda:
        "../envs/onnxruntime.yaml"
    params:
        run=command("verify", "onnxruntime"),
    shell:
        "{params.run} --network {input.network:q}"
        " --conversion {input.conversion:q} --onnx {input.onnx:q} --outputs {input.outputs:q}"
        " --out {output.verified:q} 2>&1 | tee -i {log:q}"
