# Takes: the tables, and raw sessions for the figure of readings.
# Gives: results/<campaign>/figures/*.png and *.pdf, and results/<campaign>/report.html. A figure
#        with nothing to show is two empty files, and its *.json says why.
FIGURES = (
    "power",
    "phases",
    "position",
    "estimators",
    "amplification",
    "context",
    "law",
    "published",
    "answer",
    "savings",
)


rule figure_power:
    input:
        software=software("analysis"),
        program=sources("figures.py", "analysis/figures/*.py", "analysis/phases/[dgw]*.py"),
        generations="results/{campaign}/tables/generations.parquet",
        savings="results/{campaign}/tables/savings.parquet",
        sessions=session_files("phases"),
    output:
        png=drawn(
            "results/{campaign}/figures/power.png",
            caption="../report/power.rst",
            category="Phases",
            labels={"figure": "Power over time"},
        ),
        pdf="results/{campaign}/figures/power.pdf",
        about="results/{campaign}/figures/power.json",
    log:
        "results/{campaign}/logs/figure-power.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        python=interpreter("analysis"),
        name="power",
    shell:
        "{params.python} "
        f"{SCRIPTS}/figures.py"
        " {params.name} --campaign results/{wildcards.campaign:q}"
        " --png {output.png:q} --pdf {output.pdf:q} &> {log:q}"


use rule figure_power as figure_phases with:
    output:
        png=drawn(
            "results/{campaign}/figures/phases.png",
            caption="../report/phases.rst",
            category="Phases",
            labels={"figure": "Energy by phase"},
        ),
        pdf="results/{campaign}/figures/phases.pdf",
        about="results/{campaign}/figures/phases.json",
    log:
        "results/{campaign}/logs/figure-phases.log",
    localrule: True
    params:
        python=interpreter("analysis"),
        name="phases",


use rule figure_power as figure_position with:
    output:
        png=drawn(
            "results/{campaign}/figures/position.png",
            caption="../report/position.rst",
            category="Phases",
            labels={"figure": "Energy per token along the output"},
        ),
        pdf="results/{campaign}/figures/position.pdf",
        about="results/{campaign}/figures/position.json",
    log:
        "results/{campaign}/logs/figure-position.log",
    localrule: True
    params:
        python=interpreter("analysis"),
        name="position",


use rule figure_power as figure_estimators with:
    output:
        png=drawn(
            "results/{campaign}/figures/estimators.png",
            caption="../report/estimators.rst",
            category="Phases",
            labels={"figure": "Four estimators of a phase"},
        ),
        pdf="results/{campaign}/figures/estimators.pdf",
        about="results/{campaign}/figures/estimators.json",
    log:
        "results/{campaign}/logs/figure-estimators.log",
    localrule: True
    params:
        python=interpreter("analysis"),
        name="estimators",


use rule figure_power as figure_amplification with:
    output:
        png=drawn(
            "results/{campaign}/figures/amplification.png",
            caption="../report/amplification.rst",
            category="Phases",
            labels={"figure": "Amplification of the decoded token"},
        ),
        pdf="results/{campaign}/figures/amplification.pdf",
        about="results/{campaign}/figures/amplification.json",
    log:
        "results/{campaign}/logs/figure-amplification.log",
    localrule: True
    params:
        python=interpreter("analysis"),
        name="amplification",


use rule figure_power as figure_context with:
    output:
        png=drawn(
            "results/{campaign}/figures/context.png",
            caption="../report/context.rst",
            category="Phases",
            labels={"figure": "Energy per token against context"},
        ),
        pdf="results/{campaign}/figures/context.pdf",
        about="results/{campaign}/figures/context.json",
    log:
        "results/{campaign}/logs/figure-context.log",
    localrule: True
    params:
        python=interpreter("analysis"),
        name="context",


use rule figure_power as figure_law with:
    output:
        png=drawn(
            "results/{campaign}/figures/law.png",
            caption="../report/law.rst",
            category="Phases",
            labels={"figure": "The law of prefill and decoding"},
        ),
        pdf="results/{campaign}/figures/law.pdf",
        about="results/{campaign}/figures/law.json",
    log:
        "results/{campaign}/logs/figure-law.log",
    localrule: True
    params:
        python=interpreter("analysis"),
        name="law",


use rule figure_power as figure_published with:
    output:
        png=drawn(
            "results/{campaign}/figures/published.png",
            caption="../report/published.rst",
            category="Phases",
            labels={"figure": "Beside the paper"},
        ),
        pdf="results/{campaign}/figures/published.pdf",
        about="results/{campaign}/figures/published.json",
    log:
        "results/{campaign}/logs/figure-published.log",
    localrule: True
    params:
        python=interpreter("analysis"),
        name="published",


use rule figure_power as figure_answer with:
    output:
        png=drawn(
            "results/{campaign}/figures/answer.png",
            caption="../report/answer.rst",
            category="Babbling",
            labels={"figure": "Tokens before and after the answer"},
        ),
        pdf="results/{campaign}/figures/answer.pdf",
        about="results/{campaign}/figures/answer.json",
    log:
        "results/{campaign}/logs/figure-answer.log",
    localrule: True
    params:
        python=interpreter("analysis"),
        name="answer",


use rule figure_power as figure_savings with:
    output:
        png=drawn(
            "results/{campaign}/figures/savings.png",
            caption="../report/savings.rst",
            category="Babbling",
            labels={"figure": "With against without suppression"},
        ),
        pdf="results/{campaign}/figures/savings.pdf",
        about="results/{campaign}/figures/savings.json",
    log:
        "results/{campaign}/logs/figure-savings.log",
    localrule: True
    params:
        python=interpreter("analysis"),
        name="savings",


rule report_page:
    input:
        software=software("analysis"),
        program=sources(
            "report_phases.py",
            "analysis/*.py",
            "analysis/energy/*.py",
            "analysis/quality/*.py",
            "analysis/statistics/*.py",
            "analysis/phases/[dgw]*.py",
            "analysis/pages/*",
        ),
        captions=expand(own("report/{figure}.rst"), figure=FIGURES),
        sessions=session_files("phases"),
        scores=campaign_scores,
        summary="results/{campaign}/tables/summary.parquet",
        figures=expand("results/{{campaign}}/figures/{figure}.png", figure=FIGURES),
    output:
        page=report(
            "results/{campaign}/report.html",
            caption="../report/page.rst",
            category="Report",
            labels={"figure": "The whole report"},
        ),
    log:
        "results/{campaign}/logs/report.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        python=interpreter("analysis"),
    shell:
        "{params.python} "
        f"{SCRIPTS}/report_phases.py"
        " --campaign results/{wildcards.campaign:q}"
        " --sessions {input.sessions:q} --scores {input.scores:q} --out {output.page:q} &> {log:q}"
