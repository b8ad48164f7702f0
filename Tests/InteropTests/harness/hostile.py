"""The stage on which attackers and bystanders meet, and what is measured there.

    stage = Stage(World(directory), people=40)
    stage.start()
    figures = stage.measure(ATTACKS["account/pings"], seconds=6)

Two offices of one company, `office.example` (attacked) and `branch.example`, each with every limit at its default; at the first
`people` with rosters of `roster` contacts, all of them logged in; the bystanders (bystander.py); and `evil.example`, the attackers'
domain, which has a valid certificate. The line between the offices goes through the relay.
"""

import multiprocessing
import os
import pathlib
import resource
import socket
import threading
import time

from . import assault, attacks_account, attacks_domain, attacks_strangers, ports, relay, server  # noqa: F401
from .assault import ATTACKS, Attacker, Scene
from .bystander import Bystanders
from .martlet import Martlet

#: Who is looked at, who is attacked, who attacks.
PEOPLE = ("carol", "dave", "frank", "gina", "vera")
#: Seconds of an attack in tests, and how many people are at the office there; `hostile.py` takes more of both.
SECONDS = float(os.environ.get("HOSTILE_SECONDS", 2))
PEOPLE_IN_TESTS = 40
#: Files and sockets that the office may have open: fewer than the connections that strangers try to hold.
DESCRIPTORS = 4096
#: Bytes that the office has, with its share of the kernel's and of the store's pages.
MEMORY = 512 << 20
#: Seconds between two looks at memory.
SAMPLE = 0.1
#: Seconds within which an attacker has to have prepared, and to have ended when its time is over.
PREPARATION, ENDING = 90, 40


#: What `make test` looks at each time, of each kind what has hurt most and leaves a debug build its margin; with HOSTILE=all in the environment (`make campaign`) all of them.
EVERY_TIME = {
    "account": (
        "presence-to-ten-thousand", "subscriptions", "messages-past-a-mailbox", "detached-outboxes",
        "resumption-loop", "mailbox-filling", "stanzas-for-the-dialled", "unanswered-requests", "dial-storm", "growing-messages",
        "growing-requests", "fifth-edition-names", "messages-to-the-office", "key-updates",
    ),
    "domain": (
        "bounces", "mailbox-filling", "large-subscriptions", "asked-lanes", "dialback-pairs", "wrong-verifications",
    ),
    "strangers": (
        "idle-connections", "half-handshakes", "handshakes", "hanging-domains", "reflector", "wrong-passwords", "invented-names",
        "verifications",
    ),
}  # fmt: skip


def names(by):
    """The attacks of one kind of attacker that tests make."""
    found = [name for name, attack in ATTACKS.items() if attack.by == by]
    if os.environ.get("HOSTILE") == "all":
        return found
    chosen = [f"{by}/{name}" for name in EVERY_TIME[by]]
    assert not set(chosen) - set(found), set(chosen) - set(found)
    return chosen


