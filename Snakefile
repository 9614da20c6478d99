# inference-energy: what a joule of inference is spent on.
from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/software.smk"
include: "rules/models.smk"
include: "rules/phases.smk"
include: "rules/analysis.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        report=report_page(),


# The sessions alone: raw data, nothing analysed.
rule phases:
    input:
        raw=planned_raw,


# Tables, figures and report from the raw data that are there: measures nothing.
rule analyse:
    input:
        report=report_page(),
