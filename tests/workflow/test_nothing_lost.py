"""What was measured stays, whatever is killed, deleted, copied, torn or asked for; what is missing
is measured or made again by the same command."""

import json
import os
import shutil
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from .conftest import SESSION, Clone
