#!/usr/bin/env python3
"""What becomes of 200 messages across each kind of fault, between two Martlets and with real Prosody and ejabberd.

usage: faults.py [--write] [--jobs 4] [--long] [--only PAIR[/FAULT]]... [--json FILE]
$MARTLET is the command to run (default: the debug build). `--write` puts the table into Docs/guarantees.md. `--json` keeps what
was measured, with the time of each message; what the file has already is not measured again.

alice writes to bob, 20 messages a second (2 on a line that flaps); the fault strikes after the 60th. Both clients have stream
management and come back at once. Counted at bob's client; what was returned is counted at alice's. When the receiving server
dies, the entries that the sending Martlet still holds a second later tell what the dead server had not proven to have taken
over; what is lost of the rest was lost by that server after its proof. All Martlets have the timeouts as shipped.

Exit status 1 when Martlet loses or returns anything that the receiving server has not taken over, or, between two Martlets,
repeats or reorders anything. What was delivered and forgotten with a store may be repeated.
"""

import argparse
import asyncio
import dataclasses
import fnmatch
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

from harness import certificates, martlet, peers, server, strikes, wire, world  # noqa: E402
from harness.clients import Client  # noqa: E402
from harness.ledger import Ledger  # noqa: E402
from harness.outcome import Outcome, table  # noqa: E402
from harness.strikes import FAULTS, RECEIVER, SENDER, STRIKE  # noqa: E402

COUNT = 200
#: Characters of a large message.
LARGE = 3000
#: Seconds until everything should be settled, and of silence after which it counts as settled. Foreign senders do not say
#: what they hold: longer than any timeout of theirs.
SETTLED, SILENCE, FOREIGN_SILENCE = 300, 10, 60
DOCUMENT = martlet.ROOT / "Docs" / "guarantees.md"
BEGIN, END = "<!-- table of faults: made by `make faults` -->", "<!-- end of the table of faults -->"


@dataclasses.dataclass
class Pair:
    title: str
    sender: type
    receiver: type
    mode: str = server.DIALBACK
    usage: str = certificates.BOTH_WAYS
    #: Seconds that everything takes, each way.
    delay: float = 0.0


PAIRS = {
    "martlet-martlet": Pair("Martlet to Martlet", martlet.Martlet, martlet.Martlet),
    "martlet-martlet-slow": Pair("Martlet to Martlet, round trip 600 ms", martlet.Martlet, martlet.Martlet, delay=0.3),
    "martlet-prosody": Pair("Martlet to Prosody, by certificate", martlet.Martlet, peers.Prosody, server.EXTERNAL),
    "martlet-prosody-dialback": Pair("Martlet to Prosody, by dialback", martlet.Martlet, peers.Prosody),
    "martlet-ejabberd": Pair("Martlet to ejabberd", martlet.Martlet, peers.Ejabberd),
    "prosody-martlet": Pair("Prosody to Martlet, by certificate", peers.Prosody, martlet.Martlet, server.EXTERNAL),
}
#: Where messages may still wait when we stop looking. COMPAT(prosody 0.12.3): it writes the request by which it verifies us
#: to its own dead connection, and without stream management on that one it finds out only when TCP gives up.
WAITS = {("martlet-prosody-dialback", "half-open-both")}


def is_promised(outcome):
    """Whether this is what Martlet promises."""
    if outcome.failure:
        return False
    pair, fault = PAIRS[outcome.pair], FAULTS[outcome.fault]
    if pair.sender is not martlet.Martlet:
        return True
    if pair.receiver is martlet.Martlet:
        bad = outcome.lost or outcome.bounced or outcome.disordered or outcome.waiting
        return not bad and (fault.forgets or not outcome.duplicated)
    ours = outcome.lost - outcome.lost_after_proof
    return ours <= outcome.waiting and (outcome.waiting == 0 or (outcome.pair, outcome.fault) in WAITS)


