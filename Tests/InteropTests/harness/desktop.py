"""Programs with windows on a screen that nobody sees, run like a person's: they find their office by its name, and trust its
authority like any other. Needs xvfb, xdotool, imagemagick and dbus of Debian 12, and namespaces of one's own (any user's, where
that is allowed).

Gajim has a hand (`hand.py`) in it, as a plugin of its own kind: what it does through that it does as if somebody had chosen it
in a menu or pressed a button, and what is read through it is what its windows hold.
"""

import itertools
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time

from . import processes
from .hand import Far

#: Seconds within which a client has drawn its window and logged in, on a machine that has much else to do.
START = max(300, processes.LIMIT)
#: Seconds until a window shows what its client was told or what was done to it, which nobody can ask it.
DRAWN = 6
WIDTH, HEIGHT = 1100, 800
AUTHORITIES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
_numbers = itertools.count(1)
HERE = pathlib.Path(__file__).parent
#: What has to be there.
COMMANDS = ("Xvfb", "xdotool", "import", "dbus-run-session")


def gallery(fallback):
    """Where pictures go that somebody may want to look at: $INTEROP_PICTURES, which outlives the run."""
    directory = pathlib.Path(os.environ.get("INTEROP_PICTURES", fallback)).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    return directory


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

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _do(self, *words):
        environment = {**os.environ, "DISPLAY": self.display}
        return subprocess.run([str(word) for word in words], env=environment, capture_output=True, text=True)


class Program:
    """A client with a home of its own, that finds `site` by name and trusts its authority."""

    name = ""
    argv = []
    #: What there is to see: `show_` and the name of one is how it comes into view.
    views = ()

    def __init__(self, directory, screen, site, user, chats=()):
        self.directory = pathlib.Path(directory)
        self.screen = screen
        self.site = site
        self.user = user
        #: Bare JIDs whose chats stand at the side.
        self.chats = list(chats)
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
        self.sessions = self._sessions()
        self.process.start()
        self.process.until(self.screen.windows, "shows a window", START)
        self.process.until(self._is_connected, "is logged in", START)
        window = self.screen.windows()[-1]
        self.screen.tool("windowmove", window, 0, 0, "windowsize", window, WIDTH, HEIGHT, "windowfocus", window)
        time.sleep(DRAWN)

    def _is_connected(self):
        return self._sessions() > self.sessions

    def _sessions(self):
        return json.loads(self.site.command("status", "--json").stdout)["sessions"]

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

    def show(self, path):
        """A picture of what is on its screen."""
        time.sleep(DRAWN / 3)
        self.screen.shoot(path)

    def close(self):
        """With everything that it has started."""
        self.process.kill()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.close()


class Gajim(Program):
    name = "gajim"
    argv = ["gajim", "--verbose"]
    views = ("office", "person", "chat")
    #: What the account is called in it.
    account = "north"

    def start(self):
        self.hand_path.unlink(missing_ok=True)
        super().start()

    def _is_connected(self):
        return self.hand_path.exists() and self.hand("return app.account_is_available(account)", account=self.account)

    def _environment(self):
        return {**super()._environment(), "HAND": str(self.hand_path)}

    def choose(self, action):
        """What the menu of the account has under this name."""
        self.hand(
            "from gi.repository import GLib\napp.app.activate_action(f'{account}-{action}', GLib.Variant('s', account))",
            account=self.account,
            action=action,
        )

    def window(self, name, body):
        """Runs `body` with `window`, which is open, in its program."""
        return self.hand(f"window = get_app_window(WINDOW, ACCOUNT)\n{body}", WINDOW=name, ACCOUNT=self.account)

    def say(self, jid, text):
        """Writes into the chat with `jid`, and presses the button."""
        self.hand(
            """
            app.window.add_chat(account, JID.from_string(jid), "contact", select=True)
            box = app.window.get_chat_stack()._message_action_box
            box.msg_textview.get_buffer().set_text(text)
            app.window.get_action("send-message").activate()
            """,
            account=self.account,
            jid=jid,
            text=text,
        )

    def messages(self, jid):
        """The chat with `jid` in the order in which its window has it: (whether we wrote it, body)."""
        database = self.directory / "data" / "gajim" / "logs.db"
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as rows:
            found = rows.execute(
                "SELECT kind, message FROM logs JOIN jids USING (jid_id) WHERE jid = ? AND kind IN (4, 6) ORDER BY time, log_line_id",
                (jid,),
            )
            return [(kind == 6, message) for kind, message in found]

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
        plugin = self.directory / "data" / "gajim" / "plugins" / "gajim_hand"
        shutil.copytree(HERE / "gajim_hand", plugin)
        shutil.copy(HERE / "hand.py", plugin)
        # The path of a socket is short.
        self.hand_path = pathlib.Path(tempfile.mkdtemp(prefix="martlet-hand-")) / "socket"
        self.hand = Far(self.hand_path)
        chats = [
            {"account": "north", "jid": {"__type": "JID", "value": jid}, "type": "chat", "pinned": False, "position": place}
            for place, jid in enumerate(self.chats)
        ]
        space = {"name": "Chats", "color": "rgb(191,99,158)", "avatar_sha": "", "chats": chats}
        account = {
            "name": self.user,
            "hostname": self.site.domain,
            "password": self.site.passwords[self.user],
            "account_label": "North",
            "active": True,
            "resource": f"gajim{next(_numbers)}",
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
                "plugins": {"gajim_hand": {"active": True}},
                "workspaces": {"8e1c1d0a-5f0b-4d6c-9d2a-0d6a4b6f1c11": space},
            }
            for name, value in rows.items():
                database.execute("INSERT INTO settings VALUES (?, ?)", (name, json.dumps(value)))
            settings = {"account": account, "contact": {}, "group_chat": {}}
            database.execute("INSERT INTO account_settings VALUES (?, ?)", (self.account, json.dumps(settings)))


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
            for number, jid in enumerate(self.chats, 101):
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
