# Takes: the tables, and raw sessions for the figure of readings.
# Gives: results/<campaign>/figures/*.png and *.pdf, which `scripts/analysis/figures/` declares, and
#        the pages results/<campaign>/report.html and runtimes.html. A figure with nothing to show is
#        two empty files, and its *.json says why.
check_figures([*rules.tables.output, *rules.runtime_tables.output])


localrules:
    figure,
    figure_left_out,
    report_page,
    runtimes_page,


rule figure:
    input:
        software=software("analysis"),
        program=figure_program,
        tables=figure_tables,
        sessions=figure_sessions,
    output:
        png=report(
            "results/{campaign}/figures/{figure}.png",
            caption="../report/figure.rst",
            category=figure_category,
            labels=figure_labels,
        ),
        pdf="results/{campaign}/figures/{figure}.pdf",
        about="results/{campaign}/figures/{figure}.json",
    log:
        "results/{campaign}/logs/figure-{figure}.log",
    wildcard_constraints:
        figure=alternatives(drawn_figures()),
    conda:
        "../envs/analysis.yaml"
    params:
        python=interpreter("analysis"),
        caption=figure_caption,
    shell:
        "{params.python} scripts/figures.py {wildcards.figure:q} --campaign results/{wildcards.campaign:q}"
        " --png {output.png:q} --pdf {output.pdf:q} &> {log:q}"


# An empty file is no part of Snakemake's report: the page says why.
use rule figure as figure_left_out with:
    output:
        png="results/{campaign}/figures/{figure}.png",
        pdf="results/{campaign}/figures/{figure}.pdf",
        about="results/{campaign}/figures/{figure}.json",
    wildcard_constraints:
        figure=alternatives(left_out_figures()),


rule report_page:
    input:
        software=software("analysis"),
        program=sources(
            "report_phases.py",
            "analysis/*.py",
            "analysis/energy/*.py",
            "analysis/figures/*.py",
            "analysis/figures/drawing/*.py",
            "analysis/pages/*",
            "analysis/phases/[dgw]*.py",
            "analysis/quality/*.py",
            "analysis/statistics/*.py",
        ),
        sessions=session_files("phases"),
        scores=campaign_scores,
        summary="results/{campaign}/tables/summary.parquet",
        figures=expand("results/{{campaign}}/figures/{figure}.png", figure=on_page("phases")),
    output:
        page=report(
            "results/{campaign}/report.html",
            caption="../report/page.rst",
            category="Report",
            labels={"figure": "The whole report"},
        ),
    log:
        "results/{campaign}/logs/report.log",
    conda:
        "../envs/analysis.yaml"
    params:
        python=interpreter("analysis"),
    shell:
        "{params.python} scripts/report_phases.py --campaign results/{wildcards.campaign:q}"
        " --sessions {input.sessions:q} --scores {input.scores:q} --out {output.page:q} &> {log:q}"


rule runtimes_page:
    input:
        software=software("analysis"),
        program=sources(
            "report_runtimes.py",
            "analysis/*.py",
            "analysis/energy/*.py",
            "analysis/figures/*.py",
            "analysis/figures/drawing/*.py",
            "analysis/pages/*",
            "analysis/quality/*.py",
            "analysis/runtimes/*.py",
            "analysis/statistics/*.py",
        ),
        sessions=session_files("runtimes"),
        tables=rules.runtime_tables.output,
        figures=expand("results/{{campaign}}/figures/{figure}.png", figure=on_page("runtimes")),
    output:
        page=report(
            "results/{campaign}/runtimes.html",
            caption="../report/runtimes.rst",
            category="Report",
            labels={"figure": "The whole report on runtimes"},
        ),
    log:
        "results/{campaign}/logs/runtimes-page.log",
    conda:
        "../envs/analysis.yaml"
    params:
        python=interpreter("analysis"),
        excluded=excluded_files,
    shell:
        "{params.python} scripts/report_runtimes.py --campaign results/{wildcards.campaign:q}"
        " --sessions {input.sessions:q} {params.excluded:q} --out {output.page:q} &> {log:q}"
