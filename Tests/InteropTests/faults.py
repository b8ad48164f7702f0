#!/usr/bin/env python3
"""What becomes of 200 messages across each kind of fault, between two Martlets and with real Prosody and ejabberd.

usage: faults.py [--write] [--jobs 2] [--only PAIR[/FAULT]]...
$MARTLET is the command to run (default: the debug build). `--write` puts the table into Docs/guarantees.md.

alice writes to bob, 20 messages a second; the fault strikes after the 60th. Both clients have stream management and come back
at once. Counted at bob's client; what was returned is counted at alice's. When the receiving server dies, the entries that
the sending Martlet still holds a second later tell what the dead server had not proven to have taken over; what is lost of
the rest was lost by that server after its proof.

Exit status 1 when Martlet loses or returns anything that the receiving server has not taken over, or, between two Martlets,
repeats or reorders anything.
"""

import argparse
import asyncio
import dataclasses
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import certificates, martlet, peers, relay, server, world  # noqa: E402
from harness.clients import Client  # noqa: E402
from harness.ledger import Ledger  # noqa: E402

COUNT, RATE, STRIKE = 200, 20, 60
#: Messages that are not part of the measurement: one each way before it, and a note.
OTHERS = 3
#: Seconds: how long a line is broken, how long a server is down.
BROKEN, DOWN = 30, 5
#: Seconds until everything should be settled, and of silence after which it counts as settled. Foreign senders do not say
#: what they hold: longer than any timeout of theirs.
SETTLED, SILENCE, FOREIGN_SILENCE = 300, 10, 60
FEDERATION = {"retry_maximum": "10s", "ack_timeout": "10s"}
DOCUMENT = martlet.ROOT / "Docs" / "guarantees.md"
BEGIN, END = "<!-- table of faults: made by `make faults` -->", "<!-- end of the table of faults -->"


@dataclasses.dataclass
class Pair:
    title: str
    sender: type
    receiver: type
    mode: str = server.DIALBACK
    usage: str = certificates.BOTH_WAYS


PAIRS = {
    "martlet-martlet": Pair("Martlet to Martlet", martlet.Martlet, martlet.Martlet),
    "martlet-prosody": Pair("Martlet to Prosody, by certificate", martlet.Martlet, peers.Prosody, server.EXTERNAL),
    "martlet-prosody-dialback": Pair("Martlet to Prosody, by dialback", martlet.Martlet, peers.Prosody),
    "martlet-ejabberd": Pair("Martlet to ejabberd", martlet.Martlet, peers.Ejabberd),
    "prosody-martlet": Pair("Prosody to Martlet, by certificate", peers.Prosody, martlet.Martlet, server.EXTERNAL),
}
FAULTS = {
    "receiver-killed": "receiving server killed (SIGKILL), back after 5 s",
    "receiver-restarted": "receiving server stopped properly, back after 5 s",
    "black-hole": "line silent for 30 s",
    "half-open": "the sender's connections half-open for 30 s",
    "half-open-both": "the connections of both half-open for 30 s",
    "refused": "connections refused for 30 s",
    "sender-killed": "sending server killed (SIGKILL), back after 5 s",
}
MODES = {
    "black-hole": relay.BLACK_HOLE,
    "half-open": relay.HALF_OPEN,
    "half-open-both": relay.HALF_OPEN,
    "refused": relay.REFUSE,
}
#: Where messages may still wait when we stop looking. COMPAT(prosody 0.12.3): it writes the request by which it verifies us
#: to its own dead connection, and without stream management on that one it finds out only when TCP gives up.
WAITS = {("martlet-prosody-dialback", "half-open-both")}


@dataclasses.dataclass
class Outcome:
    pair: str
    fault: str
    rung: str = ""
    sent: int = 0
    delivered: int = 0
    bounced: int = 0
    #: With nobody told, and still waiting when we stopped looking.
    lost: int = 0
    #: Of the lost, after the receiving server had proven to have them.
    lost_after_proof: int = 0
    duplicated: int = 0
    disordered: int = 0
    waiting: int = 0
    failure: str = ""

    @property
    def is_promised(self):
        """Whether this is what Martlet promises."""
        if self.failure:
            return False
        pair = PAIRS[self.pair]
        if pair.sender is not martlet.Martlet:
            return True
        ours = self.lost - self.lost_after_proof
        if pair.receiver is martlet.Martlet:
            return not (self.lost or self.bounced or self.duplicated or self.disordered or self.waiting)
        return ours <= self.waiting and (self.waiting == 0 or (self.pair, self.fault) in WAITS)


