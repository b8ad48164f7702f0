// XEP-0359: Unique and Stable Stanza IDs, version 0.7.0, complete for accounts
import XMPPAddress
import XMPPXML

/// The name that an archive gives to a message (XEP-0359 §3.1): 128 bits, written as 32 hexadecimal digits, opaque to everybody but
/// whoever has made it.
public struct StableID: Hashable, Sendable {
    /// The upper half.
    public var high: UInt64
    /// The lower half.
    public var low: UInt64

    /// The id of these halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads ``text``; nil where it is none of ours.
    public init?(_ text: some StringProtocol) {
        let digits = Array(text.utf8)
        guard digits.count == Self.length else { return nil }
        var halves: [UInt64] = [0, 0]
        for (index, digit) in digits.enumerated() {
            guard let value = Self.digits.firstIndex(of: digit) else { return nil }
            halves[index / 16] = halves[index / 16] << 4 | UInt64(value)
        }
        self.init(high: halves[0], low: halves[1])
    }

    /// The letters of a written id.
    static let length = 32
    private static let digits = Array("0123456789abcdef".utf8)

    /// The id as it is written.
    public var text: String {
        String(unsafeUninitializedCapacity: Self.length) { room in
            write(to: room)
            return Self.length
        }
    }

    /// Writes the id's 32 letters.
    func write(to room: UnsafeMutableBufferPointer<UInt8>) {
        for index in 0..<16 {
            room[index] = Self.digit(high >> UInt64(60 - 4 * index))
            room[index + 16] = Self.digit(low >> UInt64(60 - 4 * index))
        }
    }

    private static func digit(_ bits: UInt64) -> UInt8 {
        let value = UInt8(truncatingIfNeeded: bits & 15)
        return value + (value < 10 ? 48 : 87)
    }
}

extension Stanza {
    /// Takes away what calls itself the id that somebody's archive gave, where `isOurs` says that its archive is here (XEP-0359 §4): only
    /// we give such ids, so whoever sent this one has made it up.
    public mutating func removeStableIDs(where isOurs: (JID) -> Bool) {
        guard traits.contains(.stableID) else { return }
        let all = payloads
        let rest = all.filter { child in
            guard child.is("stanza-id", Namespaces.stanzaID), let by = child["by"].flatMap({ try? JID($0) }) else {
                return true
            }
            return !isOurs(by)
        }
        guard rest.count < all.count else { return }
        content = []
        for child in rest { child.write(to: &content, within: Namespaces.client) }
    }
}
