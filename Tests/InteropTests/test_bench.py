"""`make bench`: its load generator, its table, and one of its rows from end to end, small."""

import json
import os
import subprocess
import sys

import pytest

from harness import martlet

BENCH = martlet.ROOT / "Tests" / "Bench"
sys.path.insert(0, str(BENCH))

from yardstick import load, steps, table  # noqa: E402


def measured(step, kind, *values, key="server_cpu_us_per"):
    noise = {"when": "2026-11-23T02:00:00", "other_share": 0.3, "stolen_share": 0.2, "pace_ms": 10}
    return [
        {"step": step, "kind": kind, "run": run, "figures": {key: value}, **noise} for run, value in enumerate(values, 1)
    ]


def row_of(measurements, title):
    return next((row for row in table.comparison(measurements) if row[0] == title), None)


def test_the_load_generator_reads_what_servers_write():
    program = load.build(martlet.ROOT / ".build" / "bench")
    done = subprocess.run([program, "selftest"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_medians_are_compared_with_those_of_the_better_peer():
    runs = measured("chat-tls", "martlet", 10, 900, 12) + measured("chat-tls", "prosody", 300)
    assert row_of(runs, "Chat over TLS")[2:] == ["12.0", "300", "–", "25.0×", "≥ 10×", "yes"]
    runs += measured("chat-tls", "ejabberd", 60, 61, 1000)
    assert row_of(runs, "Chat over TLS")[2:] == ["12.0", "300", "61.0", "5.08×", "≥ 10×", "no"]
    assert row_of(runs, "Presence to 200 contacts") is None


def test_bounds_hold_without_peers():
    runs = measured("idle-tls", "martlet", 25 * 1024, key="pss_bytes_per_conn")
    assert row_of(runs, "Memory of an idle connection over TLS")[2:] == ["25.0", "–", "–", "–", "≤ 24 KiB", "no"]
    runs = measured("drain-slow", "martlet", 0.93, key="of_copy")
    assert row_of(runs, steps.BY_NAME["drain-slow"].figures[0].title)[2:] == ["93.0", "–", "–", "–", "≥ 80 %", "yes"]


def test_the_table_says_when_the_machine_was_not_quiet_and_what_failed():
    runs = measured("login", "martlet", 1) + [{"step": "login", "kind": "prosody", "run": 0, "error": "Failed: no"}]
    runs += [one | {"other_share": 0, "stolen_share": 0.01, "pace_ms": 20} for one in measured("login", "ejabberd", 1)]
    loud, slow, failed = table.noise(runs)
    assert loud.endswith(": login (Martlet) 50 %")
    assert slow.endswith(": login (ejabberd) 2.0")
    assert "login (Prosody), Failed: no" in failed


def test_only_what_is_between_the_markers_is_replaced(tmp_path):
    file = tmp_path / "document.md"
    file.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    table.write(file, "new")
    table.write(file, "newer")
    assert file.read_text() == f"before\n{table.BEGIN}\n\nnewer\n\n{table.END}\nafter\n"
    file.write_text("no markers")
    with pytest.raises(ValueError):
        table.write(file, "new")
    assert file.read_text() == "no markers"
    assert table.BEGIN in (martlet.ROOT / "Docs" / "performance.md").read_text()


@pytest.mark.martlet
def test_a_row_is_measured_from_end_to_end(tmp_path):
    results = tmp_path / "results.json"
    words = ["--rows", "chat-tls", "--peers", "martlet", "--runs", "1", "--scale", "0.0125", "--patience", "0", "--write"]
    document = martlet.ROOT / "Docs" / "performance.md"
    before = document.read_text()
    done = subprocess.run(
        [BENCH / "bench.py", *words, "--json", results],
        env={**os.environ, "MARTLET": str(martlet.binary())},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (one,) = json.loads(results.read_text())["measurements"]
    figures = one["figures"]
    assert (figures["delivered"], figures["lost"], figures["duplicates"]) == (500, 0, 0)
    assert figures["tls"].startswith("TLSv1.3") and figures["sasl"] == "SCRAM-SHA-1"
    assert figures["server_cpu_us_per"] > 0
    assert "| Chat over TLS " in done.stdout
    # A part of the table is none.
    assert document.read_text() == before
