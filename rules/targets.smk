# Takes: PLAN, and what rules make.
# Gives: what targets ask for; the refusal of what none may.


def page_of(study):
    page = {"phases": "report", "runtimes": "runtimes"}[study]
    return f"results/{CAMPAIGN}/{page}.html"


def tables_of(study):
    made = {"phases": "tables", "runtimes": "runtime_tables"}[study]
    return expand(getattr(rules, made).output, campaign=CAMPAIGN)


def figures_of(study):
    names = FIGURES if study == "phases" else RUNTIME_FIGURES
    return expand(
        "results/{campaign}/figures/{name}.{kind}",
        campaign=CAMPAIGN,
        name=names,
        kind=("png", "pdf"),
    )


def report_page(study):
    """The page of a study, and by name all that it rests on: Snakemake makes again what was deleted
    only where it is asked for, whatever was made from it still stands."""

    def files(wildcards):
        scored = scored_sessions(study)
        return [
            page_of(study),
            *session_files(study)(wildcards),
            *(f"results/{CAMPAIGN}/scores/{name}.json" for name in scored),
            *tables_of(study),
            *figures_of(study),
        ]

    return files


@refusing
def meters_page(wildcards):
    """The page of the study of the meters, and what it rests on."""
    PLAN.recorded.check_meters()
    made = expand(rules.meter_tables.output, campaign=CAMPAIGN)
    return [*made, str(PLAN.recorded.meters / "session.json")]


def pages_of_all(wildcards):
    return [file for study in config["studies"] for file in report_page(study)(wildcards)]


@refusing
def pages_of_measured(wildcards):
    """The page of each study that has raw data."""
    pages = [file for s in PLAN.measured_studies() for file in report_page(s)(wildcards)]
    if (PLAN.recorded.meters / "session.json").is_file():
        pages += meters_page(wildcards)
    if not pages:
        refuse(f"analyse: results/{CAMPAIGN}/raw holds no finished session")
    return pages


def drawn(figure, **how):
    """A figure for Snakemake's report, but for one that was left out: the page there says why."""
    file = Path(figure.format(campaign=CAMPAIGN))
    left_out = file.is_file() and not file.stat().st_size
    return figure if left_out else report(figure, **how)


def refused_elsewhere(wildcards):
    """Files of another campaign, asked for by their paths: their sessions are others than those
    that this configuration plans."""
    refuse(
        f"results/{wildcards.campaign}/{wildcards.file} is of campaign '{wildcards.campaign}', and"
        f" this configuration is of campaign '{CAMPAIGN}': nothing is made in another; to make the"
        " tables and pages of what was measured there: snakemake --cores 1 analyse --config"
        f" campaign={wildcards.campaign}"
    )
