# inference-energy: what a joule of inference is spent on.
from snakemake.utils import min_version

# From 9.17 on a priority may be a function.
min_version("9.17")


include: "rules/place.smk"


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/inputs.smk"
include: "rules/figures.smk"
include: "rules/targets.smk"
include: "rules/software.smk"
include: "rules/models.smk"
include: "rules/convert.smk"
include: "rules/runtimes.smk"
include: "rules/phases.smk"
include: "rules/metering.smk"
include: "rules/doctor.smk"
include: "rules/analysis.smk"
include: "rules/report.smk"
include: "rules/elsewhere.smk"


onstart:
    refuse_unmet()
    hold_campaign()
    warn_undeclared()
    log_plan()


start_with(onstart)


rule all:
    default_target: True
    input:
        pages=pages_of_all,


# Each study alone, measured and drawn.
rule runtimes:
    input:
        page=report_page("runtimes"),


rule phases:
    input:
        page=report_page("phases"),


# The raw data of both alone, for a machine without the libraries of the analysis: `analyse` does
# the rest elsewhere.
rule raw:
    input:
        runtimes=branch("runtimes" in config["studies"], then=planned_raw("runtimes"), otherwise=[]),
        phases=branch("phases" in config["studies"], then=planned_raw("phases"), otherwise=[]),


# The study of the meters: how far off they are, on loads whose work is known.
rule metering:
    input:
        page=meters_page,


# Tables, figures and report from the raw data that are there: measures nothing.
rule analyse:
    input:
        pages=pages_of_measured,
