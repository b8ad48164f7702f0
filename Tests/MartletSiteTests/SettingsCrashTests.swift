import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// What an account has set stands as it was answered, whenever the process dies.
@Suite("blocks and push registrations across a crash")
struct SettingsCrashTests {
    private static let block = "<block xmlns='urn:xmpp:blocking'><item jid='eva@brno.example'/></block>"
    private static let unblock = "<unblock xmlns='urn:xmpp:blocking'/>"
    private static let enable = "<enable xmlns='urn:xmpp:push:0' jid='push.example' node='n'/>"
    private static let disable = "<disable xmlns='urn:xmpp:push:0' jid='push.example'/>"

    /// Handles a request, and dies before what it wrote is on disk: nobody has heard of it.
    private func dieBeforeCommit(_ harness: inout SessionsHarness, _ client: SessionsHarness.Client, _ payload: String) throws {
        harness.flush()
        let bytes = Array("<iq type='set' id='s'>\(payload)</iq>".utf8)
        let stanza = try Stanza(
            parsing: bytes, contentNamespace: Namespaces.client, context: NamespaceContext(Namespaces.client))
        let turn = Turn(
            now: Instant(milliseconds: harness.now), wall: WallTime(milliseconds: 1_700_000_000_000 + harness.now),
            random: RandomStream(seed: 9), store: harness.store.begin(), policy: harness.policy)
        harness.site.handle(.client(client.connection, .stanza(stanza)), turn)
        harness.site.endBatch(turn)
        #expect(turn.isBinding, "an answer waits for the disk")
        harness.crash()
    }

    private func state(_ harness: inout SessionsHarness, _ client: SessionsHarness.Client) -> String {
        let list = harness.ask(client, "get", "<blocklist xmlns='urn:xmpp:blocking'/>")
        let blocked = list.first("blocklist", Namespaces.blocking)?.elements.count ?? -1
        var registered = 0
        harness.step { _, turn in PushTable.forEach(in: turn.store) { _, _, _ in registered += 1 } }
        return "\(blocked) blocked, \(registered) registered, push \(harness.site.push.isUsed ? "used" : "unused")"
    }

    @Test(
        "XEP-0191, XEP-0357: what was answered is there after a crash; what was not committed was never asked, in both directions"
    )
    func bothPoints() throws {
        var harness = SessionsHarness(users: ["romeo"])
        var romeo = harness.login("romeo", "orchard")
        func again() { romeo = harness.login("romeo", "orchard") }
        for payload in [Self.block, Self.enable] {
            try dieBeforeCommit(&harness, romeo, payload)
            again()
            #expect(state(&harness, romeo) == "0 blocked, 0 registered, push unused")
        }
        for payload in [Self.block, Self.enable] { #expect(harness.ask(romeo, "set", payload)["type"] == "result") }
        harness.crash()
        again()
        #expect(state(&harness, romeo) == "1 blocked, 1 registered, push used")
        for payload in [Self.unblock, Self.disable] {
            try dieBeforeCommit(&harness, romeo, payload)
            again()
            #expect(state(&harness, romeo) == "1 blocked, 1 registered, push used")
        }
        for payload in [Self.unblock, Self.disable] { #expect(harness.ask(romeo, "set", payload)["type"] == "result") }
        harness.crash()
        again()
        #expect(state(&harness, romeo) == "0 blocked, 0 registered, push unused")
    }
}