class Cell:
    """One fault of one pair, in a world of its own. `named`: what its Martlets are made with."""

    def __init__(self, pair, fault, directory, broken=strikes.BROKEN, down=strikes.DOWN, **named):
        self.pair = PAIRS[pair]
        self.fault = FAULTS.get(fault)
        self.outcome = Outcome(pair, fault)
        self.broken, self.down = broken, down
        self.world = world.World(directory)
        self.copy = self.world.directory / "copy"
        self.receiver = self._add("receiver.example", self.pair.receiver, "bob", named)
        self.sender = self._add("sender.example", self.pair.sender, "alice", named)
        if self.is_ours(SENDER) and self.is_ours(RECEIVER):
            self.sender.offices, self.receiver.offices = {"receiver.example": "Receiver"}, {"sender.example": "Sender"}
        if self.fault and self.fault.packets and not self.pair.delay:
            self.line = wire.Wire(*((site.domain, site.address) for site in (self.sender, self.receiver)))
        else:
            self.line = self.world.line(self.sender.domain, self.receiver.domain)
        self.slow()
        self.ledger = Ledger()
        self.alice = self.bob = None
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.ids = []
        self.proven = None
        self.healed, self.accepted = 0.0, []

    def _add(self, domain, kind, user, named):
        named = named if kind is martlet.Martlet else {}
        return self.world.add(domain, kind, mode=self.pair.mode, usage=self.pair.usage, users=(user,), **named)

    def is_ours(self, role):
        return getattr(self.pair, role) is martlet.Martlet

    def slow(self, loss=0.0):
        """The line as slow as the pair has it, and with so much loss."""
        self.line.slow(delay=self.pair.delay, loss=loss)

    async def run(self):
        try:
            # The sender calls: what strikes its connections must strike those that it uses.
            await asyncio.to_thread(self.world.start, one_by_one=True)
            try:
                await self.come()
                await self.play()
            finally:
                for client in filter(None, (self.alice, self.bob)):
                    await client.go_away()
        except Exception as error:
            traceback.print_exception(error)
            self.outcome.failure = f"{type(error).__name__}: {error}"
        finally:
            await asyncio.to_thread(self.world.close)
        return self.outcome

    async def come(self):
        """Whoever is not there logs in: anew, without a session of before."""
        if self.alice is None or self.alice.is_gone:
            self.alice = Client(self.sender, "alice", self.ledger)
            await self.alice.login()
        if self.bob is None or self.bob.is_gone:
            self.bob = Client(self.receiver, "bob", self.ledger)
            await self.bob.login()

    async def warm_up(self):
        """A used line, so that the fault meets live streams; where both directions need one, in both."""
        self.ids.append(self.alice.send(self.bob.bare, "before"))
        self.bob.send(self.alice.bare, "before")
        await self.bob.until(self.ledger.is_complete, "the line is in use")

    async def play(self):
        await self.warm_up()
        if self.is_ours(SENDER):
            self.outcome.rung = await self.rung()
        deeds, at = [], time.monotonic()
        for number in range(1, COUNT + 1):
            await self.may_write.wait()
            large = self.fault.large and number % self.fault.large == 0
            self.ids.append(self.alice.send(self.bob.bare, f"message {number}" + "." * (LARGE if large else 0)))
            if number in self.fault.before:
                deeds.append(asyncio.create_task(self.fault.before[number](self)))
            if number == STRIKE:
                await asyncio.gather(*deeds)
                deeds = [asyncio.create_task(self.strike())]
            at = max(at + 1 / self.fault.rate, time.monotonic() - 1)
            await asyncio.sleep(max(0, at - time.monotonic()))
        await asyncio.gather(*deeds)
        await self.settle()
        await self.fetch()
        self.judge()

    async def strike(self):
        await self.fault.strike(self)
        self.healed = time.time()
        self.accepted = [id for id in self.ids if id not in set(self.alice.unacknowledged)]
        await self.come()
        self.may_write.set()

    async def until_all_arrived(self):
        await self.alice.until(lambda: not self.alice.unacknowledged, "her office has taken over every message")
        await self.bob.until(self.ledger.is_complete, "everything so far has arrived")

    async def note_proven(self):
        """How many messages, from the first, the sending Martlet has removed because the peer proved to have them."""
        if not self.is_ours(SENDER):
            return
        accepted = len(self.ids) - len(self.alice.unacknowledged)
        rows = await asyncio.to_thread(self.sender.command, "queue", "list", "--entries", "--json")
        numbers = [int(row["entry"].split("/")[1]) for row in json.loads(rows.stdout)]
        # The only lane between the two carries alice's messages alone, numbered from 1.
        self.proven = min(numbers) - 1 if numbers else accepted

    async def rung(self):
        done = await asyncio.to_thread(self.sender.command, "link", "list", "--json")
        return ", ".join(row["acknowledgement"] for row in json.loads(done.stdout) if row["acknowledgement"])

    async def settle(self):
        """Until everything is delivered or returned, or nothing has moved for long."""
        is_ours = self.is_ours(SENDER)
        deadline, silence = time.monotonic() + SETTLED, SILENCE if is_ours else FOREIGN_SILENCE
        seen, since = None, time.monotonic()
        while time.monotonic() < deadline:
            now = (self.ledger.movements, self.bob.is_open, self.alice.is_open)
            held = bool(self.alice.unacknowledged) or (is_ours and await self.held())
            if now != seen or (held and is_ours):
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > silence and self.bob.is_open and self.alice.is_open:
                break
            await asyncio.sleep(1)
        self.outcome.waiting = await self.held() if is_ours else 0

    async def fetch(self):
        """bob logs in once more. COMPAT(ejabberd 23.01): what it stores while its addressee logs in waits for the next login."""
        await self.bob.logout()
        async with Client(self.receiver, "bob", self.ledger) as again:
            id = again.send(again.bare, "note to myself")
            await again.until(lambda: any(message.id == id for message in again.messages), "has his own note")

    async def held(self):
        done = await asyncio.to_thread(self.sender.command, "status", "--json")
        return json.loads(done.stdout)["waitingEntries"]

    def judge(self):
        (self.world.directory / "messages.txt").write_text(self.ledger.story())
        # Without the one that came before all.
        proven = max(0, (self.proven or 0) - 1)
        accepted = [id for id in self.accepted if id in set(self.ids[1:])]
        self.outcome.count(self.ledger, self.ids[1:], self.healed, accepted, proven, self.outcome.waiting)