class Group:
    """A control group whose processes together get so much memory. `kind` says how it is done here, None where it is not possible."""

    def __init__(self, name, limit):
        self.limit, self.kind, self.path = limit, None, None
        for kind, parent, file in self._places():
            path = parent / f"{name}-{os.getpid()}"
            try:
                path.mkdir()
                (path / file).write_text(str(limit))
            except OSError:
                if path.exists():
                    path.rmdir()
                continue
            swap = path / "memory.memsw.limit_in_bytes"
            if swap.exists():
                swap.write_text(str(limit))
            self.kind, self.path = kind, path
            return

    @staticmethod
    def _places():
        mine = dict(line.split(":", 2)[1:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines())
        for line in pathlib.Path("/proc/mounts").read_text().splitlines():
            _, where, kind, options = line.split()[:4]
            if kind == "cgroup2":
                yield "cgroup v2", pathlib.Path(where) / mine.get("", "/").lstrip("/"), "memory.max"
            elif kind == "cgroup" and "memory" in options.split(","):
                yield "cgroup v1", pathlib.Path(where) / mine.get("memory", "/").lstrip("/"), "memory.limit_in_bytes"

    def words(self):
        """What stands before a command so that it runs in the group."""
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh"]

    def peak(self):
        """The most that it ever had, the kernel's pages for its files included."""
        if self.path is None:
            return 0
        for name in ("memory.peak", "memory.max_usage_in_bytes"):
            if (self.path / name).exists():
                return int((self.path / name).read_text())
        return 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.path is not None:
            try:
                self.path.rmdir()
            except OSError:
                pass


class Stage:
    """One world for many attacks, one after the other."""

    def __init__(self, world, people=40, roster=300, group=None, limits=None):
        self.world, self.roster, self.group = world, roster, group
        self.people = [f"p{number}" for number in range(people)]
        attacks = ATTACKS.values()
        attackers = [attack.attacker for attack in attacks if attack.by == assault.ACCOUNT]
        targets = [attack.aimed_at for attack in attacks if attack.victim]
        # As many descriptors as a small machine gives.
        prefix = ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}", *(group.words() if group is not None and group.kind else ())]
        named = {"mode": server.EXTERNAL, "dialback": True, "level": "info"}
        self.office = world.add(
            "office.example", Martlet, users=(*PEOPLE, *self.people, *attackers, *targets), prefix=prefix,
            offices={"branch.example": "Branch"}, **named,
        )  # fmt: skip
        self.other = world.add(
            "branch.example", Martlet, users=("erin", "vera"), offices={"office.example": "Office"}, **named
        )
        self.line = world.line("office.example", "branch.example")
        self.evil = _Evil(world)
        self.strangers = ports.Network()
        self.hang, self.mute = self.strangers.address(), None
        self.office.limits, self.other.limits = limits or {}, {}
        for site in (self.office, self.other):
            site.view.put(self.evil.domain, self.evil.address, None, ports.SERVER_TLS)
            site.view.put_below("hang.example", f"{self.strangers.prefix}.200")
            site.view.put_mute("mute.example", f"{self.strangers.prefix}.201")
        self.scene = Scene(self.office, self.other, self.strangers, self.evil, self.people)
        self.scene.hang_address = f"{self.strangers.prefix}.200"
        self._crowd = self.bystanders = self._mute = self._deaf = None
        self.pid = None
        self.base = 0.0
        self.restarts = 0
        #: What was measured so far.
        self.measured = []

    # Life

    def start(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        self._mute = _Mute(f"{self.strangers.prefix}.201")
        deaf = assault.ForeignServer(self.evil, self.office.trust, self.office.domain)
        self._deaf = multiprocessing.get_context("fork").Process(target=deaf.serve, daemon=True)
        self._deaf.start()
        self.world.start()
        self._populate()

    def restart(self):
        """After the office has died: the same store, the same people."""
        self.restarts += 1
        self._leave()
        if self.office.process.alive:
            self.office.kill()
        self.office.start()
        self._populate(again=True)

    def _populate(self, again=False):
        self.pid = self.office.process.pid
        self._crowd = _Crowd(self.scene, self.roster, again)
        here = self.office.address, self.office.client_tls_port, self.office.trust, self.office.domain
        there = self.other.address, self.other.client_tls_port, self.other.trust, self.other.domain
        passwords = self.office.passwords | self.other.passwords
        self.bystanders = Bystanders(here, there, passwords, f"{self.strangers.prefix}.210")
        deadline = time.monotonic() + 60
        while not self.bystanders.ask("here"):
            if time.monotonic() > deadline:
                raise TimeoutError("the bystanders did not get in")
            time.sleep(0.05)
        self.bystanders.ask("mark")
        begun, spent = time.monotonic(), self._processor()
        time.sleep(3)
        #: Share of a core that the bystanders alone need.
        self.base = (self._processor() - spent) / (time.monotonic() - begun)
        self.quiet = self.bystanders.ask("figures")

    def _leave(self):
        for each in (self.bystanders, self._crowd):
            if each is not None:
                each.stop()

    def close(self):
        self._leave()
        for each in (self._deaf, self._mute):
            if each is not None:
                each.kill()
        self.strangers.close()

    # Looking

    def _processor(self):
        """Seconds of processor that the office has taken."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _schedule(self):
        """Nanoseconds for which the office's threads have run, and for which they have waited for a processor that others had."""
        ran = waited = 0
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            try:
                each = (task / "schedstat").read_text().split()
            except OSError:
                continue
            ran, waited = ran + int(each[0]), waited + int(each[1])
        return ran, waited

    def _memory(self):
        """Bytes of its own: pages of the store's file are the kernel's to take back."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        return 0

    @property
    def lives(self):
        return self.office.process.alive and self.office.process.pid == self.pid

    def measure(self, attack, seconds):
        """Attacks, and says what came of it."""
        self.scene.attack = attack
        before = self._memory()
        peak = _Peak(self._memory, before)
        errors = []
        try:
            self.bystanders.ask("mark")
            begun, spent = time.monotonic(), self._processor()
            ran, waited = self._schedule()
            if attack.prepare is not None:
                preparation = Attacker(attack.prepare, self.scene, PREPARATION).wait(PREPARATION)
                errors.append(preparation.error and f"preparing: {preparation.error}")
            numbers = range(attack.processes)
            attackers = [
                Attacker(attack.run, self.scene, seconds, *([number] if attack.processes > 1 else [])) for number in numbers
            ]
            if attack.redials:
                threading.Thread(target=self._redial, args=(seconds / 3,), daemon=True).start()
            reports = [attacker.wait(seconds + ENDING) for attacker in attackers]
            took = time.monotonic() - begun
            processor = self._processor() - spent if self.lives else float("nan")
            later = self._schedule() if self.lives else (ran, waited)
            crowding = 1 + (later[1] - waited) / max(1, later[0] - ran)
        except (FileNotFoundError, ProcessLookupError):
            took, processor, reports, crowding = seconds, float("nan"), [], 1
        figures = self.bystanders.ask("figures")
        victim = self.bystanders.ask("victim", attack.aimed_at) if attack.victim and self.lives else None
        settled = self._memory() if self.lives else 0
        total = assault.Report()
        for report in reports:
            errors.append(report.error)
            total.update(report)
        if attack.redials:
            self.line.heal()
        if attack.check is not None:
            errors.append(attack.check(total, seconds))
        figures = {
            "name": attack.name, "title": attack.title, "redials": attack.redials, "seconds": seconds, "lives": self.lives,
            "exit": self.office.process.exit_code, "bystanders": figures, "victim": victim,
            "growth": peak.stop() - before, "kept": settled - before,
            "share": round(processor / took - self.base, 2), "processor": round(processor, 1), "took": round(took, 1),
            "crowding": round(crowding, 1),
            "got": dict(total), "errors": [error for error in errors if error],
        }  # fmt: skip
        self.measured.append(figures)
        return figures

    def _redial(self, after):
        """The line between the offices breaks once in the middle of the attack, and only the one that is attacked can call."""
        time.sleep(after)
        self.line.cut(relay.REFUSE)
        self.line.refuse_calls_to(self.office.domain).heal()


class _Evil:
    """The attackers' domain."""

    def __init__(self, world):
        self.domain = "evil.example"
        self.address = world.network.address()
        self.certificate = world.authority.issue(self.domain)


class _Mute:
    """A name server that takes questions and answers none."""

    def __init__(self, address):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 5399))

    def kill(self):
        self._socket.close()


