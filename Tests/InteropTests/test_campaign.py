"""A short crash campaign. `make campaign` has the long one, with 200 kills."""

import os
import re
import subprocess
import sys

import pytest

from harness import martlet


@pytest.mark.martlet
def test_kills_and_broken_lines_lose_nothing(tmp_path):
    campaign = subprocess.run(
        [sys.executable, martlet.ROOT / "Tests" / "InteropTests" / "campaign.py", "--kills", "8", "--seed", "1",
         "--directory", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=560,
        env={**os.environ, "MARTLET": str(martlet.binary())},
    )  # fmt: skip
    assert campaign.returncode == 0, campaign.stdout
    *_, kills, cuts, _, devices, keeping, archives, counts = campaign.stdout.splitlines()
    assert kills.startswith("kills 8: "), kills
    assert re.match(r"cuts [1-9]", cuts), cuts
    assert archives == "archives 8: missing 0 repeated 0", archives
    found = re.fullmatch(r"second devices 2: copies (\d+), in one session all the time \d", devices)
    assert found and int(found[1]) > 20, devices
    found = re.fullmatch(r"contacts and items: written (\d+), wrong 0", keeping)
    assert found and int(found[1]) > 20, keeping
    found = re.fullmatch(r"sent (\d+) delivered (\d+) bounced 0 lost 0 duplicated 0 disordered 0", counts)
    assert found and int(found[1]) == int(found[2]) > 200, counts
