"""`make demo` tells its story to a good end."""

import os
import re
import subprocess
import sys

import pytest

from harness import martlet


@pytest.mark.martlet
def test_the_demonstration_ends_well():
    story = subprocess.run(
        [sys.executable, martlet.ROOT / "Tests" / "InteropTests" / "demo.py"],
        capture_output=True,
        text=True,
        timeout=400,
        env={**os.environ, "MARTLET": str(martlet.binary())},
    )
    assert story.returncode == 0, story.stdout + story.stderr
    last = story.stdout.splitlines()[-1]
    counts = re.fullmatch(r"sent (\d+), delivered (\d+), lost 0, duplicated 0", last)
    assert counts and counts[1] == counts[2], last
