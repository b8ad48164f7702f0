"""Makes a store with rows of every kind: what happens in it stands in README.md.

    MARTLET=<release build> .venv/bin/python Tests/Stores/make.py <new directory>
    mdb_dump -a <new directory>/store > Tests/Stores/schema-<number>.dump
"""

import asyncio
import datetime
import json
import pathlib
import shutil
import sys
import xml.etree.ElementTree as tree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "InteropTests"))

from harness import martlet, processes, relay, world  # noqa: E402
from harness.clients import Client, befriend  # noqa: E402
from harness.ledger import Ledger  # noqa: E402

USERS = ("alice", "bob", "carol", "dora", "erik", "fred")
LANES = {"urgent_addresses": ["carol@north.example"], "bulk_addresses": ["erik@north.example"]}


def says(office, *words):
    done = office.command(*words)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


async def set_contact(client, jid, name, *groups):
    inside = "".join(f"<group>{group}</group>" for group in groups)
    query = f"<query xmlns='jabber:iq:roster'><item jid='{jid}' name='{name}'>{inside}</item></query>"
    await client.stream.make_iq_set(sub=tree.fromstring(query)).send()


async def live(north, south, line, ledger):
    """Everything until the office is killed."""
    alice, erik = (Client(north, user, ledger, resource="desk") for user in ("alice", "erik"))
    bob = Client(north, "bob", ledger, resource="phone", stays=False)
    carol = Client(north, "carol", ledger, resource="old", resumes=False, stays=False)
    sam, tina = (Client(south, user, ledger, resource="desk") for user in ("sam", "tina"))
    clients = (alice, bob, carol, erik, sam, tina)
    for client in clients:
        await client.login()
    await befriend(alice, bob)
    await befriend(alice, sam)
    await befriend(bob, tina)
    await set_contact(alice, bob.bare, "Bob — Büro 3", "Büro", "Freunde")
    await set_contact(alice, "nobody@elsewhere.example", "Nobody yet")
    alice.stream.send_presence(pto=north.jid("dora"), ptype="subscribe", pstatus="May I? Alice")
    sam.subscribe(north.jid("dora"))
    bob.subscribe(north.jid("fred"))
    bob.available(show="away", status="on the train – back at 5", priority=5)
    alice.available(show="chat", status="at her desk")
    bob.stream.send_presence(pto=tina.full, pstatus="for tina")
    bob.stream.send_presence(pto=sam.bare)
    alice.stream.send_raw(
        f"<message to='{north.jid('dora')}' id='m1' type='chat' xml:lang='de'><body>Grüße &amp; Küsse</body>"
        "<subject>Später</subject><origin-id xmlns='urn:xmpp:sid:0' id='m1'/></message>"
    )
    alice.send(north.jid("dora"), "the second for dora")
    alice.send(north.jid("fred"), "x" * 3000)
    sam.send(north.jid("dora"), "from the other office")
    sam.send(alice.bare, "lane numbers go up")
    alice.send(sam.bare, "and back")
    carol.send(tina.bare, "urgent while the line is up")
    erik.send(tina.bare, "bulk while the line is up")
    await tina.until(lambda: len(tina.texts()) >= 2, "has both")
    await alice.until(lambda: "lane numbers go up" in alice.texts(), "has it")
    await sam.until(lambda: "and back" in sam.texts(), "has it")
    await alice.ping(south.domain)
    await sam.ping(north.domain)
    await asyncio.sleep(1.5)

    line.cut(relay.REFUSE)

    def is_down():
        return all(row["state"] != "up" for row in json.loads(says(north, "link", "list", "--json")))

    await asyncio.to_thread(processes.wait_until, is_down, "the cut is noticed")
    for text in ("one", "two", "held", "four", "purged", "six"):
        alice.send(sam.bare, f"waits {text}")
    until = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    alice.stream.send_raw(
        f"<message to='{tina.bare}' id='amp1' type='chat'><body>worth two days</body>"
        "<amp xmlns='http://jabber.org/protocol/amp'>"
        f"<rule condition='expire-at' action='drop' value='{until}'/></amp></message>"
    )
    for number in range(3):
        carol.send(tina.bare, f"waits urgent {number}")
        erik.send(tina.bare, f"waits bulk {number}")
    bob.stream.send_raw(f"<presence to='newcomer@{south.domain}' type='subscribe'/>")
    for client in (alice, carol, erik, bob):
        await client.ping()
    await alice.until(lambda: not alice.unacknowledged and not erik.unacknowledged, "everything is taken over")
    rows = json.loads(await asyncio.to_thread(says, north, "queue", "list", "--entries", "--json"))
    mine = [row["entry"] for row in rows if row["from"] == alice.full and row["to"] == sam.bare]
    mine.sort(key=lambda name: int(name.split("/")[1]))
    await asyncio.to_thread(says, north, "queue", "hold", mine[2])
    await asyncio.to_thread(says, north, "queue", "purge", mine[4])
    await alice.until(lambda: alice.bounces, "is told of the purged one")

    alice.send(bob.full, "for the phone, first")
    await bob.until(lambda: "for the phone, first" in bob.texts(), "has the first")
    bob.drop()
    await asyncio.sleep(0.5)
    alice.send(bob.full, "for the phone, while it is away")
    alice.send(bob.bare, "for bob, whatever he uses")
    await alice.until(lambda: not alice.unacknowledged, "everything is taken over")
    await asyncio.sleep(1)
    north.kill()
    for client in clients:
        await client.go_away()


def main(directory):
    with world.World(directory / "world") as made:
        federation = {"retry_maximum": "3s"}
        north = made.add("north.example", martlet.Martlet, users=USERS, federation=federation | LANES)
        south = made.add("south.example", martlet.Martlet, users=("sam", "tina"), federation=federation)
        line = made.line("north.example", "south.example")
        made.start()
        asyncio.run(asyncio.wait_for(live(north, south, line, Ledger()), 240))
        shutil.copytree(north.directory / "data", directory / "store", ignore=shutil.ignore_patterns("*.sock"))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
