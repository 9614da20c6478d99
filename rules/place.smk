# Takes: nothing.
# Gives: ROOT, the folder of this workflow, whose programs are on the path; `refuse`, which ends a
#        run in one line.
import os
import sys
from pathlib import Path

from snakemake.logging import logger

ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
sys.path.insert(0, str(ROOT / "scripts"))


def refuse(why):
    """Ends the run with one line: neither a file nor a line of the rules says more. Also within an
    input function, where Snakemake would wrap any other exception."""
    logger.error(" ".join(str(why).split()))
    raise SystemExit(1)


# Programs, pins and results are named by their paths from there.
if not (ROOT.is_dir() and os.path.samefile(os.getcwd(), ROOT)):
    refuse(
        f"this workflow runs in its own folder, and not in {os.getcwd()}: `cd` to {ROOT}, without"
        " --directory (a workflow that takes it as a module stands there, too)"
    )

# Snakemake would not find its own files there.
if sys.getfilesystemencoding() != "utf-8" and not str(ROOT).isascii():
    refuse(
        "the path of this folder is not ASCII, and this locale knows nothing else: set"
        " LC_ALL=C.UTF-8 or PYTHONUTF8=1"
    )
