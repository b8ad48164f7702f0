"""Components (XEP-0114) as processes of their own: an echo made with slixmpp, and biboumi with an IRC network for it."""

import pathlib
import shutil
import socketserver
import sys
import threading

from . import ports, processes


class Echo(processes.Process):
    """The echo; `secret` where it shows another one than the office knows."""

    def __init__(self, office, domain, secret=None):
        secret = secret or office.components[domain]
        script = pathlib.Path(__file__).with_name("echo.py")
        words = [sys.executable, script, domain, secret, office.address, ports.COMPONENT]
        super().__init__(f"echo-{domain}", words, office.directory)

    def lines(self):
        return self.output().splitlines()

    def heard(self):
        """The bodies that it got, in order, from all its lives."""
        return [line.split(" ", 2)[2] for line in self.lines() if line.startswith(("chat ", "normal "))]

    def connections(self):
        return self.lines().count("connected")

    def begin(self):
        """Starts it and waits until the office has let it in."""
        before = self.connections()
        self.start()
        self.until(lambda: self.connections() > before, "is let in")


class Biboumi(processes.Process):
    """biboumi from Debian: a gateway to IRC; here to one network, so that a channel is `#name@domain`."""

    def __init__(self, office, domain, network):
        if not shutil.which("biboumi", path=processes.PATH):
            raise RuntimeError("missing command: biboumi; run Tests/setup/install test")
        self.domain = domain
        self.directory = office.directory / "biboumi"
        self.directory.mkdir(parents=True, exist_ok=True)
        configuration = self.directory / "biboumi.cfg"
        configuration.write_text(
            f"hostname={domain}\npassword={office.components[domain]}\n"
            f"xmpp_server_ip={office.address}\nport={ports.COMPONENT}\n"
            f"db_name={self.directory}/biboumi.sqlite\nlog_level=0\n"
            f"fixed_irc_server={network.address}\noutgoing_bind={network.address}\n"
        )
        super().__init__("biboumi", ["biboumi", configuration], self.directory)


class Irc(socketserver.ThreadingTCPServer):
    """As much of an IRC server (RFC 1459) as one channel needs. The test itself is the other person there."""

    allow_reuse_address = True
    daemon_threads = True
    PORT = 6667

    def __init__(self, address):
        self.address = address
        self.heard = []
        self.people = {}
        super().__init__((address, self.PORT), _Person)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def say(self, nick, channel, text):
        """Somebody writes in the channel."""
        for person in list(self.people.values()):
            person.tell(f":{nick}!{nick}@elsewhere PRIVMSG {channel} :{text}")

    def close(self):
        self.shutdown()
        self.server_close()


class _Person(socketserver.StreamRequestHandler):
    nick = "*"

    def tell(self, line):
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self):
        for line in self.rfile:
            words, _, text = line.decode().strip().partition(" :")
            command, *parameters = words.split()
            parameters += [text] if text else []
            getattr(self, f"on_{command.lower()}", lambda *_: None)(*parameters)
        self.server.people.pop(self.nick, None)

    def reply(self, number, *words):
        self.tell(f":irc.example {number} {self.nick} {' '.join(words)}")

    def on_nick(self, nick):
        self.nick = nick

    def on_user(self, *_):
        self.server.people[self.nick] = self
        self.reply("001", ":Welcome")
        self.reply("005", "PREFIX=(ov)@+ CHANTYPES=#", ":are supported")
        self.reply("422", ":no message of the day")

    def on_ping(self, token="", *_):
        self.tell(f":irc.example PONG irc.example :{token}")

    def on_join(self, channel, *_):
        self.tell(f":{self.nick}!{self.nick}@gateway JOIN {channel}")
        self.reply("353", "=", channel, f":{self.nick} @bob")
        self.reply("366", channel, ":end of names")

    def on_privmsg(self, channel, text=""):
        self.server.heard.append((self.nick, channel, text))

    def on_part(self, channel, *_):
        self.tell(f":{self.nick}!{self.nick}@gateway PART {channel}")
