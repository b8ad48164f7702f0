#!/usr/bin/env python3
"""Martlet against Prosody and ejabberd: the same work, on the same machine, counted from outside.

usage: bench.py [--runs 5] [--rows "login chat-tls"] [--peers "martlet ejabberd"] [--write]
$MARTLET is the command to measure (default: the release build). `--write` puts the table of a whole comparison into
Docs/performance.md. What each row is stands in yardstick/steps.py.

Exit status 1 when a row could not be measured; an aim that is missed is no error.
"""

import argparse
import datetime
import json
import os
import pathlib
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# The relay, addresses and processes of the interoperation tests.
sys.path[:0] = [str(HERE), str(HERE.parent / "InteropTests")]

from yardstick import load, machine, servers, steps, table  # noqa: E402

DOCUMENT = ROOT / "Docs" / "performance.md"
OUTPUT = ROOT / ".build" / "bench"


class Bench:
    """One comparison: what to do, how much of it, and what came of it."""

    def __init__(self, given, martlet):
        self.given = given
        self.scale = given.scale
        self.idle = given.idle
        self.patience = machine.Patience(given.patience)
        self.load = load.Load(load.build(OUTPUT))
        self.room = servers.Room(martlet, OUTPUT / "logs")
        self.results = {
            "machine": machine.describe(self.room.directory),
            "versions": {
                steps.MARTLET: version(martlet),
                steps.PROSODY: machine.package_version("prosody"),
                steps.EJABBERD: machine.package_version("ejabberd"),
            },
            "scale": given.scale,
            "measurements": self.earlier(),
        }

    def earlier(self):
        """With --keep what the file has of other rows and other servers."""
        if not self.given.keep or not self.given.json.exists():
            return []
        old = json.loads(self.given.json.read_text())["measurements"]
        return [one for one in old if one["step"] not in self.given.rows or one["kind"] not in self.given.peers]

    def amount(self, whole, least=1):
        """As much of the work as was asked for."""
        return max(least, int(whole * self.scale))

    def measure(self, *words, servers, limit=600):
        figures = self.attempt(lambda: self.load.run(*words, servers=servers, limit=limit))
        for server in servers:
            server.check()
        return figures

    def attempt(self, work):
        """One measured run, when the machine is quiet or patience has ended."""
        share = self.patience.wait()
        pace, stolen, start = machine.pace(), machine.stolen_seconds(), time.monotonic()
        figures = work()
        stolen = (machine.stolen_seconds() - stolen) / (time.monotonic() - start)
        return figures | {
            "other_share_before": share,
            "stolen_share": round(stolen, 3),
            "pace_ms": (pace + machine.pace()) / 2,
        }

    def plan(self):
        for name in self.given.rows:
            for kind in steps.KINDS:
                if kind in self.given.peers and kind in steps.BY_NAME[name].kinds:
                    yield steps.BY_NAME[name], kind

    def run(self):
        plan = list(self.plan())
        left = sum(step.duration(kind, self.given.runs) for step, kind in plan)
        say(f"{len(plan)} steps, about {minutes(left)}, and as long again on a machine with other work")
        for number, (step, kind) in enumerate(plan, 1):
            say(f"[{number}/{len(plan)}] {step.name} with {steps.TITLES[kind]} (about {minutes(left)} left)")
            self.run_step(step, kind)
            left -= step.duration(kind, self.given.runs)
            self.save()

    def run_step(self, step, kind):
        runs = min(self.given.runs, step.most_runs)
        try:
            for run, figures in enumerate(step.run(self, kind, runs), 1):
                other = other_share(figures)
                noise = {"other_share": other, "stolen_share": figures.pop("stolen_share"), "pace_ms": figures.pop("pace_ms")}
                self.note(step, kind, run, figures=figures, **noise)
                said = (f"{f.key} {figures[f.key] / f.divisor:.4g}" for f in step.figures if f.key in figures)
                say(f"    run {run}: {', '.join(said)} ({', '.join(f'{name} {value:.3g}' for name, value in noise.items())})")
        except Exception as error:
            self.note(step, kind, 0, error=f"{type(error).__name__}: {error}")
            say(f"    failed: {type(error).__name__}: {error}; logs, if any: {self.room.logs}")

    def note(self, step, kind, run, **more):
        when = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        self.results["measurements"].append({"step": step.name, "kind": kind, "run": run, "when": when, **more})

    def save(self):
        self.given.json.parent.mkdir(parents=True, exist_ok=True)
        self.given.json.write_text(json.dumps(self.results, indent=1, ensure_ascii=False) + "\n")


