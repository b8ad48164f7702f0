#!/usr/bin/env python3
"""The story of two offices, a foreign server and a dead line, with real processes, told line by line.

usage: demo.py [TOPOLOGY]      default: Topologies/two-offices.toml
$MARTLET is the command to run (default: the debug build). Needs no root: every party has loopback addresses of its own.
"""

import asyncio
import itertools
import json
import pathlib
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import martlet, relay, topology, world  # noqa: E402
from harness.clients import Client, befriend  # noqa: E402
from harness.ledger import LATE, Ledger  # noqa: E402

CUT_WORDS = {
    relay.BLACK_HOLE: "goes silent: nothing arrives, nothing is refused, nobody is told",
    relay.REFUSE: "is cut: connections are refused",
    relay.HALF_OPEN: "is cut, and one end does not know",
}


class Story:
    def __init__(self, plan, directory):
        self.plan = plan
        self.ledger = Ledger()
        self.world = world.World(directory)
        self.servers = {}
        self.clients = {}
        self.lines = {}
        self.start = time.monotonic()
        self.cut = set()

    def tell(self, text):
        elapsed = int(time.monotonic() - self.start)
        print(f"{elapsed // 60}:{elapsed % 60:02}  {text}", flush=True)

    # The stage

    def set_up(self):
        for server in self.plan.servers.values():
            kind = martlet.Martlet if server.software == "martlet" else topology.SOFTWARE[server.software]
            # Attempts to connect go on every few seconds, so that the story takes two minutes.
            named = {"federation": {"retry_maximum": "5s", "ack_timeout": "10s"}} if kind is martlet.Martlet else {}
            self.servers[server.name] = self.world.add(server.domain, kind, users=server.users, **named)
        for between, delay in self.plan.delays.items():
            line = self.world.line(*(self.plan.servers[name].domain for name in between))
            line.slow(delay=delay / 2)
            self.lines[frozenset(between)] = line
        self.world.start()
        for site in self.plan.sites:
            self.tell(f"{site.domain} is up: Martlet, process {self.servers[site.name].process.pid}, with its own DNS")
        for server in self.plan.foreign:
            self.tell(f"{server.domain} is up: {server.software.capitalize()}, as Debian has it")

    async def log_in(self):
        for server in self.plan.servers.values():
            for user in server.users:
                self.clients[user, server.name] = client = Client(self.servers[server.name], user, self.ledger)
                await client.login()
            self.tell(f"{' and '.join(server.users)} log in at {server.domain}" if len(server.users) > 1 else
                      f"{server.users[0]} logs in at {server.domain}")  # fmt: skip

    async def make_friends(self):
        heads = [self.clients[server.users[0], server.name] for server in self.plan.servers.values() if server.users]
        for one, other in itertools.combinations(heads, 2):
            await befriend(one, other)
            self.tell(f"{one.bare} and {other.bare} are contacts and see each other online")

    # The play

    def pairs(self):
        """Who writes to whom: across the offices in both directions, and within each."""
        across = []
        for one, other in itertools.combinations(self.plan.sites, 2):
            for user, peer in zip(one.users, other.users):
                across += [((user, one.name), (peer, other.name)), ((peer, other.name), (user, one.name))]
        within = [((site.users[-1], site.name), (site.users[0], site.name)) for site in self.plan.sites]
        return across + within

    async def write(self):
        """The traffic of the topology."""
        clock = asyncio.get_running_loop()
        start = clock.time()
        pairs = itertools.cycle(self.pairs())
        for number in range(self.plan.messages):
            sender, recipient = next(pairs)
            self.clients[sender].send(self.clients[recipient].bare, f"message {number}")
            await asyncio.sleep(max(0, start + (number + 1) / self.plan.rate - clock.time()))

    async def outage(self, outage):
        line = self.lines[frozenset(outage.between)]
        names = " and ".join(self.plan.servers[name].domain for name in outage.between)
        await asyncio.sleep(outage.start)
        line.cut(outage.kind)
        self.cut.add(line)
        self.tell(f"✂ the line between {names} {CUT_WORDS[outage.kind]}")
        await asyncio.sleep(min(8, (outage.end - outage.start) / 2))
        await self.tell_waiting()
        for site in outage.between:
            await self.chat_within(site)
        await asyncio.sleep(max(0, outage.end - (time.monotonic() - self.traffic_start) - 2))
        await self.tell_waiting()
        await asyncio.sleep(max(0, outage.end - (time.monotonic() - self.traffic_start)))
        line.heal()
        self.cut.discard(line)
        self.tell(f"⚡ the line between {names} is back")

    async def chat_within(self, name):
        """Local life during the cut: a message and a new login."""
        site = self.plan.servers[name]
        if len(site.users) < 2:
            return
        one, other = (self.clients[user, name] for user in site.users[:2])
        id = one.send(other.bare, "the line is dead, the coffee is not")
        await other.until(lambda: any(message.id == id for message in other.messages), "has the local message")
        async with Client(self.servers[name], site.users[1], self.ledger, resource="phone") as phone:
            phone.available(priority=-1)
            await phone.ping()
        self.tell(f"{site.domain} goes on working: a message took {self.ledger.latency(id) * 1000:.0f} ms, a new login succeeds")

    async def tell_waiting(self):
        for site in self.plan.sites:
            server = self.servers[site.name]
            if server.process.alive:
                done = await asyncio.to_thread(server.command, "status", "--json")
                if done.returncode == 0:
                    self.tell(f"{site.domain} holds {json.loads(done.stdout)['waitingEntries']} messages that wait for the line")

    async def crash(self, crash):
        await asyncio.sleep(crash.at)
        server = self.servers[crash.site]
        await asyncio.to_thread(server.kill)
        waiting = "with messages waiting" if self.cut else "while its queue moves"
        self.tell(f"☠ {server.domain} is killed (SIGKILL) {waiting}")
        await asyncio.sleep(crash.downtime)
        resumptions = {key: client.resumptions for key, client in self.clients.items() if key[1] == crash.site}
        await asyncio.to_thread(server.start)
        for key, before in resumptions.items():
            client = self.clients[key]
            await client.until(lambda: client.resumptions > before, "has resumed its session")
        self.tell(f"{server.domain} is started again; its people's clients resume where they were")

    async def partner_mail(self):
        """With the foreign server, at moments when nobody is killed: what is dead between two is no matter of a third."""
        moments = [at for at in (5, 20, 45, 60) if all(abs(at - crash.at) > 8 for crash in self.plan.crashes)]
        for at in moments:
            await asyncio.sleep(max(0, at - (time.monotonic() - self.traffic_start)))
            for server in self.plan.foreign:
                site = self.plan.sites[at % len(self.plan.sites)]
                one, other = self.clients[site.users[0], site.name], self.clients[server.users[0], server.name]
                id = one.send(other.bare, "an offer")
                await other.until(lambda: any(message.id == id for message in other.messages), "has the offer")
                answer = other.send(one.bare, "an order")
                await one.until(lambda: any(message.id == answer for message in one.messages), "has the order")
                self.tell(f"{one.bare} wrote to {other.bare} and has the answer")

    async def play(self):
        await self.log_in()
        await self.make_friends()
        self.traffic_start = time.monotonic()
        self.tell(f"everybody chats, within the offices and across: {self.plan.messages} messages, {self.plan.rate} a second")
        await asyncio.gather(
            self.write(),
            self.partner_mail(),
            *(self.outage(outage) for outage in self.plan.outages),
            *(self.crash(crash) for crash in self.plan.crashes),
        )
        self.tell("the last message is written")
        anyone = next(iter(self.clients.values()))
        await anyone.until(self.ledger.is_complete, lambda: f"everything has arrived: {self.ledger.report()}", 120)
        self.tell("everything has arrived")
        # A second copy would come behind it.
        heads = [self.clients[site.users[0], site.name] for site in self.plan.sites]
        for one, other in itertools.permutations(heads, 2):
            id = one.send(other.bare, "goodbye")
            await other.until(lambda: any(message.id == id for message in other.messages), "hears the goodbye")
        # Written while the own office was dead, a message is taken over, and stamped, when it is back.
        report = self.ledger.report(taken_late=True)
        late = self.ledger.late()
        latest = max(map(self.ledger.latency, late), default=0)
        if not report.out_of_order:
            self.tell("each conversation arrived in the order in which it was written")
        if not report.wrong_stamps:
            self.tell(
                f"{len(late)} messages were more than {LATE:.0f} s late, at most {latest:.0f} s; each carries the time when it was written"
            )
        for client in self.clients.values():
            await client.logout()
        if not report.is_clean:
            print(report, flush=True)
        print(report.line(), flush=True)
        return report.is_clean


def main():
    path = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else martlet.ROOT / "Topologies" / "two-offices.toml")
    if not martlet.binary().exists():
        sys.exit(f"{martlet.binary()} does not exist: run make build, or name the command in $MARTLET")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="martlet-demo-"))
    story = Story(topology.Topology(path), directory)
    is_good = False
    try:
        story.set_up()
        is_good = asyncio.run(story.play())
    except (TimeoutError, RuntimeError) as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        pass
    finally:
        story.world.close()
        if is_good:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"what the servers said is in {directory}", file=sys.stderr)
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
