# Takes: the registry of figures, scripts/analysis/figures/.
# Gives: what the rule that draws any figure must know of one, as functions of its wildcards.
from analysis.figures import PAGES, check_tables, figures, module_of, on_page


@refusing
def figure_program(wildcards):
    drawn_by = f"analysis.figures.{module_of(wildcards.figure)}"
    return program_files(PROGRAMS, "figures", drawn_by)


def figure_tables(wildcards):
    spec = figures()[wildcards.figure]
    return expand(
        "results/{campaign}/{folder}/{table}.parquet",
        campaign=wildcards.campaign,
        folder=PAGES[spec.page].tables,
        table=spec.reads,
    )


def figure_sessions(wildcards):
    spec = figures()[wildcards.figure]
    return session_files(spec.page)(wildcards) if spec.sessions else []


def figure_category(wildcards):
    return figures()[wildcards.figure].category


def figure_labels(wildcards):
    return {"figure": figures()[wildcards.figure].title}


def figure_caption(wildcards):
    return figures()[wildcards.figure].caption


def figure_file(name, kind="png"):
    folder = PAGES[figures()[name].page].figures
    return f"results/{CAMPAIGN}/{folder}/{name}.{kind}"


def figure_files(page):
    return [figure_file(name, kind) for name in on_page(page) for kind in ("png", "pdf")]


def left_out_figures():
    """The figures that were made and have nothing to show."""
    files = {name: Path(figure_file(name)) for name in figures()}
    return [name for name, file in files.items() if file.is_file() and not file.stat().st_size]


def drawn_figures():
    return [name for name in figures() if name not in left_out_figures()]


def pattern_of(names):
    """A pattern for these figures and no others, each in its folder."""
    pages = {name: PAGES[figures()[name].page].figures for name in names}
    return "|".join(f"(?<={folder}/){name}" for name, folder in pages.items()) or r"(?!)"


@refusing
def check_figures(phases, runtimes, meters):
    """Refuses a figure of a table that the rule of its study does not make."""
    rules_of = {"phases": phases, "runtimes": runtimes, "meters": meters}
    tables = {page: [Path(f).stem for f in rule.output] for page, rule in rules_of.items()}
    check_tables(figures(), tables)


FOLDERS = "|".join(sorted({page.figures for page in PAGES.values()}))