class Cell:
    """One fault of one pair, in a world of its own."""

    def __init__(self, pair, fault, directory):
        self.outcome = Outcome(pair, fault)
        self.pair = PAIRS[pair]
        self.fault = fault
        self.world = world.World(directory)
        self.sender = self._add("sender.example", self.pair.sender, "alice")
        self.receiver = self._add("receiver.example", self.pair.receiver, "bob")
        self.line = self.world.line("sender.example", "receiver.example")
        self.ledger = Ledger()
        self.ids = []
        self.proven = None

    def _add(self, domain, kind, user):
        named = {"federation": FEDERATION} if kind is martlet.Martlet else {}
        return self.world.add(domain, kind, mode=self.pair.mode, usage=self.pair.usage, users=(user,), **named)

    async def run(self):
        try:
            await asyncio.to_thread(self.world.start)
            alice, bob = Client(self.sender, "alice", self.ledger), Client(self.receiver, "bob", self.ledger)
            try:
                await alice.login()
                await bob.login()
                await self.play(alice, bob)
            finally:
                for client in (alice, bob):
                    if client.stream is not None:
                        await client.go_away()
        except Exception as error:
            traceback.print_exception(error)
            self.outcome.failure = f"{type(error).__name__}: {error}"
        finally:
            await asyncio.to_thread(self.world.close)
        return self.outcome

    async def play(self, alice, bob):
        # A used line, so that the fault meets live streams; where both directions need one, in both.
        self.ids.append(alice.send(bob.bare, "before"))
        bob.send(alice.bare, "before")
        await bob.until(self.ledger.is_complete, "the line is in use")
        if self.pair.sender is martlet.Martlet:
            self.outcome.rung = await self.rung()
        clock = asyncio.get_running_loop()
        start, strike = clock.time(), None
        for number in range(COUNT):
            self.ids.append(alice.send(bob.bare, f"message {number}"))
            if number + 1 == STRIKE:
                strike = asyncio.create_task(self.strike(self.fault, alice))
            await asyncio.sleep(max(0, start + (number + 1) / RATE - clock.time()))
        await strike
        await self.settle(alice, bob)
        await self.fetch(bob)
        self.judge()

    async def strike(self, fault, alice, broken=BROKEN, down=DOWN):
        """The fault, from its beginning to its end."""
        if fault in MODES:
            if fault == "half-open":
                for forward in self.line.forwards:
                    if forward.name.startswith(self.sender.domain):
                        forward.mode(relay.HALF_OPEN)
            else:
                self.line.cut(MODES[fault])
            await asyncio.sleep(broken)
            self.line.heal()
            return
        victim = self.sender if fault == "sender-killed" else self.receiver
        await asyncio.to_thread(victim.stop if fault == "receiver-restarted" else victim.kill)
        end = time.monotonic() + down
        if victim is self.receiver and self.pair.sender is martlet.Martlet:
            # Nothing comes from the dead any more but what stands in the socket.
            await asyncio.sleep(1)
            self.proven = await self.proven_now(alice)
        await asyncio.sleep(max(0, end - time.monotonic()))
        await asyncio.to_thread(victim.start)

    async def proven_now(self, alice):
        """How many messages, from the first, the sending Martlet has removed because the peer proved to have them."""
        accepted = len(self.ids) - len(alice.unacknowledged)
        rows = await asyncio.to_thread(self.sender.command, "queue", "list", "--entries", "--json")
        numbers = [int(row["entry"].split("/")[1]) for row in json.loads(rows.stdout)]
        # The only lane between the two carries alice's messages alone, numbered from 1.
        return min(numbers) - 1 if numbers else accepted

    async def rung(self):
        done = await asyncio.to_thread(self.sender.command, "link", "list", "--json")
        return ", ".join(row["acknowledgement"] for row in json.loads(done.stdout) if row["acknowledgement"])

    async def settle(self, alice, bob):
        """Until everything is delivered or returned, or nothing has moved for long."""
        is_ours = self.pair.sender is martlet.Martlet
        deadline, silence = time.monotonic() + SETTLED, SILENCE if is_ours else FOREIGN_SILENCE
        seen, since = None, time.monotonic()
        while time.monotonic() < deadline:
            now = (len(bob.messages), len(alice.bounces), bob.is_open, alice.is_open)
            held = 1 if alice.unacknowledged else 0
            if is_ours and not held:
                held = await self.held()
            if now != seen or (held and is_ours):
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > silence and bob.is_open and alice.is_open:
                break
            await asyncio.sleep(1)
        self.outcome.waiting = await self.held() if is_ours else 0

    async def fetch(self, bob):
        """bob logs in once more. COMPAT(ejabberd 23.01): what it stores while its addressee logs in waits for the next login."""
        await bob.logout()
        async with Client(self.receiver, "bob", self.ledger) as again:
            id = again.send(again.bare, "note to myself")
            await again.until(lambda: any(message.id == id for message in again.messages), "has his own note")

    async def held(self):
        done = await asyncio.to_thread(self.sender.command, "status", "--json")
        return json.loads(done.stdout)["waitingEntries"]

    def judge(self):
        (self.world.directory / "messages.txt").write_text(self.ledger.story())
        report = self.ledger.report(stamps=False)
        bounced = {id for id, _ in report.bounced}
        missing = [id for id in report.lost if id not in bounced]
        outcome = self.outcome
        outcome.sent, outcome.delivered, outcome.bounced = report.sent - OTHERS, report.delivered - OTHERS, len(bounced)
        outcome.lost = len(missing)
        if self.proven is not None:
            outcome.lost_after_proof = len(set(missing) & set(self.ids[: self.proven]))
        outcome.duplicated, outcome.disordered = len(report.duplicated), len(report.out_of_order)


