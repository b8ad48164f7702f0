"""Administration with a real client (XEP-0050, XEP-0133), announcements across offices, and messages to several (XEP-0033)."""

import pytest
import slixmpp
from slixmpp.exceptions import IqError
from slixmpp.xmlstream import ET

from harness.clients import LIMIT, Client, LoginFailed

pytestmark = pytest.mark.martlet

ADMIN = "http://jabber.org/protocol/admin#"
COMMANDS = "http://jabber.org/protocol/commands"
ADDRESSES = "http://jabber.org/protocol/address"


@pytest.fixture(scope="module")
def offices(make_world, office_kind):
    world = make_world()
    north = world.add(
        "north.example", office_kind, users=("alice", "bob", "carol"), admins=["alice@north.example"],
        offices={"south.example": "South"},
    )  # fmt: skip
    south = world.add("south.example", office_kind, users=("eva", "jan"), offices={"north.example": "North"})
    line = world.line("north.example", "south.example")
    world.start()
    yield north, south, line
    world.close()


class Person(Client):
    """Knows commands as slixmpp has them."""

    def _make_stream(self):
        super()._make_stream()
        for plugin in ("xep_0004", "xep_0030", "xep_0050"):
            self.stream.register_plugin(plugin)

    async def commands(self):
        items = await self.stream.plugin["xep_0030"].get_items(jid=self.server.domain, node=COMMANDS, timeout=LIMIT)
        return {node for _, node, _ in items["disco_items"]["items"]}

    async def execute(self, node, fields=None, action="execute", session=None):
        """One stage of a command: its status, session, note, and the values of its form."""
        form = None
        if fields is not None:
            form = self.stream.plugin["xep_0004"].make_form(ftype="submit")
            for name, value in fields.items():
                form.add_field(var=name, value=value)
        answer = await self.stream.plugin["xep_0050"].send_command(
            self.server.domain, node, action=action, payload=form, sessionid=session, timeout=LIMIT
        )
        command = answer.xml.find(f"{{{COMMANDS}}}command")
        values = {
            field.get("var"): [value.text for value in field.iter("{jabber:x:data}value")]
            for field in command.iter("{jabber:x:data}field")
        }
        return command.get("status"), command.get("sessionid"), command.findtext(f"{{{COMMANDS}}}note"), values

    async def do(self, name, **fields):
        """A command from its form to its end."""
        status, session, _, form = await self.execute(ADMIN + name)
        assert status == "executing"
        assert set(fields) <= set(form)
        return await self.execute(ADMIN + name, fields, action="complete", session=session)


