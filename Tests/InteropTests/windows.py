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
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import martlet, processes, relay, server, world  # noqa: E402
from harness.clients import Client, befriend  # noqa: E402

NORTH, SOUTH = "north.example", "south.example"
PERSON = f"bob@{SOUTH}"
#: Noticed soon, so that nobody waits for the picture.
FEDERATION = {"ack_timeout": "5s", "retry_maximum": "5s", "presence_grace": "5s"}
#: Seconds until a window shows what its client was told or what was done to it, which nobody can ask it.
DRAWN = 6
WIDTH, HEIGHT = 1100, 800
AUTHORITIES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")


class Screen:
    """An X server of our own."""

    def __init__(self, directory):
        size = f"{WIDTH}x{HEIGHT}x24"
        words = ["Xvfb", "-displayfd", "1", "-screen", "0", size, "-nolisten", "tcp"]
        self._process = processes.Process("xvfb", words, directory)
        self._process.start()
        self._process.until(self._number, "tells its number")

    def _number(self):
        return re.search(r"^(\d+)$", self._process.output(), re.MULTILINE)

    @property
    def display(self):
        return f":{self._number()[1]}"

    def shoot(self, path):
        self._do("import", "-window", "root", path).check_returncode()

    def tool(self, *words):
        """xdotool."""
        self._do("xdotool", *words).check_returncode()

    def point(self, x, y):
        """Moves the mouse there as a hand does: what is under it notices."""
        self.tool("mousemove", x - 3, y - 3, "sleep", 0.2, "mousemove", x, y)

    def click(self, x, y):
        self.point(x, y)
        self.tool("sleep", 0.2, "click", 1)

    def windows(self):
        return self._do("xdotool", "search", "--onlyvisible", "--name", ".+").stdout.split()

    def close(self):
        self._process.stop()

    def _do(self, *words):
        environment = {**os.environ, "DISPLAY": self.display}
        return subprocess.run([str(word) for word in words], env=environment, capture_output=True, text=True)


