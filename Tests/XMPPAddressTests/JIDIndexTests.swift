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
        var model: [JID: Int] = [:]
        for step in 0..<20_000 {
            // Fills up and empties again.
            let person = people[Int.random(in: 0..<people.count, using: &random)]
            if Int.random(in: 0..<100, using: &random) < (step / 2_000 % 2 == 0 ? 70 : 30) {
                index.set(person, step)
                model[person] = step
            } else {
                index.remove(person)
                model[person] = nil
            }
            #expect(index[person] == model[person])
            #expect(index.count == model.count)
            if step % 500 == 0 { for person in people { #expect(index[person] == model[person]) } }
        }
    }

    @Test("parts are told apart, and a number below zero ends the process")
    func edges() async throws {
        var index = JIDIndex()
        index.set(try JID(localpart: "a", domainpart: "b.example"), 1)
        #expect(try index[JID(localpart: nil, domainpart: "b.example")] == nil)
        #expect(try index[JID(localpart: "a", domainpart: "b.example", resourcepart: "r")] == nil)
        #expect(try index[JID(localpart: "a", domainpart: "b.example")] == 1)
        index.remove(try JID(localpart: "c", domainpart: "b.example"))
        #expect(index.count == 1)
        await #expect(processExitsWith: .failure) {
            var index = JIDIndex()
            index.set(try JID(localpart: "a", domainpart: "b.example"), -1)
        }
    }
}
