# Takes: PLAN, and what rules make.
# Gives: what targets ask for; the refusal of what none may.


def page_of(study):
    return f"results/{CAMPAIGN}/{PAGES[study].file}"


def tables_of(study):
    made = {"phases": "tables", "runtimes": "runtime_tables", "meters": "meter_tables"}[study]
    return expand(getattr(rules, made).output, campaign=CAMPAIGN)


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
            *figure_files(study),
        ]

    return files


@refusing
def meters_page(wildcards):
    """The page of the study of the meters, and what it rests on."""
    PLAN.recorded.check_meters()
    session = str(PLAN.recorded.meters / "session.json")
    return [page_of("meters"), *tables_of("meters"), *figure_files("meters"), session]


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


def refused_elsewhere(wildcards):
    """Files of another campaign, asked for by their paths: their sessions are others than those
    that this configuration plans."""
    refuse(
        f"results/{wildcards.campaign}/{wildcards.file} is of campaign '{wildcards.campaign}', and"
        f" this configuration is of campaign '{CAMPAIGN}': nothing is made in another; to make the"
        " tables and pages of what was measured there: snakemake --cores 1 analyse --config"
        f" campaign={wildcards.campaign}"
    )
