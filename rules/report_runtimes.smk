# Takes: the tables of the study of runtimes.
# Gives: results/<campaign>/figures/runtimes-*.png, *.pdf and *.json as in report.smk, and
#        results/<campaign>/runtimes.html.
RUNTIME_FIGURES = (
    "runtimes-energy",
    "runtimes-engines",
    "runtimes-correlation",
    "runtimes-onnx",
    "runtimes-providers",
    "runtimes-parity",
)


rule figure_runtimes_energy:
    input:
        software=software("analysis"),
        program=sources(
            "figures.py",
            "analysis/*.py",
            "analysis/energy/*.py",
            "analysis/quality/*.py",
            "analysis/figures/*.py",
            "analysis/runtimes/*.py",
            "analysis/statistics/*.py",
        ),
        inferences="results/{campaign}/tables/inferences.parquet",
        runtimes="results/{campaign}/tables/runtimes.parquet",
        comparisons="results/{campaign}/tables/comparisons.parquet",
        engines="results/{campaign}/tables/engines.parquet",
        systems="results/{campaign}/tables/systems.parquet",
        correlation="results/{campaign}/tables/correlation.parquet",
        parity="results/{campaign}/tables/parity.parquet",
        excluded="results/{campaign}/tables/excluded.parquet",
    output:
        png=drawn(
            "results/{campaign}/figures/runtimes-energy.png",
            caption="../report/runtimes-energy.rst",
            category="Runtimes",
            labels={"figure": "Energy by runtime"},
        ),
        pdf="results/{campaign}/figures/runtimes-energy.pdf",
        about="results/{campaign}/figures/runtimes-energy.json",
    log:
        "results/{campaign}/logs/figure-runtimes-energy.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        python=interpreter("analysis"),
        name="runtimes-energy",
    shell:
        "{params.python} "
        f"{SCRIPTS}/figures.py"
        " {params.name} --campaign results/{wildcards.campaign:q}"
        " --png {output.png:q} --pdf {output.pdf:q} &> {log:q}"


use rule figure_runtimes_energy as figure_runtimes_engines with:
    output:
        png=drawn(
            "results/{campaign}/figures/runtimes-engines.png",
            caption="../report/runtimes-engines.rst",
            category="Runtimes",
            labels={"figure": "Engine against engine"},
        ),
        pdf="results/{campaign}/figures/runtimes-engines.pdf",
        about="results/{campaign}/figures/runtimes-engines.json",
    log:
        "results/{campaign}/logs/figure-runtimes-engines.log",
    localrule: True
    params:
        python=interpreter("analysis"),
        name="runtimes-engines",


use rule figure_runtimes_energy as figure_runtimes_correlation with:
    output:
        png=drawn(
            "results/{campaign}/figures/runtimes-correlation.png",
            caption="../report/runtimes-correlation.rst",
            category="Runtimes",
            labels={"figure": "Energy against time"},
        ),
        pdf="results/{campaign}/figures/runtimes-correlation.pdf",
        about="results/{campaign}/figures/runtimes-correlation.json",
    log:
        "results/{campaign}/logs/figure-runtimes-correlation.log",
    localrule: True
    params:
        python=interpreter("analysis"),
        name="runtimes-correlation",


use rule figure_runtimes_energy as figure_runtimes_onnx with:
    output:
        png=drawn(
            "results/{campaign}/figures/runtimes-onnx.png",
            caption="../report/runtimes-onnx.rst",
            category="Runtimes",
            labels={"figure": "Exports against original"},
        ),
        pdf="results/{campaign}/figures/runtimes-onnx.pdf",
        about="results/{campaign}/figures/runtimes-onnx.json",
    log:
        "results/{campaign}/logs/figure-runtimes-onnx.log",
    localrule: True
    params:
        python=interpreter("analysis"),
        name="runtimes-onnx",


use rule figure_runtimes_energy as figure_runtimes_providers with:
    output:
        png=drawn(
            "results/{campaign}/figures/runtimes-providers.png",
            caption="../report/runtimes-providers.rst",
            category="Runtimes",
            labels={"figure": "Provider against provider"},
        ),
        pdf="results/{campaign}/figures/runtimes-providers.pdf",
        about="results/{campaign}/figures/runtimes-providers.json",
    log:
        "results/{campaign}/logs/figure-runtimes-providers.log",
    localrule: True
    params:
        python=interpreter("analysis"),
        name="runtimes-providers",


use rule figure_runtimes_energy as figure_runtimes_parity with:
    output:
        png=drawn(
            "results/{campaign}/figures/runtimes-parity.png",
            caption="../report/runtimes-parity.rst",
            category="Runtimes",
            labels={"figure": "Parity, and what was excluded"},
        ),
        pdf="results/{campaign}/figures/runtimes-parity.pdf",
        about="results/{campaign}/figures/runtimes-parity.json",
    log:
        "results/{campaign}/logs/figure-runtimes-parity.log",
    localrule: True
    params:
        python=interpreter("analysis"),
        name="runtimes-parity",


rule runtimes_page:
    input:
        software=software("analysis"),
        program=sources(
            "report_runtimes.py",
            "analysis/*.py",
            "analysis/energy/*.py",
            "analysis/quality/*.py",
            "analysis/statistics/*.py",
            "analysis/pages/*",
            "analysis/runtimes/*",
            "analysis/figures/style.py",
        ),
        captions=expand(own("report/{figure}.rst"), figure=RUNTIME_FIGURES),
        sessions=session_files("runtimes"),
        tables=rules.runtime_tables.output,
        figures=expand("results/{{campaign}}/figures/{figure}.png", figure=RUNTIME_FIGURES),
    output:
        page=report(
            "results/{campaign}/runtimes.html",
            caption="../report/runtimes.rst",
            category="Report",
            labels={"figure": "The whole report on runtimes"},
        ),
    log:
        "results/{campaign}/logs/runtimes-page.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        python=interpreter("analysis"),
        excluded=excluded_files,
    shell:
        "{params.python} "
        f"{SCRIPTS}/report_runtimes.py"
        " --campaign results/{wildcards.campaign:q}"
        " --sessions {input.sessions:q} {params.excluded:q} --out {output.page:q} &> {log:q}"
