"""Attacks an office with everything that is known, one attack after the other, and prints what bystanders notice.

    hostile.py                                   every attack for 30 seconds against one process in 512 MiB, 200 people
    hostile.py --only account/ --seconds 8       some of them
"""

import argparse
import json
import pathlib
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import hostile, martlet  # noqa: E402
from harness.world import World  # noqa: E402


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--only", default="", help="parts of names of attacks, with commas")
    words.add_argument("--seconds", type=float, default=30)
    words.add_argument("--people", type=int, default=200)
    words.add_argument("--memory", type=int, default=512, help="MiB of the control group")
    words.add_argument("--pause", type=float, default=2, help="seconds between two attacks")
    words.add_argument("--json", type=pathlib.Path)
    words.add_argument("--keep-going", action="store_true", help="start the office again where an attack has killed it")
    given = words.parse_args()
    chosen = [
        attack
        for name, attack in hostile.ATTACKS.items()
        if any(part in name for part in given.only.split(","))
    ]
    directory = pathlib.Path(tempfile.mkdtemp(prefix="martlet-hostile-"))
    group = hostile.Group("martlet-hostile", given.memory << 20)
    print(f"{martlet.binary()}, {group.kind or 'NO control group possible'}, {given.memory} MiB, {given.people} people", flush=True)
    found, bad = [], []
    with World(directory) as world:
        stage = hostile.Stage(world, given.people, group=group)
        try:
            stage.start()
            print(f"the bystanders alone need {stage.base:.2f} of a core; {json.dumps(stage.quiet)}", flush=True)
            for attack in chosen:
                if not stage.lives:
                    if not given.keep_going:
                        break
                    stage.restart()
                figures = stage.measure(attack, given.seconds)
                found.append(figures)
                print("| " + " | ".join(hostile.row(figures)) + " |", flush=True)
                worse = hostile.faults(figures, hostile.STRICT)
                bad += worse
                if worse:
                    print(f"    {'; '.join(worse)}", flush=True)
                if given.json:
                    hostile.write(given.json, found)
                time.sleep(given.pause)
            print(f"peak of the control group: {group.peak() >> 20} MiB")
        finally:
            stage.close()
    group.close()
    print(hostile.table(found))
    if bad:
        print(f"worse than promised; logs and stores: {directory}")
    else:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
