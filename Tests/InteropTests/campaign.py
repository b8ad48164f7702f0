#!/usr/bin/env python3
"""Two offices, real processes, people who never stop writing, and a plan of kills and broken lines made from a seed.

usage: campaign.py [--kills 200] [--seed 1] [--rate 24] [--directory DIR]
$MARTLET is the command to run (default: the debug build).

Four tracks run side by side until the kills are done: kills of either office or both (also while a queue drains, also
within a second of the start), faults of the line, dropped client connections, and writing, across the offices and within
them. Each track is drawn from the seed alone; what else happens at the moment is for the machine to decide. Then everything is
healed, and the clients are asked what arrived: each message once, in order for its pair, none returned. At last everybody
logs out, both offices are killed once more, and everybody logs in anew: nothing may come a second time, and each message stands
once in the archives of both. A second device of one person in each office has a copy of each message, once, as long as its session lasts;
and contacts and published items that were answered are there, none older than answered.

Exit status 0 when nothing was lost, repeated, reordered or returned, and the archives agree. Else the plan is printed, and logs and stores are kept.
"""

import argparse
import asyncio
import collections
import json
import pathlib
import random
import shutil
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import martlet, relay, world  # noqa: E402
from harness.archives import Reader  # noqa: E402
from harness.clients import Client  # noqa: E402
from harness.ledger import Ledger  # noqa: E402
from harness.processes import eventually  # noqa: E402
from harness.witnesses import Keeping, Mirror  # noqa: E402

NORTH, SOUTH = "north.example", "south.example"
USERS = ("ann", "ben", "cleo", "dan")
FAULTS = (relay.BLACK_HOLE, relay.REFUSE, relay.HALF_OPEN)
#: Seconds until everything must have arrived once nothing fails any more.
CONVERGENCE = 300
#: A client that its running server has left alone for this long connects anew: people press the button earlier.
STUCK = 15
#: Short, so that a silent line is found out during the cut and not after it.
FEDERATION = {"retry_maximum": "2s", "ack_timeout": "5s"}


class Plan:
    """What will happen, from the seed alone. Kinds are dealt from shuffled decks: every few events have all of them."""

    def __init__(self, seed, kills):
        self.seed = seed
        self.kills = self._kills(random.Random(f"kills {seed}"), kills)
        self.faults = self._faults(random.Random(f"faults {seed}"), 4 * kills + 20)
        self.drops = self._drops(random.Random(f"drops {seed}"), 8 * kills + 40)

    def _kills(self, dice, wanted):
        """(pause, kind, office, downtime, more) until `wanted` processes have been killed; `more` depends on the kind."""
        steps, count, deck = [], 0, []
        while count < wanted:
            if not deck:
                deck = ["one", "one", "both", "early", "drain sender", "drain receiver"]
                dice.shuffle(deck)
            kind, office = deck.pop(), dice.choice((NORTH, SOUTH))
            pause, downtime = dice.uniform(0.2, 4), dice.choice((0, 0, dice.uniform(0, 3)))
            if kind == "early":
                # Seconds after the start of the process at which it is killed again.
                more = [dice.uniform(0.02, 1) for _ in range(dice.choice((1, 1, 2)))]
            elif kind.startswith("drain"):
                # Messages that wait when the line returns, how many have arrived at the kill, bytes a second of the line.
                more = [size := dice.randrange(40, 160), dice.randrange(size), dice.choice((15_000, 40_000, 0))]
            elif kind == "both":
                # Seconds between the two.
                more = [dice.choice((0, 0, dice.uniform(0, 0.5)))]
            else:
                more = []
            step = (pause, kind, office, downtime, more)
            if count + _size(step) > wanted:
                step = (pause, "one", office, downtime, [])
            steps.append(step)
            count += _size(step)
        return steps

    def _faults(self, dice, count):
        """(pause, kind, duration)."""
        steps, deck = [], []
        for _ in range(count):
            if not deck:
                deck = list(FAULTS)
                dice.shuffle(deck)
            steps.append((dice.uniform(1, 8), deck.pop(), dice.choice((dice.uniform(0.1, 2), dice.uniform(2, 12)))))
        return steps

    def _drops(self, dice, count):
        """(pause, office, user)."""
        return [(dice.uniform(0.5, 8), dice.choice((NORTH, SOUTH)), dice.choice(USERS)) for _ in range(count)]

    def __str__(self):
        def rows(name, steps):
            return [f"{name} {number}: {_words(step)}" for number, step in enumerate(steps, 1)]

        return "\n".join([f"plan of seed {self.seed}", *rows("kill", self.kills), *rows("fault", self.faults[:60])])


