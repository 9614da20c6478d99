# inference-energy: what a joule of inference is spent on.
from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/sessions.smk"
include: "rules/software.smk"
include: "rules/models.smk"
include: "rules/convert.smk"
include: "rules/runtimes.smk"
include: "rules/phases.smk"
include: "rules/metering.smk"
include: "rules/doctor.smk"
include: "rules/analysis.smk"
include: "rules/report.smk"
include: "rules/report_runtimes.smk"


onstart:
    refuse_unmet()
    hold_campaign()


rule all:
    default_target: True
    input:
        pages=pages_of_all,


# The study of runtime infrastructures, measured and drawn.
rule runtimes:
    input:
        page=report_page("runtimes"),


# The sessions of the study of phases alone: raw data, nothing analysed.
rule phases:
    input:
        raw=planned_raw("phases"),


# The study of the meters: how far off they are, on loads whose work is known.
rule metering:
    input:
        page=METERS_PAGE,


# Tables, figures and report from the raw data that are there: measures nothing.
rule analyse:
    input:
        pages=pages_of_measured,