class _Peak:
    """The largest value of `look()` until it is stopped."""

    def __init__(self, look, first):
        self._look, self._peak, self._runs = look, first, True
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while self._runs:
            try:
                self._peak = max(self._peak, self._look())
            except OSError:
                return
            time.sleep(SAMPLE)

    def stop(self):
        self._runs = False
        self._thread.join()
        return self._peak


class _Crowd:
    """The people of the office, who have their rosters filled, see the attacker who flaps (and are seen by it), and do nothing else."""

    def __init__(self, scene, roster, again):
        context = multiprocessing.get_context("fork")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=self._run, args=(far, scene, roster, again), daemon=True)
        self._process.start()
        far.close()
        if not self._pipe.poll(300) or self._pipe.recv() != "here":
            raise RuntimeError("the people of the office did not get in")

    @staticmethod
    def _run(pipe, scene, roster, again):
        streams = [scene.account(user, "desk", f"{scene.network.prefix}.211") for user in scene.people]
        if not again:
            scene.attack = ATTACKS["account/presence-flapping"]
            with scene.account() as attacker:
                _fill(scene, [*zip(scene.people, streams)], attacker, roster)
        for stream in streams:
            stream.send("<presence/>")
        pump = assault.Pump(assault.Report(), float("inf"))
        for stream in streams:
            pump.add(stream)
        pipe.send("here")
        pump.run()

    def stop(self):
        self._process.kill()
        self._process.join(10)


