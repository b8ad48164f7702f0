"""XEP-0313 with a real client: history after a new login, the same ids everywhere, nothing missing after SIGKILL."""

import json
import xml.etree.ElementTree as xml

import pytest

from harness.archives import Reader
from harness.clients import LIMIT
from harness.ledger import Ledger

pytestmark = pytest.mark.martlet

RESULT = "{urn:xmpp:mam:2}result"
SID = "{urn:xmpp:sid:0}stanza-id"


@pytest.fixture(scope="module")
def office(make_world, office_kind):
    world = make_world()
    office = world.add("archive.example", office_kind, users=("alice", "bob", "carol", "dora", "erik", "frida"))
    world.start()
    return office


def stanza_ids(client):
    """Of messages, not of what an archive has answered."""
    found = [m.xml.find(SID) for m in client.messages if m.xml.find(RESULT) is None]
    assert all(sid is not None for sid in found)
    return [(sid.get("by"), sid.get("id")) for sid in found]


async def test_a_new_device_shows_what_the_others_have_written_and_read(office):
    ledger = Ledger()
    async with Reader(office, "alice", ledger) as alice, Reader(office, "bob", ledger) as bob:
        for number in range(25):
            alice.send(bob.bare, f"to bob {number}")
            bob.send(alice.full, f"to alice {number}")
        await bob.until(ledger.is_complete, "all messages have arrived")
        async with Reader(office, "alice", resource="new") as new:
            history = await new.history(page=7)
            assert sorted(body for _, body, _ in history) == sorted(
                [f"to bob {n}" for n in range(25)] + [f"to alice {n}" for n in range(25)]
            )
            assert [body for _, body, _ in history if body.startswith("to bob")] == [f"to bob {n}" for n in range(25)]
            assert [id for id, _, _ in await bob.history(page=50)] == [id for id, _, _ in history]
            assert await new.history(page=7, reverse=True) == history or len(history) == 50
        # The id that was delivered is the one in the archive.
        given = {id for by, id in stanza_ids(bob) if by == bob.bare}
        assert given == {id for id, body, _ in history if body.startswith("to bob")}
        assert {by for by, _ in stanza_ids(alice)} == {alice.bare}


async def test_what_was_acknowledged_is_in_both_archives_after_sigkill(office):
    ledger = Ledger()
    async with Reader(office, "carol", ledger) as carol, Reader(office, "dora", ledger) as dora:
        for number in range(40):
            carol.send(dora.bare, f"{number}")
            if number == 25:
                await carol.until(lambda: len(carol.unacknowledged) <= 10, "some are acknowledged")
                office.kill()
                office.start()
        await carol.until(lambda: not carol.unacknowledged, "all is acknowledged")
        await dora.until(ledger.is_complete, "all messages have arrived")
        expected = [f"{number}" for number in range(40)]
        for reader in (carol, dora):
            assert [body for _, body, _ in await reader.history(with_jid=(dora if reader is carol else carol).bare)] == expected


async def test_preferences_metadata_and_the_form(office):
    async with Reader(office, "erik") as erik, Reader(office, "frida") as frida:
        plugin = erik.stream.plugin["xep_0313"]
        fields = await plugin.get_fields(timeout=LIMIT)
        names = {field["var"] for field in fields}
        assert {"with", "start", "end", "before-id", "after-id", "ids"} <= names
        wishes = erik.stream.plugin["xep_0441"]
        assert (await wishes.get_preferences(timeout=LIMIT))[0] == "always"
        await wishes.set_preferences(default="never", timeout=LIMIT)
        erik.send(frida.bare, "not for his own archive")
        await frida.until(lambda: frida.messages, "the message has arrived")
        assert await erik.history() == []
        assert [body for _, body, _ in await frida.history()] == ["not for his own archive"]
        metadata = await frida.stream.plugin["xep_0313"].get_archive_metadata(timeout=LIMIT)
        assert metadata["mam_metadata"]["start"]["id"] == metadata["mam_metadata"]["end"]["id"]


def test_the_operator_exports_bounds_and_sees_archives(office, tmp_path):
    """After the others: what they have written is what is exported."""
    said = office.command("archive", "status")
    assert said.returncode == 0, said.stderr
    assert "carol@archive.example" in said.stdout and "365d" in said.stdout
    target = tmp_path / "carol.xml"
    said = office.command("archive", "export", "carol@archive.example", str(target))
    assert said.returncode == 0, said.stderr
    root = xml.parse(target).getroot()
    archive = "{urn:xmpp:pie:0}host/{urn:xmpp:pie:0}user[@name='carol']/{urn:xmpp:pie:0#mam}archive"
    results = root.findall(f"{archive}/{RESULT}")
    assert root.tag == "{urn:xmpp:pie:0}server-data" and root[0].get("jid") == "archive.example"
    bodies = [result.findtext(".//{jabber:client}body") for result in results]
    assert bodies == [f"{number}" for number in range(40)]
    assert not target.with_suffix(".xml.new").exists()
    assert "carol@archive.example" in office.command("archive", "retention", "carol", "30d").stdout
    assert "30d (own)" in office.command("archive", "status", "carol").stdout
    for words in (("retention", "carol", "soon"), ("status", "nobody"), ("export", "nobody", str(target))):
        refused = office.command("archive", *words)
        assert refused.returncode != 0 and refused.stderr.startswith("Error: "), refused.stderr
    assert "default" not in office.command("archive", "retention", "carol", "default").stderr
    assert "(own)" not in office.command("archive", "status", "carol").stdout
    # What waits for the index and what is there, what is read and what is not: a check finds it sound.
    office.stop()
    checked = office.command("store", "check", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert json.loads(checked.stdout)["findings"] == [], checked.stdout
