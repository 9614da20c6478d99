# Takes: the tables, and raw sessions for the figure of readings.
# Gives: of each figure in scripts/analysis/figures/ a PNG and a PDF, in results/<campaign>/figures/
#        and meters/; and the pages: results/<campaign>/report.html, runtimes.html and
#        meters/meters.md. A figure with nothing to show is two empty files, and its *.json says why.
check_figures(rules.tables, rules.runtime_tables, rules.meter_tables)


rule figure:
    input:
        software=software("analysis"),
        program=figure_program,
        tables=figure_tables,
        sessions=figure_sessions,
    output:
        png=report(
            "results/{campaign}/{folder}/{figure}.png",
            caption="../report/figure.rst",
            category=figure_category,
            labels=figure_labels,
        ),
        pdf="results/{campaign}/{folder}/{figure}.pdf",
        about="results/{campaign}/{folder}/{figure}.json",
    log:
        "results/{campaign}/logs/{folder}-{figure}.log",
    wildcard_constraints:
        folder=FOLDERS,
        figure=pattern_of(drawn_figures()),
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        run=command("figures", "analysis"),
        caption=figure_caption,
    shell:
        "{params.run} {wildcards.figure:q} --campaign results/{wildcards.campaign:q}"
        " --png {output.png:q} --pdf {output.pdf:q} &> {log:q}"


# An empty file is no part of Snakemake's report: the page says why.
use rule figure as figure_left_out with:
    output:
        png="results/{campaign}/{folder}/{figure}.png",
        pdf="results/{campaign}/{folder}/{figure}.pdf",
        about="results/{campaign}/{folder}/{figure}.json",
    wildcard_constraints:
        folder=FOLDERS,
        figure=pattern_of(left_out_figures()),
    localrule: True


rule report_page:
    input:
        software=software("analysis"),
        program=files_of("report_phases"),
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
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        run=command("report_phases", "analysis"),
    shell:
        "{params.run} --campaign results/{wildcards.campaign:q}"
        " --sessions {input.sessions:q} --scores {input.scores:q} --out {output.page:q} &> {log:q}"


rule runtimes_page:
    input:
        software=software("analysis"),
        program=files_of("report_runtimes"),
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
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        run=command("report_runtimes", "analysis"),
        excluded=excluded_files,
    shell:
        "{params.run} --campaign results/{wildcards.campaign:q}"
        " --sessions {input.sessions:q} {params.excluded:q} --out {output.page:q} &> {log:q}"


rule meters_page:
    input:
        software=software("analysis"),
        program=files_of("report_meters"),
        session="results/{campaign}/meters/session.json",
        tables=rules.meter_tables.output,
        figures=expand("results/{{campaign}}/meters/{figure}.png", figure=on_page("meters")),
    output:
        page="results/{campaign}/meters/meters.md",
    log:
        "results/{campaign}/logs/meters-page.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    params:
        run=command("report_meters", "analysis"),
        folder=subpath(input.session, parent=True),
    shell:
        "{params.run} --session {params.folder:q} --out {output.page:q}" " &> {log:q}"