def table(outcomes):
    """The outcomes as Markdown."""
    lines = []
    head = "| Fault | Delivered | Waiting | Returned | Lost | Repeated |\n| --- | --- | --- | --- | --- | --- |"
    for name, pair in PAIRS.items():
        rows = [outcome for outcome in outcomes if outcome.pair == name]
        if not rows:
            continue
        rungs = " and ".join(sorted({row.rung for row in rows if row.rung}))
        lines += [f"**{pair.title}**" + (f" (acknowledged by: {rungs})" if rungs else ""), "", head]
        for row in rows:
            lost = str(max(0, row.lost - row.waiting))
            if row.lost_after_proof:
                lost += f" ({row.lost_after_proof} of them after the receiving server had acknowledged them)"
            cells = [FAULTS[row.fault], row.delivered, row.waiting, row.bounced, lost, row.duplicated]
            if row.failure:
                cells = [FAULTS[row.fault], "not measured", "", "", "", ""]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
        lines.append("")
    return "\n".join(lines)


def versions():
    found = []
    for name, package in (("Prosody", "prosody"), ("ejabberd", "ejabberd")):
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
        found.append(f"{name} {re.match(r'[0-9.]*[0-9]', done.stdout)[0]}" if done.returncode == 0 else name)
    return " and ".join(found)


def write(text):
    document = DOCUMENT.read_text()
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def wanted(only):
    for name in only or PAIRS:
        pair, _, fault = name.partition("/")
        for each in [fault] if fault else FAULTS:
            yield pair, each


async def measure(cells, jobs, directory):
    gate = asyncio.Semaphore(jobs)

    async def one(pair, fault):
        async with gate:
            start = time.monotonic()
            # A short name: the path of a server's control socket has an end.
            outcome = await Cell(pair, fault, pathlib.Path(tempfile.mkdtemp(dir=directory))).run()
            words = ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(outcome).items() if value)
            print(f"{int(time.monotonic() - start):4} s  {words}", flush=True)
            return outcome

    return await asyncio.gather(*(one(*cell) for cell in cells))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--write", action="store_true", help="put the table into Docs/guarantees.md")
    parser.add_argument("--jobs", type=int, default=2, help="how many at the same time")
    names = f"pairs: {', '.join(PAIRS)}; faults: {', '.join(FAULTS)}"
    parser.add_argument("--only", action="append", help=f"PAIR or PAIR/FAULT; {names}")
    given = parser.parse_args()
    if not martlet.binary().exists():
        sys.exit(f"{martlet.binary()} does not exist: run make build, or name the command in $MARTLET")
    if given.write and given.only:
        sys.exit("--write needs the whole table")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="martlet-faults-"))
    outcomes = asyncio.run(measure(list(wanted(given.only)), given.jobs, directory))
    text = f"{COUNT} messages, {RATE} a second, the fault after the {STRIKE}th; {versions()}, Debian 12.\n\n{table(outcomes)}"
    print(text)
    if given.write:
        write(text)
    bad = [outcome for outcome in outcomes if not outcome.is_promised]
    if bad:
        print(f"not as promised: {bad}\nlogs and stores: {directory}", file=sys.stderr)
    else:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
