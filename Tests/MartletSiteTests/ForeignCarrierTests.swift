import MartletPrimitives
import MartletStore
import Testing
import XMPPStanzas

@testable import MartletFederation

/// relay-protocol §6: what a foreign server has proven, and how it is asked.
@Suite struct ForeignCarrierTests {
    private static func numbers(_ entries: [(LaneClass, UInt64)]?) -> [UInt64]? { entries?.map(\.1) }

    @Test("XEP-0198 §4: a count proves what it counts, modulo 2³², and one that counts more than was sent proves nothing")
    func count() {
        var carrier = ForeignCarrier(managed: true)
        for number: UInt64 in 1...3 { carrier.wrote(.entry(.chat, number)) }
        #expect(Self.numbers(carrier.counted(2)) == [1, 2])
        #expect(Self.numbers(carrier.counted(2)) == [])
        #expect(Self.numbers(carrier.counted(4)) == nil)
        #expect(Self.numbers(carrier.counted(1)) == nil, "it takes back what it said")
        #expect(!carrier.isProven)
        #expect(Self.numbers(carrier.counted(3)) == [3])
        #expect(carrier.isProven)
    }

    @Test("a question is put once at the end of batches, until it is answered")
    func questions() {
        var carrier = ForeignCarrier(managed: true)
        #expect(carrier.batchEnded() == nil, "nothing was written")
        carrier.wrote(.beside)
        #expect(carrier.batchEnded() == .count)
        #expect(carrier.batchEnded() == nil)
        #expect(carrier.question == .count, "a sign of life is asked for all the same")
        carrier.wrote(.beside)
        _ = carrier.counted(1)
        #expect(carrier.batchEnded() == .count)
    }

    @Test("a peer that refuses XEP-0198 is asked with the fence")
    func refused() {
        var carrier = ForeignCarrier(managed: true)
        carrier.wrote(.entry(.chat, 1))
        #expect(carrier.batchEnded() == .count)
        carrier.managementRefused()
        #expect(carrier.batchEnded() == .fence)
        carrier.fenceRaised("a", at: Instant(milliseconds: 0))
        #expect(carrier.batchEnded() == nil)
        #expect(carrier.question == .fence, "a sign of life is asked for all the same")
    }

    @Test("the answer to any outstanding fence proves what was written before that one, and stands for those before it")
    func fence() {
        var carrier = ForeignCarrier(managed: false)
        for number: UInt64 in 1...3 {
            carrier.wrote(.entry(.chat, number))
            carrier.fenceRaised("\(number)", at: Instant(milliseconds: Int64(number)))
        }
        carrier.wrote(.entry(.chat, 4))
        #expect(Self.numbers(carrier.fenceAnswered(1)) == [1, 2])
        #expect(carrier.fences == [ForeignCarrier.Fence(id: "3", covers: 1, raisedAt: Instant(milliseconds: 3))])
        #expect(Self.numbers(carrier.fenceAnswered(0)) == [3])
        #expect(carrier.fences.isEmpty)
        #expect(Self.numbers(carrier.closeAnswered()) == [4])
        #expect(carrier.isProven)
    }

    @Test("a void counts as proven with what is before it")
    func void() {
        var carrier = ForeignCarrier(managed: true)
        #expect(Self.numbers(carrier.skipped(.chat, 1)) == [1])
        carrier.wrote(.entry(.chat, 2))
        #expect(Self.numbers(carrier.skipped(.chat, 3)) == [])
        #expect(Self.numbers(carrier.counted(1)) == [2, 3])
    }
}