LEGEND = """\
`make faults` sends 200 messages across each fault, with real processes and timeouts as shipped, and writes what stands here.
*Waiting*: on the sender's disk when the measurement ended, five minutes after the fault. *Returned*: the sender was told.
*Lost*: nobody was told. *First after the heal*: from the end of the fault (the line is good again, or the server listens
again) to the first message that arrives at the addressee's client and had not arrived before; – if none was left. *Backlog
after the heal*: until everything had arrived that the sending server had taken over before the end of the fault. *Repeated at
the client*: arrived there more than once. Where the receiving server's store went back or is lost, what the addressee had
read already may come again, because nobody knows there any more that it was read; that nothing is lost is measured with the
messages that only the lost store had.
"""


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


def wanted(only, is_long):
    """The pairs and faults that match one of the patterns, in the order of the table."""
    for pair, servers in PAIRS.items():
        for name, fault in FAULTS.items():
            fits = all(getattr(servers, role) is martlet.Martlet for role in fault.ours)
            asked = not only or any(fnmatch.fnmatch(f"{pair}/{name}", p if "/" in p else f"{p}/*") for p in only)
            if fits and asked and (is_long or not fault.is_long):
                yield pair, name


async def measure(cells, jobs, directory, kept):
    """What is measured is told `kept` as soon as it is there."""
    gate = asyncio.Semaphore(jobs)

    async def one(pair, fault):
        async with gate:
            start = time.monotonic()
            # A short name: the path of a server's control socket has an end.
            outcome = await Cell(pair, fault, pathlib.Path(tempfile.mkdtemp(dir=directory))).run()
            print(f"{int(time.monotonic() - start):4} s  {outcome.words()}", flush=True)
            kept(outcome)

    await asyncio.gather(*(one(*cell) for cell in cells))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--write", action="store_true", help="put the table into Docs/guarantees.md")
    parser.add_argument("--jobs", type=int, default=4, help="how many at the same time")
    parser.add_argument("--long", action="store_true", help="also the faults of ten minutes")
    keeps = "a file that keeps what was measured; what it has is not measured again"
    parser.add_argument("--json", type=pathlib.Path, help=keeps)
    names = f"pairs: {', '.join(PAIRS)}; faults: {', '.join(FAULTS)}"
    parser.add_argument("--only", action="append", help=f"PAIR or PAIR/FAULT, with * for any; {names}")
    given = parser.parse_args()
    if not martlet.binary().exists():
        sys.exit(f"{martlet.binary()} does not exist: run make build, or name the command in $MARTLET")
    if given.write and given.only:
        sys.exit("--write needs the whole table")
    cells = list(wanted(given.only, given.long))
    if not cells:
        sys.exit(f"--only names nothing; {names}")
    outcomes = {}
    if given.json and given.json.exists():
        outcomes = {each.name: each for each in (Outcome(**fields) for fields in json.loads(given.json.read_text()))}

    def kept(outcome):
        outcomes[outcome.name] = outcome
        if given.json:
            given.json.write_text(json.dumps([dataclasses.asdict(each) for each in outcomes.values()], indent=1))

    wire.enter()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="martlet-faults-"))
    missing = [(pair, fault) for pair, fault in cells if f"{pair}/{fault}" not in outcomes]
    asyncio.run(measure(missing, given.jobs, directory, kept))
    measured = [outcomes[f"{pair}/{fault}"] for pair, fault in cells]
    head = f"{COUNT} messages, the fault after the {STRIKE}th; {versions()}, Debian 12."
    text = f"{LEGEND}\n{head}\n\n{table(measured, {name: pair.title for name, pair in PAIRS.items()})}"
    print(text)
    if given.write:
        write(text)
    bad = [outcome for outcome in measured if not is_promised(outcome)]
    if bad:
        print(f"not as promised: {bad}\nlogs and stores: {directory}", file=sys.stderr)
    else:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