def _size(step):
    """How many kills a step is."""
    _, kind, _, _, more = step
    return {"both": 2, "early": 1 + len(more)}.get(kind, 1)


def _words(step):
    return " ".join(f"{word:.2f}" if isinstance(word, float) else str(word) for word in step)


class Campaign:
    def __init__(self, plan, directory, rate):
        self.plan = plan
        self.rate = rate
        self.directory = pathlib.Path(directory)
        self.ledger = Watched(self.tell)
        self.world = world.World(directory)
        self.offices = {domain: self.world.add(domain, martlet.Martlet, users=USERS, federation=FEDERATION)
                        for domain in (NORTH, SOUTH)}  # fmt: skip
        self.line = self.world.line(NORTH, SOUTH)
        self.clients = {}
        self.mirrors = {}
        self.keepings = {}
        self.start = time.monotonic()
        self.ended = False
        self.line_is_free = asyncio.Lock()
        self.killed = collections.Counter()
        self.cuts = collections.Counter()
        self.drops = 0
        self.nudges = 0
        self.busy_kills = 0
        self.missing = []
        self.repeated = []
        self.wrong = []

    def tell(self, text):
        elapsed = time.monotonic() - self.start
        stamp = time.strftime("%H:%M:%S", time.gmtime())
        print(f"{stamp} {int(elapsed) // 60:3}:{int(elapsed) % 60:02}  {text}", flush=True)

    @property
    def under_way(self):
        return self.ledger.sent_count - self.ledger.delivered_count

    # The whole

    async def run(self):
        await asyncio.to_thread(self.world.start)
        for domain, office in self.offices.items():
            for user in USERS:
                self.clients[domain, user] = client = Client(
                    office, user, self.ledger, resource="desk", direct_tls=USERS.index(user) % 2 == 1
                )
                await client.login()
                self.keepings[domain, user] = Keeping(client)
            self.mirrors[domain] = mirror = Mirror(office, USERS[0], Ledger(), resource="phone")
            await mirror.login()
        self.tell(f"{len(self.clients)} clients write {self.rate} messages a second")
        side_tracks = [
            asyncio.create_task(track)
            for track in (self.break_line(), self.drop_clients(), self.watch(), *map(self.write, self.clients),
                          *map(self.keep, self.keepings))
        ]
        deeds = asyncio.create_task(self.kill_offices())
        # The other tracks end before the kills are done only by failing.
        await asyncio.wait([deeds, *side_tracks], return_when=asyncio.FIRST_COMPLETED)
        self.ended = True
        if not deeds.done():
            deeds.cancel()
        await asyncio.gather(deeds, *side_tracks)
        await self.converge()
        await self.call_the_roll()
        return self.judge()

    async def converge(self):
        self.tell(f"nothing fails any more; {self.under_way} messages under way")
        self.line.slow()
        self.line.heal()
        watch = asyncio.create_task(self.watch(until_converged=True))
        try:
            await eventually(
                self.ledger.is_complete,
                lambda: f"everything has arrived: {self.ledger.report(stamps=False)}\n{self.stories()}", CONVERGENCE
            )  # fmt: skip
            self.tell("everything has arrived")
            # A second copy would come behind it on the same way.
            for sender, one in self.clients.items():
                for recipient, other in self.clients.items():
                    if sender != recipient:
                        one.send(other.bare, "goodbye")
            await eventually(
                self.ledger.is_complete, lambda: f"goodbyes: {self.ledger.report(stamps=False)}", CONVERGENCE
            )
        finally:
            watch.cancel()
        for mirror in self.mirrors.values():
            if mirror.is_whole:
                await eventually(
                    lambda: not mirror.missing(self.ledger), lambda: f"{mirror.bare} has copies: {mirror.story()}", CONVERGENCE
                )  # fmt: skip
            self.repeated += [f"{id} among the copies of {mirror.bare}" for id in mirror.repeated(self.ledger)]
            await mirror.logout()
        for domain, office in self.offices.items():
            await eventually(lambda: self.queue(office) == [], lambda: f"{domain} waits for nothing: {self.queue(office)}")

    async def call_the_roll(self):
        """Everybody logs in anew, to new processes: what was delivered must not be in any store any more."""
        for client in self.clients.values():
            await eventually(lambda: not client.unacknowledged, f"{client.bare}: everything is acknowledged")
            await client.logout()
        for office in self.offices.values():
            await asyncio.to_thread(office.kill)
        for office in self.offices.values():
            await asyncio.to_thread(office.start)
        for (domain, user), client in self.clients.items():
            async with Reader(self.offices[domain], user, self.ledger, resource="desk") as again:
                # Behind whatever the login brings.
                id = again.send(again.bare, "note to myself")
                await again.until(lambda: any(message.id == id for message in again.messages), "has her own note")
                missing, repeated = await again.audit(self.ledger)
                self.missing += [f"{id} in the archive of {again.bare}" for id in missing]
                self.repeated += [f"{id} in the archive of {again.bare}" for id in repeated]
                self.wrong += [words async for words in self.keepings[domain, user].audit(again)]

    def judge(self):
        report = self.ledger.report(stamps=False)
        problems = report.lost or report.duplicated or report.bounced or report.out_of_order
        if problems:
            print(report)
        for words, found in (("missing", self.missing), ("more than once", self.repeated), ("kept", self.wrong)):
            for what in found[:20]:
                print(f"{words}: {what}")
        stopped = [row for office in self.offices.values() for row in self.links(office) if row["state"] == "stopped"]
        if stopped:
            print(f"stopped links: {stopped}")
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.killed.items()))
        count = sum(self.killed[domain] for domain in self.offices)
        print(f"kills {count}: {kinds}; with messages under way {self.busy_kills}")
        cuts = ", ".join(f"{kind} {self.cuts[kind]}" for kind in FAULTS)
        print(f"cuts {sum(self.cuts.values())}: {cuts}")
        logins = sum(client.logins for client in self.clients.values())
        resumed = sum(client.resumptions for client in self.clients.values())
        print(
            f"clients {len(self.clients)}: dropped {self.drops}, resumed {resumed}, "
            f"logged in anew {logins - len(self.clients)}, helped {self.nudges}"
        )
        copies = sum(sum(mirror.copies.values()) for mirror in self.mirrors.values())
        whole = sum(mirror.is_whole for mirror in self.mirrors.values())
        print(f"second devices {len(self.mirrors)}: copies {copies}, in one session all the time {whole}")
        kept = sum(len(values) for keeping in self.keepings.values() for values in keeping.written.values())
        print(f"contacts and items: written {kept}, wrong {len(self.wrong)}")
        print(f"archives {len(self.clients)}: missing {len(self.missing)} repeated {len(self.repeated)}")
        print(
            f"sent {report.sent} delivered {report.delivered} bounced {len(report.bounced)} "
            f"lost {len(report.lost)} duplicated {len(report.duplicated)} disordered {len(report.out_of_order)}",
            flush=True,
        )
        return not (problems or stopped or self.missing or self.repeated or self.wrong)

    # Tracks

    async def kill_offices(self):
        done, wanted = 0, sum(map(_size, self.plan.kills))
        for step in self.plan.kills:
            pause, kind, domain, downtime, more = step
            await asyncio.sleep(pause)
            before = self.under_way
            if kind == "one":
                await self.kill(domain)
            elif kind == "both":
                await self.kill(domain)
                await asyncio.sleep(more[0])
                await self.kill(_other(domain))
            elif kind == "early":
                await self.kill(domain)
                for moment in more:
                    await asyncio.to_thread(self.offices[domain].launch)
                    await asyncio.sleep(moment)
                    await self.kill(domain)
            else:
                before = await self.kill_in_drain(kind, domain, *more)
            self.killed[kind] += 1
            await asyncio.sleep(downtime)
            for office in self.offices.values():
                if not office.process.alive:
                    await asyncio.to_thread(office.launch)
            for office in self.offices.values():
                await asyncio.to_thread(office.await_ready)
            done += _size(step)
            self.tell(
                f"kill {done}/{wanted}: {_words(step[1:])}; then under way {before}, now {self.under_way}, "
                f"sent {self.ledger.sent_count}"
            )

    async def kill_in_drain(self, kind, domain, size, arrived, rate):
        """Messages from `domain` wait for the line, and it returns; then the kill, of the office that sends or the other."""
        async with self.line_is_free:
            self.line.cut(relay.REFUSE)
            people = [client for (home, _), client in self.clients.items() if home == domain]
            others = [client for (home, _), client in self.clients.items() if home != domain]
            ids = [people[n % len(people)].send(others[n // 2 % len(others)].bare, f"drain {n}") for n in range(size)]
            try:
                await eventually(lambda: not any(p.unacknowledged for p in people), "taken over", 20)
                self.line.slow(delay=0.02, rate=rate)
                self.line.heal()
                await eventually(lambda: sum(map(self.ledger.has_arrived, ids)) >= arrived, "under way", 20)
            except TimeoutError:
                # The kill comes at another moment then, which is as good.
                self.line.heal()
            before = self.under_way
            await self.kill(domain if kind == "drain sender" else _other(domain))
            self.line.slow()
        return before

    async def kill(self, domain):
        office = self.offices[domain]
        if not office.process.alive:
            raise RuntimeError(f"{domain} has ended by itself with {office.process.exit_code}\n{office.process.tail()}")
        self.busy_kills += self.under_way > 0
        self.killed[domain] += 1
        await asyncio.to_thread(office.kill)

    async def break_line(self):
        for pause, kind, duration in self.plan.faults:
            await self.rest(pause)
            if self.ended:
                return
            async with self.line_is_free:
                self.line.cut(kind)
                self.cuts[kind] += 1
                await self.rest(duration)
                self.line.heal()

    async def drop_clients(self):
        for pause, domain, user in self.plan.drops:
            await self.rest(pause)
            if self.ended:
                return
            if self.clients[domain, user].is_open:
                self.clients[domain, user].drop()
                self.drops += 1

    async def write(self, key):
        """One person's writing: most of it across, to bare and to full addresses alike."""
        domain, user = key
        dice = random.Random(f"write {self.plan.seed} {user}@{domain}")
        number = 0
        while not self.ended:
            await asyncio.sleep(dice.expovariate(self.rate / len(self.clients)))
            home = _other(domain) if dice.random() < 0.75 else domain
            other = dice.choice([name for name in USERS if (home, name) != key])
            number += 1
            address = f"{other}@{home}" + dice.choice(("", "/desk"))
            self.clients[key].send(address, f"{number} from {user}@{domain}")

    async def keep(self, key):
        """One person changes contacts and publishes items, all the time."""
        dice = random.Random(f"keep {self.plan.seed} {key}")
        pending = set()
        while not self.ended:
            await asyncio.sleep(dice.expovariate(1))
            if self.clients[key].is_open:
                pending.add(task := asyncio.create_task(self.keepings[key].write()))
                task.add_done_callback(pending.discard)
        for task in pending:
            task.cancel()

    async def watch(self, until_converged=False):
        """Helps clients whose library has lost its way between two kills: to the server it is one more broken connection."""
        since = {}
        while until_converged or not self.ended:
            await asyncio.sleep(1)
            watched = [*self.clients.items(), *(((domain, "phone"), mirror) for domain, mirror in self.mirrors.items())]
            for key, client in watched:
                process = self.offices[key[0]].process
                if client.is_open or not process.alive:
                    since.pop(key, None)
                    continue
                if client.failure:
                    raise RuntimeError(f"{client.bare}: {client.story()}")
                pid, moment = since.setdefault(key, (process.pid, time.monotonic()))
                if pid == process.pid and time.monotonic() - moment < STUCK:
                    continue
                since.pop(key)
                if pid != process.pid:
                    continue
                self.nudges += 1
                self.tell(f"{client.bare} is stuck: {client.story()}")
                client.redial()

    async def rest(self, seconds):
        """Sleeps; not longer than the campaign."""
        end = time.monotonic() + seconds
        while not self.ended and time.monotonic() < end:
            await asyncio.sleep(min(0.2, max(0, end - time.monotonic())))

    # Asking

    def queue(self, office):
        return json.loads(office.command("queue", "list", "--entries", "--json").stdout or "[]")

    def links(self, office):
        return json.loads(office.command("link", "list", "--json").stdout or "[]")

    def stories(self):
        return "\n".join(f"{client.bare}: {client.story()}" for client in self.clients.values())

    def keep_evidence(self):
        """What the offices hold, beside their logs and stores."""
        for domain, office in self.offices.items():
            for words in (("queue", "list"), ("link", "list"), ("status",)):
                try:
                    done = office.command(*words, "--json")
                    text = done.stdout + done.stderr
                except Exception as error:
                    text = repr(error)
                (self.directory / f"{domain}-{'-'.join(words)}.json").write_text(text)
        (self.directory / "plan.txt").write_text(f"{self.plan}\n")
        (self.directory / "messages.txt").write_text(self.ledger.story())
        (self.directory / "clients.txt").write_text(self.stories())


class Watched(Ledger):
    """A ledger that says at once when something is wrong: what the logs say then is the evidence."""

    def __init__(self, tell):
        super().__init__()
        self._tell = tell

    def record_arrival(self, id, stamps):
        super().record_arrival(id, stamps)
        if self.knows(id) and len(self._arrivals[id]) > 1:
            self._tell(f"DUPLICATE {self.story_of(id)}")

    def record_bounce(self, id, condition):
        super().record_bounce(id, condition)
        if self.knows(id):
            self._tell(f"BOUNCE ({condition}) {self.story_of(id)}")


def _other(domain):
    return SOUTH if domain == NORTH else NORTH


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=24, help="messages a second")
    parser.add_argument("--directory", help="where logs and stores are; kept")
    given = parser.parse_args()
    if not martlet.binary().exists():
        sys.exit(f"{martlet.binary()} does not exist: run make build, or name the command in $MARTLET")
    directory = pathlib.Path(given.directory or tempfile.mkdtemp(prefix="martlet-campaign-"))
    plan = Plan(given.seed, given.kills)

    async def run():
        campaign = Campaign(plan, directory, given.rate)
        try:
            is_good = await campaign.run()
        except Exception as error:
            is_good = False
            traceback.print_exception(error)
        try:
            if not is_good:
                campaign.keep_evidence()
        finally:
            campaign.world.close()
        return is_good

    is_good = False
    try:
        is_good = asyncio.run(run())
    except KeyboardInterrupt:
        pass
    if is_good:
        if given.directory is None:
            shutil.rmtree(directory, ignore_errors=True)
    else:
        print(f"{plan}\nlogs and stores: {directory}", file=sys.stderr)
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
