import MartletPrimitives
import Testing
import XMPPAddress

@Suite("JIDIndex")
struct JIDIndexTests {
    @Test("it agrees with a dictionary, whatever comes and goes", arguments: 0..<8 as Range<UInt64>)
    func agreesWithADictionary(seed: UInt64) throws {
        var random = RandomStream(seed: seed)
        let people = try (0..<300).map { try JID(localpart: "p\($0)", domainpart: $0 % 2 == 0 ? "a.example" : "b.example") }
        var index = JIDIndex()
        var model: Set<JID> = []
        for step in 0..<20_000 {
            let number = Int.random(in: 0..<people.count, using: &random)
            let person = people[number]
            // Fills up and empties again.
            let comes = Int.random(in: 0..<100, using: &random) < (step / 2_000 % 2 == 0 ? 70 : 30)
            if comes, model.insert(person).inserted {
                index.insert(person, number)
            } else if !comes, model.remove(person) != nil {
                index.remove(person, number)
            }
            #expect(index.count == model.count)
            for other in step % 500 == 0 ? people : [person] {
                let found = index.number(of: other) { people[$0] == other }
                #expect(found.map { people[$0] } == (model.contains(other) ? other : nil))
            }
        }
    }

    @Test("JIDs whose numbers are said to be wrong are passed by")
    func collisions() throws {
        // Two accounts of the same hash look like this: the first number is refused, the second is right.
        let jid = try JID(localpart: "a", domainpart: "b.example")
        var index = JIDIndex()
        index.insert(jid, 1)
        index.insert(jid, 2)
        #expect(index.number(of: jid) { $0 == 2 } == 2)
        #expect(index.number(of: jid) { $0 == 1 } == 1)
        #expect(index.number(of: jid) { _ in false } == nil)
        index.remove(jid, 1)
        #expect(index.number(of: jid) { _ in true } == 2)
    }

    @Test("a number below zero and taking away what is not there end the process")
    func misuse() async throws {
        await #expect(processExitsWith: .failure) {
            var index = JIDIndex()
            index.insert(try JID(localpart: "a", domainpart: "b.example"), -1)
        }
        await #expect(processExitsWith: .failure) {
            var index = JIDIndex()
            index.insert(try JID(localpart: "a", domainpart: "b.example"), 1)
            index.remove(try JID(localpart: "a", domainpart: "b.example"), 2)
        }
    }
}
