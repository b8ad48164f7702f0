import MartletBus
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// What was said before, and what is left of a room after a start of the server.
@Suite("XEP-0045: what lasts of a room")
struct RoomHistoryTests {
    @Test("§7.2.14: whoever enters is told what was said before, the last of it and with its time, as much as he wants")
    func history() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.makeRoom()
        for number in 1...5 { harness.say(crone, "verse \(number)") }
        func heard(_ wish: String) -> [String] {
            let hag = harness.login("hag66", "pda")
            harness.enter(hag, "thirdwitch", wish)
            defer { harness.logout(hag) }
            return harness.seen(hag).dropFirst(2).map { $0 }
        }
        let all = (1...5).map { "firstwitch late: verse \($0)" }
        #expect(heard("") == all + ["room # "])
        #expect(heard("<history maxstanzas='2'/>") == Array(all.suffix(2)) + ["room # "])
        #expect(heard("<history maxstanzas='0'/>") == ["room # "])
        #expect(heard("<history maxchars='0'/>") == ["room # "])
        #expect(heard("<history seconds='0'/>") == ["room # "])
        #expect(heard("<history since='1970-01-01T00:00:00Z'/>") == all + ["room # "])
        #expect(heard("<history maxchars='1'/>") == ["room # "])
        harness.policy.rooms.history = 1
        #expect(heard("<history maxstanzas='100'/>") == [all[4], "room # "])
    }

    @Test("a start of the server: sessions that can be resumed are still in the room, the others are gone from it")
    func restart() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.loginResumable("crone1", "desktop")
        harness.enter(crone, "firstwitch")
        let form = "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>"
        _ = harness.ask(crone, "set", to: SessionsHarness.coven, form)
        let hag = harness.guest("hag66", "thirdwitch")
        harness.say(hag, "before")
        _ = harness.take(crone)
        harness.acknowledge(crone, 6)
        harness.flush()
        harness.crash()
        harness.pass(1000)
        let wicca = harness.login("wiccarocks", "laptop")
        harness.enter(wicca, "secondwitch")
        #expect(
            harness.seen(wicca) == [
                "firstwitch owner/moderator", "secondwitch none/participant wiccarocks@pilsen.example/laptop 110,170",
                "thirdwitch late: before", "room # ",
            ])
        harness.say(wicca, "after")
        let back = harness.resume(crone, h: 6)
        #expect(harness.seen(back).filter { $0.contains(":") && !$0.contains("before") } == ["secondwitch late: after"])
    }

    @Test(
        "one row of the log is what all occupants have of a message, and it stays as long as any of them or the archive has it")
    func oneRow() {
        var harness = SessionsHarness.withRooms()
        let crone = harness.loginResumable("crone1", "desktop")
        harness.enter(crone, "firstwitch")
        let hag = harness.loginResumable("hag66", "pda")
        let form = "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>"
        _ = harness.ask(crone, "set", to: SessionsHarness.coven, form)
        harness.enter(hag, "thirdwitch")
        harness.flush()
        let before = StanzaLog.last(in: harness.store.begin())
        harness.store.crash()
        harness.say(hag, "once")
        harness.flush()
        let store = harness.store.begin()
        #expect(StanzaLog.last(in: store) == before + 1)
        #expect(StanzaLog.holders(before + 1, in: store) == 3)
        harness.store.crash()
    }
}