def _fill(scene, people, attacker, roster):
    """Contacts of everybody, pipelined; then everybody and the attacker see each other."""
    domain = scene.office.domain
    for user, stream in people:
        others = [f"{other}@{domain}" for other in scene.people if other != user][: roster - 1]
        contacts = others + [f"far{number}@{scene.other.domain}" for number in range(roster - 1 - len(others))]
        stream.send("".join(
            f"<iq type='set' id='f'><query xmlns='jabber:iq:roster'><item jid='{contact}'/></query></iq>"
            for contact in contacts) + f"<presence to='{scene.mine}' type='subscribe'/>"
            f"<presence to='{scene.mine}' type='subscribed'/>")  # fmt: skip
        _until_answered(stream)
    attacker.send("".join(
        f"<presence to='{user}@{domain}' type='subscribed'/><presence to='{user}@{domain}' type='subscribe'/>"
        for user, _ in people))  # fmt: skip
    _until_answered(attacker)
    for _, stream in people:
        stream.send(f"<presence to='{scene.mine}' type='subscribed'/>")
        _until_answered(stream)


def _until_answered(stream):
    stream.send("<iq type='get' id='done'><ping xmlns='urn:xmpp:ping'/></iq>")
    while (element := stream.read()) is not None:
        if element.get("id") == "done":
            return
    raise RuntimeError("the people of the office were thrown out")


# What is written about it

#: What is asserted with a wide margin on a busy machine and a debug build, and what is promised: p99 in ms, bytes, share of a core.
#: A debug build does ten times as much for everything, and tests share their processors: only who is kept out is a fault.
WIDE = {"p99": 15_000, "growth": 256 << 20, "share": None}
STRICT = {"p99": 250, "growth": 128 << 20, "share": 0.5}


def faults(figures, bounds):
    """In what the figures of an attack are worse than the bounds, in words."""
    found = []
    people = figures["bystanders"]
    if not figures["lives"]:
        found.append(f"the office has died (exit {figures['exit']})")
    for kind in ("ping", "message", "lane", "login"):
        one = people[kind]
        if one["lost"]:
            found.append(f"{one['lost']} of {one['sent']} {kind}s lost")
        # A login has ten steps, and a call to the other office a second's pause before it. What others on this machine took of the
        # processor is not the attack's doing.
        limit = bounds["p99"] * figures["crowding"] * (8 if kind == "login" or kind == "lane" and figures["redials"] else 1)
        if one["p99"] is None or one["p99"] > limit:
            found.append(f"{kind}: p99 {one['p99']} ms")
    for kind in ("closes", "repeated", "reordered"):
        if people[kind]:
            found.append(f"{people[kind]} {kind}")
    if figures["growth"] > bounds["growth"]:
        found.append(f"grown by {figures['growth'] >> 20} MiB")
    if bounds["share"] is not None and figures["share"] > bounds["share"]:
        found.append(f"{figures['share']} of a core")
    if figures["victim"] and "failed" in figures["victim"]:
        found.append(f"who was aimed at cannot log in: {figures['victim']['failed']}")
    found += [error for error in figures["errors"] if error.startswith(("FAULT", "a third party"))]
    return found


def row(figures):
    """A line of the table."""
    people = figures["bystanders"]

    def three(*kinds):
        values = [people[kind] for kind in kinds]
        return " / ".join(str(max((one[what] if one[what] is not None else 99999) for one in values)) for what in ("p50", "p99", "max"))  # fmt: skip

    lost = sum(people[kind]["lost"] for kind in ("ping", "message", "lane", "login"))
    extra = people["repeated"] + people["reordered"]
    victim = figures["victim"]
    aside = [] if victim is None else [f"victim {victim.get('took', 'FAILED')}"]
    got = " ".join(f"{name}={short(value)}" for name, value in sorted(figures["got"].items(), key=lambda item: -item[1])[:6])
    return [
        figures["name"], three("ping", "message"), three("lane"), str(people["login"]["max"]), str(lost) + (f"+{extra}" if extra else ""),
        str(people["closes"]), f"{figures['growth'] >> 20}", f"{figures['share']:.2f}", str(figures["crowding"]),
        ("" if figures["lives"] else f"**died ({figures['exit']})** ") + "; ".join([got, *aside, *figures["errors"]]),
    ]  # fmt: skip


def short(value):
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return str(value)


HEAD = ["attack", "ping+message p50/p99/max ms", "lane ms", "login max", "lost", "thrown out", "growth MiB", "core", "crowding", "what it got"]


def table(all_figures):
    lines = [HEAD, ["---"] * len(HEAD), *(row(figures) for figures in all_figures)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
