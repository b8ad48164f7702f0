"""Attacks an office with everything that is known, one attack after the other, and prints what bystanders notice.

    hostile.py                                   every attack for 30 seconds against one process in 512 MiB, 200 people: an hour
    hostile.py --only domain/,pings --seconds 8  some of them, shorter
    hostile.py --write                           all of them, into Docs/security.md
"""

import argparse
import datetime
import json
import pathlib
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import hostile, martlet  # noqa: E402
from harness.world import World  # noqa: E402

DOCUMENT = martlet.ROOT / "Docs" / "security.md"
BEGIN, END = "<!-- hostile: begin -->", "<!-- hostile: end -->"


def options():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--only", default="", help="parts of names of attacks, with commas")
    words.add_argument("--seconds", type=float, default=30, help="of each attack")
    words.add_argument("--people", type=int, default=200, help="at the office, with rosters of 300")
    words.add_argument("--memory", type=int, default=512, help="MiB of the control group")
    words.add_argument("--pause", type=float, default=2, help="seconds between two attacks")
    words.add_argument("--json", type=pathlib.Path, help="where all figures go")
    words.add_argument("--keep-going", action="store_true", help="start the office again where an attack has killed it")
    words.add_argument("--write", action="store_true", help="put the table into Docs/security.md")
    return words.parse_args()


def attack(stage, chosen, given):
    """The figures of all attacks, and in what they are worse than promised."""
    bad = []
    for one in chosen:
        if not stage.lives:
            if not given.keep_going:
                break
            stage.restart()
        figures = stage.measure(one, given.seconds)
        print("| " + " | ".join(hostile.row(figures)) + " |", flush=True)
        worse = hostile.faults(figures, hostile.STRICT)
        if worse:
            bad.append(one.name)
            print(f"    {'; '.join(worse)}", flush=True)
        if given.json:
            given.json.write_text(json.dumps(stage.measured, indent=1))
        time.sleep(given.pause)
    return bad


def write(text):
    before, rest = DOCUMENT.read_text().split(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


def main():
    given = options()
    parts = given.only.split(",")
    chosen = [each for name, each in hostile.ATTACKS.items() if any(part in name for part in parts)]
    if given.write and len(chosen) < len(hostile.ATTACKS):
        sys.exit("--write needs the whole table")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="martlet-hostile-"))
    with hostile.Group("martlet-hostile", given.memory << 20) as group, World(directory) as world:
        print(f"{martlet.binary()}; {given.people} people; {group.kind or 'NO control group'}: {given.memory} MiB", flush=True)
        stage = hostile.Stage(world, given.people, group=group)
        try:
            stage.start()
            print(f"the bystanders alone: {stage.base:.2f} of a core; {json.dumps(stage.quiet)}", flush=True)
            bad = attack(stage, chosen, given)
            told = (
                f"{datetime.date.today()}: {len(stage.measured)} attacks of {given.seconds:g} s, {given.people} people, "
                f"{group.kind or 'no control group'} of {given.memory} MiB (at most {group.peak() >> 20} MiB used), "
                f"{stage.restarts + (not stage.lives)} deaths."
            )
        finally:
            stage.close()
    text = f"{told}\n\n{hostile.table(stage.measured)}"
    print(f"\n{text}")
    if given.write:
        write(text)
    if bad:
        print(f"worse than promised: {', '.join(bad)}; logs and stores: {directory}", file=sys.stderr)
    else:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