async def test_an_administrator_makes_disables_and_removes_an_account(offices):
    north, _, _ = offices
    async with Person(north, "alice") as alice, Person(north, "bob") as bob:
        assert ADMIN + "add-user" in await alice.commands()
        assert await bob.commands() == {"urn:martlet:queue"}
        with pytest.raises(IqError) as refused:
            await bob.execute(ADMIN + "add-user")
        assert refused.value.condition == "item-not-found"

        status, _, _, _ = await alice.do("add-user", accountjid="dora@north.example", password="sésame 1")
        assert status == "completed"
        async with Person(north, "dora", password="sésame 1", stays=False) as dora:
            bob.send(dora.bare, "welcome")
            await dora.until(lambda: "welcome" in dora.texts(), "is there")
            await alice.do("change-user-password", accountjid=dora.bare, password="another 2")
            await alice.do("end-user-session", accountjids=[dora.bare])
            await dora.until(lambda: dora.stream_errors or not dora.is_open, "was sent away")
        with pytest.raises(LoginFailed):
            await Person(north, "dora", password="sésame 1", stays=False).login()
        async with Person(north, "dora", password="another 2", stays=False) as dora:
            await alice.do("disable-user", accountjids=[dora.bare])
            await dora.until(lambda: not dora.is_open, "was sent away")
        with pytest.raises(LoginFailed):
            await Person(north, "dora", password="another 2", stays=False).login()
        bob.send("dora@north.example", "meanwhile")
        north.kill()
        north.start()
        await alice.until(lambda: alice.is_open and alice.logins + alice.resumptions > 1, "is back")
        with pytest.raises(LoginFailed):
            await Person(north, "dora", password="another 2", stays=False).login()
        _, _, _, values = await alice.execute(ADMIN + "get-disabled-users-num")
        assert values["disabledusersnum"] == ["1"]
        await alice.do("reenable-user", accountjids=["dora@north.example"])
        async with Person(north, "dora", password="another 2", stays=False) as dora:
            await dora.until(lambda: "meanwhile" in dora.texts(), "has what was kept")
            assert north.command("user", "disable", dora.bare).returncode == 0
            await dora.until(lambda: not dora.is_open, "was sent away")
            assert "disabled" in north.command("user", "list").stdout
            assert north.command("user", "disable", dora.bare).returncode != 0
            assert north.command("user", "enable", dora.bare).returncode == 0
        _, _, _, values = await alice.do("get-registered-users-list", max_items="25")
        assert "dora@north.example" in values["registereduserjids"]
        _, _, note, _ = await alice.do("delete-user", accountjids=["dora@north.example", "nobody@north.example"])
        assert note == "Done: 1 of 2.\nnobody@north.example does not exist."


async def test_words_for_everybody_here_and_at_the_other_office_also_over_a_dead_line(offices):
    north, south, line = offices
    async with Person(north, "alice") as alice, Person(north, "bob") as bob, Person(south, "eva") as eva:
        await alice.do("announce", announcement="Fire drill\nat ten")
        await bob.until(lambda: "Fire drill\nat ten" in bob.texts("north.example"), "is told")
        await alice.do("announce-all", announcement="Closed on Friday")
        await bob.until(lambda: "Closed on Friday" in bob.texts(), "is told")
        line.cut()
        await alice.do("announce-office", office="south.example", announcement="The line is mended at noon")
        south.kill()
        south.start()
        line.heal()
        await eva.until(lambda: "The line is mended at noon" in eva.texts("north.example"), "is told")
        assert eva.texts().count("The line is mended at noon") == 1
    async with Person(north, "carol") as carol, Person(south, "jan") as jan:
        await carol.until(lambda: carol.texts() == ["Closed on Friday"], "finds it")
        await jan.until(lambda: jan.texts() == ["The line is mended at noon"], "finds it")


async def test_one_message_to_several_here_and_there(offices):
    north, south, _ = offices
    async with (
        Person(north, "alice") as alice,
        Person(north, "bob") as bob,
        Person(south, "eva") as eva,
        Person(south, "jan") as jan,
    ):
        for number in range(3):
            message = alice.stream.make_message(mto=north.domain, mbody=f"to all {number}", mtype="chat")
            addresses = ET.SubElement(message.xml, f"{{{ADDRESSES}}}addresses")
            for kind, jid in (("to", bob.bare), ("cc", eva.bare), ("bcc", jan.bare)):
                ET.SubElement(addresses, f"{{{ADDRESSES}}}address", type=kind, jid=jid)
            alice.stream.send(message)
            for person in (bob, eva, jan):
                await person.until(lambda: f"to all {number}" in person.texts(alice.bare), "has it")
        for person, blind in ((bob, []), (eva, []), (jan, [jan.bare])):
            texts = person.texts(alice.bare)
            assert texts == [f"to all {number}" for number in range(3)]
            for got in person.messages:
                if got.body and got.body.startswith("to all"):
                    seen = list(got.xml.iter(f"{{{ADDRESSES}}}address"))
                    assert [a.get("jid") for a in seen if a.get("type") == "bcc"] == blind
                    assert {a.get("delivered") for a in seen if a.get("type") != "bcc"} == {"true"}
                    assert slixmpp.JID(got.sender).bare == alice.bare
