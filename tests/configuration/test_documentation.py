"""config/README.md says what the schemas say."""

import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_the_tables_of_keys_are_those_of_the_schemas():
    command = [sys.executable, "scripts/document.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_table_of_the_studys_models_is_that_of_the_registry():
    page = (ROOT / "config/README.md").read_text().splitlines()
    models = yaml.safe_load((ROOT / "config/models.yaml").read_text())
    rows = [
        f"| `{name}` | {entry['repo']} | {entry['licence']} | {entry['parameters']:,} |"
        for name, entry in models.items()
        if "published" in entry
    ]
    assert [line for line in page if line in rows] == rows