def other_share(figures):
    """The part of a core that neither the servers nor the load used while it was measured."""
    spent, taken = (figures.get(key, 0) + figures.get(f"read_{key}", 0) for key in ("seconds", "other_cpu_s"))
    return round(max(0, taken) / spent, 3) if spent else 0


def say(words):
    print(words, flush=True)


def minutes(seconds):
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def version(martlet):
    """As the command says it, and from which commit the checkout is."""
    said = machine.said(martlet, "--version").split()
    commit = machine.said("git", "-C", ROOT, "describe", "--always", "--dirty")
    return " ".join([*said[1:2], *(f"({word})" for word in commit.split())])


def words_of(allowed):
    """For argparse: words of a list, or all of them where none is given."""

    def parse(text):
        words = text.replace(",", " ").split()
        for word in words:
            if word not in allowed:
                raise argparse.ArgumentTypeError(f"{word} is none of: {' '.join(allowed)}")
        return [word for word in allowed if word in words] or list(allowed)

    return parse


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add = parser.add_argument
    add("--runs", type=int, default=5, help="runs of each row; their medians are compared")
    add("--rows", type=words_of(list(steps.BY_NAME)), default=list(steps.BY_NAME), help="of: " + " ".join(steps.BY_NAME))
    add("--peers", type=words_of(list(steps.KINDS)), default=list(steps.KINDS), help="of: " + " ".join(steps.KINDS))
    add("--idle", type=int, default=2000, help="connections of the rows about memory")
    add("--scale", type=float, default=1, help="how much of the work: 0.01 shows in seconds that it runs")
    add("--patience", type=float, default=60, help="seconds to wait for a quiet machine before a run, 900 in all; 0: none")
    add("--json", type=pathlib.Path, help="where all figures go; default: .build/bench/results.json, or part.json for a part")
    add("--keep", action="store_true", help="only these rows anew, and keep what results.json has of others")
    add("--write", action="store_true", help="put the table into Docs/performance.md, if it is whole")
    given = parser.parse_args()
    is_whole = given.keep or (set(given.rows), set(given.peers)) == (set(steps.BY_NAME), set(steps.KINDS))
    given.json = given.json or OUTPUT / ("results.json" if is_whole and given.scale == 1 else "part.json")
    return given


def main():
    given = arguments()
    martlet = pathlib.Path(os.environ.get("MARTLET", ROOT / ".build" / "release" / "martlet")).resolve()
    if not martlet.exists():
        sys.exit(f"{martlet} does not exist: run make build, or name the command in $MARTLET")
    # So that whatever ends us also ends what we have started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    start = time.monotonic()
    bench = Bench(given, martlet)
    try:
        bench.run()
    finally:
        bench.room.close()
    measurements = bench.results["measurements"]
    text = table.document(bench.results)
    say(f"\n{text}\n\n{minutes(time.monotonic() - start)}; all figures: {given.json}")
    wanted = {(step.name, kind) for step in steps.STEPS for kind in step.kinds}
    if given.write and given.scale == 1:
        if wanted <= {(one["step"], one["kind"]) for one in measurements if "error" not in one}:
            table.write(DOCUMENT, text)
            say(f"written into {DOCUMENT.relative_to(ROOT)}")
        else:
            say(f"{DOCUMENT.relative_to(ROOT)} stays as it is: only a whole table goes into it")
    sys.exit(1 if any("error" in one for one in measurements) else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
