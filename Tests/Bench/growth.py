#!/usr/bin/env python3
"""How the cost of a message grows in a running Martlet, with sockets and TLS: connections, and bytes of a message.

usage: growth.py [--runs 3] [--pairs "50 500 2000 9500"] [--bodies "100 1024 4096 16384 61440"] [--write]
$MARTLET is the command to measure (default: the release build). `--write` puts the figures, and those of `martlet-bench growth
--json .build/bench/growth-sites.json`, into Docs/performance.md; `--sites-only` does that without measuring anything.

Each point has a fresh server. Its processor time is counted as in bench.py: from outside, by the kernel.
"""

import argparse
import collections
import datetime
import json
import os
import pathlib
import signal
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "InteropTests")]

from yardstick import load, machine, servers, table  # noqa: E402

DOCUMENT = ROOT / "Docs" / "performance.md"
OUTPUT = ROOT / ".build" / "bench"
#: What `martlet-bench growth --json` has written.
SITES = OUTPUT / "growth-sites.json"
BEGIN, END = "<!-- growth:begin -->", "<!-- growth:end -->"
#: Pairs of the points where bodies grow, bytes of a body where connections grow, and messages a second where they are paced.
PAIRS, BODY, RATE = 50, 100, 2000


class Growth:
    """All points, one server after the other."""

    def __init__(self, given, martlet):
        self.given = given
        self.patience = machine.Patience(given.patience)
        self.load = load.Load(load.build(OUTPUT))
        self.room = servers.Room(martlet, OUTPUT / "logs")
        self.results = {"machine": machine.describe(self.room.directory), "points": []}

    def run(self):
        for pairs in self.given.pairs:
            with self.room.server("martlet", 2 * pairs) as server:
                # Everybody writes a few times in each run.
                messages = max(self.given.messages, 4 * pairs)
                for _ in range(self.given.runs):
                    self.measure(server, "connections", 2 * pairs, pairs, BODY, "--messages", messages)
                    self.measure(server, "paced", 2 * pairs, pairs, BODY, "--rate", RATE, "--seconds", self.given.seconds)
        with self.room.server("martlet", 2 * PAIRS) as server:
            for _ in range(self.given.runs):
                for body in self.given.bodies:
                    messages = min(self.given.messages, max(4000, self.given.messages * 2000 // (2000 + body)))
                    self.measure(server, "bodies", body, PAIRS, body, "--messages", messages)

    def measure(self, server, name, value, pairs, body, *words):
        self.patience.wait()
        words = ("--pairs", pairs, "--window", 1, "--body", body, "--concurrency", 64, "--stall", 60, *words)
        figures = self.load.run("chat", *words, servers=[server], limit=900)
        server.check()
        when = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self.results["points"].append({"name": name, "value": value, "when": when, "figures": figures})
        say(f"  {name} {value:,}: {figures['server_cpu_us_per']:.1f} µs a message, {figures['rate_per_s']:,.0f} a second")


def cost(points, name, value):
    """The median of the processor time for a message in µs; None without runs."""
    costs = [one["figures"]["server_cpu_us_per"] for one in points if (one["name"], one["value"]) == (name, value)]
    return statistics.median(costs) if costs else None


def values(points, *names):
    return sorted({one["value"] for one in points if one["name"] in names})


def sockets(results):
    """The table of the running server."""
    points = results["points"]
    about = results["machine"]
    counts = collections.Counter((one["name"], one["value"]) for one in points).values()
    many = " to ".join(str(count) for count in sorted({min(counts), max(counts)}))
    day = max(one["when"] for one in points)[:10]
    head = f"{day}: {about['processor']}, {about['cores']} cores, {about['kernel']}. Medians of {many} runs."
    connections = values(points, "connections", "paced")
    rows = [["Connections over TLS", *(f"{value:,}" for value in connections)]]
    for name, title in (("connections", "one message under way in each pair"), ("paced", f"{RATE:,} messages a second in all")):
        rows.append([f"µs a message, {title}", *(table.number(cost(points, name, value)) for value in connections)])
    bodies = values(points, "bodies")
    sizes = [["Bytes of the body, 100 connections over TLS", *(f"{value:,}" for value in bodies)]]
    sizes.append(["µs a message", *(table.number(cost(points, "bodies", value)) for value in bodies)])
    sizes.append(["µs for each KiB of it", *(table.number(cost(points, "bodies", v) / (v / 1024)) for v in bodies)])
    parts = [table.markdown(part, right=range(1, len(part[0]))) for part in (rows, sizes)]
    return "\n\n".join([f"The same with sockets and TLS, {head}", *parts])


def sites(figures):
    """The table of `martlet-bench growth`: the ends of each line."""
    rows = [["What grows", "Cost of", "First", "Last", "Ratio"]]
    for panel in figures["panels"]:
        for line in panel["lines"]:
            first, last = line["points"][0], line["points"][-1]
            ends = [f"{table.number(point['cost'])} µs at {point['value']:,}" for point in (first, last)]
            rows.append([panel["title"], line["label"], *ends, f"{table.number(last['cost'] / first['cost'])}×"])
    days = sorted({panel["date"] for panel in figures["panels"]})
    many = min(len(point["costs"]) for panel in figures["panels"] for line in panel["lines"] for point in line["points"])
    day = " to ".join(dict.fromkeys([days[0], days[-1]]))
    return f"Whole sites in process, {day}; medians of {many} repetitions.\n\n{table.markdown(rows, right=(2, 3, 4))}"


def say(words):
    print(words, flush=True)


def arguments():
    def numbers(text):
        return [int(word) for word in text.replace(",", " ").split()]

    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add = parser.add_argument
    add("--runs", type=int, default=3, help="runs of each point; their median counts")
    add("--pairs", type=numbers, default=[50, 500, 2000, 9500], help="pairs of connections")
    add("--bodies", type=numbers, default=[100, 1024, 4096, 16384, 61440], help="bytes of a body")
    add("--messages", type=int, default=40000, help="messages of a run")
    add("--seconds", type=int, default=15, help="seconds of a run with a fixed rate")
    add("--patience", type=float, default=30, help="seconds to wait for a quiet machine before a run, 900 in all; 0: none")
    add("--json", type=pathlib.Path, default=OUTPUT / "growth.json", help="where all figures go")
    add("--write", action="store_true", help="put the tables into Docs/performance.md")
    add("--sites-only", action="store_true", help="measure nothing: write what the files hold")
    return parser.parse_args()


def main():
    given = arguments()
    martlet = pathlib.Path(os.environ.get("MARTLET", ROOT / ".build" / "release" / "martlet")).resolve()
    start = time.monotonic()
    if given.sites_only:
        given.write = True
    else:
        if not martlet.exists():
            sys.exit(f"{martlet} does not exist: run make build, or name the command in $MARTLET")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        growth = Growth(given, martlet)
        try:
            growth.run()
        finally:
            growth.room.close()
            given.json.parent.mkdir(parents=True, exist_ok=True)
            given.json.write_text(json.dumps(growth.results, indent=1, ensure_ascii=False) + "\n")
    parts = []
    if SITES.exists():
        parts.append(sites(json.loads(SITES.read_text())))
    if given.json.exists():
        parts.append(sockets(json.loads(given.json.read_text())))
    text = "\n\n".join(parts)
    say(f"\n{text}\n\n{time.monotonic() - start:.0f} s; all figures: {given.json}")
    if given.write:
        table.write(DOCUMENT, text, BEGIN, END)
        say(f"written into {DOCUMENT.relative_to(ROOT)}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