class Program:
    """A client with a home of its own, that finds `site` by name and trusts its authority."""

    name = ""
    argv = []
    #: What there is to see: `show_` and the name of one is how it comes into view.
    views = ()

    def __init__(self, directory, screen, site, user):
        self.directory = pathlib.Path(directory)
        self.screen = screen
        self.site = site
        self.user = user
        self.directory.mkdir(parents=True)
        self.prepare()
        self.process = processes.Process(self.name, self._words(), self.directory, self._environment())

    def prepare(self):
        """Writes the account."""

    def _words(self):
        """In a mount namespace with /etc/hosts and /etc/ssl as this client shall see them: neither can be told otherwise.
        Whatever it starts ends with it, since they have process ids of their own."""
        hosts, trust, resolver = (self.directory / name for name in ("hosts", "authorities.pem", "resolv.conf"))
        hosts.write_text(f"127.0.0.1 localhost\n{self.site.address} {self.site.domain}\n")
        trust.write_bytes(AUTHORITIES.read_bytes() + self.site.trust.read_bytes())
        # Nobody listens there: no name is looked for elsewhere.
        resolver.write_text(f"nameserver {self.site.view.address}\noptions timeout:1 attempts:1\n")
        script = " && ".join(
            f"mount --bind {here} {there}"
            for here, there in ((hosts, "/etc/hosts"), (trust, AUTHORITIES), (resolver, "/etc/resolv.conf"))
        )
        private = ["unshare", "--mount", "--pid", "--fork", "--kill-child"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        # Gajim refuses to be root's.
        user = "unshare --user --map-user=1000 --map-group=1000"
        return [*private, "sh", "-c", f'{script} && exec {user} dbus-run-session -- "$@"', "sh", *self.argv]

    def _environment(self):
        return {
            "HOME": str(self.directory),
            **{f"XDG_{kind}_HOME": str(self.directory / kind.lower()) for kind in ("CONFIG", "DATA", "CACHE", "STATE")},
            "DISPLAY": self.screen.display,
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin:/usr/games",
            "LANG": "C.UTF-8",
            "GDK_BACKEND": "x11",
            "GSK_RENDERER": "cairo",
            "GSETTINGS_BACKEND": "memory",
            "NO_AT_BRIDGE": "1",
            "GTK_A11Y": "none",
        }

    def start(self):
        self.process.start()
        self.process.until(self.screen.windows, "shows a window")
        self.process.until(self._is_connected, "is logged in")
        window = self.screen.windows()[-1]
        self.screen.tool("windowmove", window, 0, 0, "windowsize", window, WIDTH, HEIGHT, "windowfocus", window)
        time.sleep(DRAWN)

    def _is_connected(self):
        return json.loads(self.site.command("status", "--json").stdout)["sessions"] > 0

    def shoot(self, out, name):
        """One picture of each view."""
        for view in self.views:
            getattr(self, f"show_{view}")()
            time.sleep(DRAWN)
            self.screen.shoot(out / f"{self.name}-{name}-{view}.png")

    def write(self, text):
        """To the office, in its chat."""
        self.show_chat()
        time.sleep(DRAWN)
        self.screen.tool("type", "--delay", "50", text)
        self.screen.tool("key", "Return")

    def close(self):
        """With everything that it has started."""
        self.process.kill()


class Gajim(Program):
    name = "gajim"
    argv = ["gajim", "--verbose"]
    views = ("office", "person", "chat")

    def show_office(self):
        """The page of the account, with the mouse on the office."""
        self._hover(250)

    def show_person(self):
        """The same with the mouse on bob."""
        self._hover(180)

    def _hover(self, height):
        self.screen.click(34, 768)
        time.sleep(DRAWN)
        self.screen.point(190, height)

    def show_chat(self):
        self.screen.click(34, 118)
        time.sleep(DRAWN)
        self.screen.click(245, 166)
        # Out of the way.
        self.screen.point(700, 500)

    def prepare(self):
        directory = self.directory / "config" / "gajim"
        directory.mkdir(parents=True)
        chats = [
            {"account": "north", "jid": {"__type": "JID", "value": jid}, "type": "chat", "pinned": False, "position": place}
            for place, jid in enumerate((PERSON, SOUTH))
        ]
        space = {"name": "Chats", "color": "rgb(191,99,158)", "avatar_sha": "", "chats": chats}
        account = {
            "name": self.user,
            "hostname": self.site.domain,
            "password": self.site.passwords[self.user],
            "account_label": "North",
            "active": True,
            "resource": "gajim",
        }
        app = {"use_keyring": False, "check_for_update": False, "show_trayicon": False, "ask_online_status": False}
        with sqlite3.connect(directory / "settings.sqlite") as database:
            database.executescript(
                "CREATE TABLE settings (name TEXT UNIQUE, settings TEXT);"
                "CREATE TABLE account_settings (account TEXT UNIQUE, settings TEXT);"
                "PRAGMA user_version=5;"
            )
            rows = {
                "app": app,
                "soundevents": {},
                "status_presets": {},
                "proxies": {},
                "plugins": {},
                "workspaces": {"8e1c1d0a-5f0b-4d6c-9d2a-0d6a4b6f1c11": space},
            }
            for name, value in rows.items():
                database.execute("INSERT INTO settings VALUES (?, ?)", (name, json.dumps(value)))
            settings = {"account": account, "contact": {}, "group_chat": {}}
            database.execute("INSERT INTO account_settings VALUES (?, ?)", ("north", json.dumps(settings)))


class Dino(Program):
    name = "dino"
    argv = ["dino-im"]
    views = ("office", "person", "chat")

    def show_office(self):
        self._hover(55)

    def show_person(self):
        self._hover(112)

    def _hover(self, height):
        """What is told of somebody at the mouse is drawn anew only when the mouse comes again."""
        self.screen.point(700, 500)
        time.sleep(DRAWN)
        self.screen.point(150, height)

    def show_chat(self):
        self.screen.click(150, 55)
        self.screen.point(700, 500)

    def prepare(self):
        """The program makes its own database; what it knows is put in afterwards."""
        process = processes.Process("dino-first", self._words(), self.directory, self._environment())
        process.start()
        database = self.directory / "data" / "dino" / "dino.db"
        process.until(lambda: self._has_tables(database), "has made its database")
        time.sleep(3)
        process.kill()
        with sqlite3.connect(database) as rows:
            account = (f"{self.user}@{self.site.domain}", "dino", self.site.passwords[self.user])
            rows.execute("INSERT INTO account (id, bare_jid, resourcepart, password, enabled) VALUES (1, ?, ?, ?, 1)", account)
            for number, jid in ((101, PERSON), (102, SOUTH)):
                rows.execute("INSERT INTO jid (id, bare_jid) VALUES (?, ?)", (number, jid))
                rows.execute(
                    "INSERT INTO conversation (account_id, jid_id, active, active_last_changed, last_active, type, encryption,"
                    " notification, send_typing, send_marker) VALUES (1, ?, 1, 1, ?, 0, 0, 0, 0, 0)",
                    (number, number),
                )

    @staticmethod
    def _has_tables(database):
        if not database.exists():
            return False
        try:
            with sqlite3.connect(database) as rows:
                return rows.execute("SELECT count(*) FROM sqlite_master WHERE name = 'conversation'").fetchone()[0]
        except sqlite3.Error:
            return False


PROGRAMS = {program.name: program for program in (Gajim, Dino)}


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
        screen = await asyncio.to_thread(Screen, directory)
        try:
            async with Client(south, "bob") as bob:
                async with Client(north, "alice") as alice:
                    await befriend(alice, bob)
                await asyncio.to_thread(north.stop)
                line.cut(relay.BLACK_HOLE)
                await asyncio.to_thread(north.start)
                client = await asyncio.to_thread(PROGRAMS[program], directory / program, screen, north, "alice")
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
    absent = [word for word in ("gajim", "dino-im", "Xvfb", "xdotool", "import", "dbus-run-session") if not shutil.which(word)]
    if absent:
        sys.exit(f"missing commands: {', '.join(absent)}")
    given.out.mkdir(parents=True, exist_ok=True)
    for program in [given.only] if given.only else PROGRAMS:
        directory = pathlib.Path(tempfile.mkdtemp(prefix="martlet-windows-"))
        print(f"{program}: logs in {directory}", flush=True)
        asyncio.run(pictures(program, directory, given.out.resolve()))


if __name__ == "__main__":
    main()
