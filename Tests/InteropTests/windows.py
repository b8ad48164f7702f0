#!/usr/bin/env python3
"""The windows of real clients, Gajim and Dino, on a screen that nobody sees: how another office looks to people.

usage: windows.py --out DIR [--only gajim|dino]
$MARTLET is the command to run (default: the debug build). Needs gajim, dino-im, xvfb, xdotool, imagemagick and dbus of
Debian 12, since it clicks at places in their windows, and namespaces of one's own (any user's, where that is allowed).

alice's office is north.example, the other is south.example ("Southern office"), where bob is. For each client, in this order:

unreached  alice's office has not reached the other since it was started
up         the line is good
cut        the line is silent and noticed; two of alice's messages to bob wait
written    alice has written to the other office itself, in the client's window
healed     the line is good again, and she has written once more

and of each three pictures, DIR/CLIENT-STATE-VIEW.png: what the client tells of the office, what it tells of the person, and
the chat with the office.

Somebody has to look at them: nothing is judged here.
"""

import argparse
import asyncio
import pathlib
import re
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import desktop, martlet, relay, server, world  # noqa: E402
from harness.clients import Client, befriend  # noqa: E402

NORTH, SOUTH = "north.example", "south.example"
PERSON = f"bob@{SOUTH}"
#: Noticed soon, so that nobody waits for the picture.
FEDERATION = {"ack_timeout": "5s", "retry_maximum": "5s", "presence_grace": "5s"}


PROGRAMS = {program.name: program for program in (desktop.Gajim, desktop.Dino)}


def is_bad(words):
    return "cut off" in words or "not reached" in words


def is_good(words):
    return not is_bad(words)


async def office_says(alice, condition):
    """Waits until alice is told of the other office what `condition` wants; its words."""

    def last():
        told = [words for sender, _, words in alice.presence_log if sender.split("/")[0] == SOUTH]
        return told[-1:] if told and condition(told[-1]) else None

    return (await alice.until(last, "is told of the office", 180))[0]


async def pictures(program, directory, out):
    named = {"mode": server.EXTERNAL, "federation": FEDERATION}
    with world.World(directory) as place:
        north = place.add(NORTH, martlet.Martlet, users=("alice",), offices={SOUTH: "Southern office"}, **named)
        south = place.add(SOUTH, martlet.Martlet, users=("bob",), offices={NORTH: "Northern office"}, **named)
        line = place.line(NORTH, SOUTH)
        await asyncio.to_thread(place.start)
        screen = await asyncio.to_thread(desktop.Screen, directory)
        try:
            async with Client(south, "bob") as bob:
                async with Client(north, "alice") as alice:
                    await befriend(alice, bob)
                await asyncio.to_thread(north.stop)
                line.cut(relay.BLACK_HOLE)
                await asyncio.to_thread(north.start)
                client = await asyncio.to_thread(PROGRAMS[program], directory / program, screen, north, "alice", (PERSON, SOUTH))
                await asyncio.to_thread(client.start)
                # A second client of hers, that tells what there is to see. It takes no messages from the other.
                async with Client(north, "alice") as alice:
                    alice.available(priority=-1)

                    async def picture(name, condition):
                        words = await office_says(alice, condition)
                        print(f"{program} {name}: told “{words}”", flush=True)
                        await asyncio.to_thread(client.shoot, out, name)

                    await picture("unreached", is_bad)
                    line.heal()
                    await picture("up", is_good)
                    line.cut(relay.BLACK_HOLE)
                    alice.send(bob.bare, "Is the line dead?")
                    alice.send(bob.bare, "I think it is.")
                    await picture("cut", lambda words: re.search(r"\b2 ", words))
                    await asyncio.to_thread(client.write, "Hello, is anybody there?")
                    await picture("written", is_bad)
                    line.heal()
                    await office_says(alice, is_good)
                    await asyncio.to_thread(client.write, "And now?")
                    await picture("healed", is_good)
                await asyncio.to_thread(client.close)
        finally:
            await asyncio.to_thread(screen.close)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="where the pictures go")
    parser.add_argument("--only", choices=PROGRAMS, help="one of the clients")
    given = parser.parse_args()
    absent = [word for word in ("gajim", "dino-im", *desktop.COMMANDS) if not shutil.which(word)]
    if absent:
        sys.exit(f"missing commands: {', '.join(absent)}")
    given.out.mkdir(parents=True, exist_ok=True)
    for program in [given.only] if given.only else PROGRAMS:
        directory = pathlib.Path(tempfile.mkdtemp(prefix="martlet-windows-"))
        print(f"{program}: logs in {directory}", flush=True)
        asyncio.run(pictures(program, directory, given.out.resolve()))


if __name__ == "__main__":
    main()
