import MartletPrimitives
import XMPPXML

/// The classes of lanes between two sites: order is promised within a lane, priority decides between lanes.
public enum LaneClass: UInt8, Sendable, CaseIterable, Comparable {
    case urgent = 0
    case chat = 1
    case bulk = 2

    /// The name on the wire.
    public var name: String {
        switch self {
        case .urgent: "urgent"
        case .chat: "chat"
        case .bulk: "bulk"
        }
    }

    /// The class of that name on the wire.
    public init?(name: String) {
        switch name {
        case "urgent": self = .urgent
        case "chat": self = .chat
        case "bulk": self = .bulk
        default: return nil
        }
    }

    /// Whether `left` is served first.
    public static func < (left: LaneClass, right: LaneClass) -> Bool { left.rawValue < right.rawValue }
}

/// 128 random bits that name one numbering of a lane: made with its first entry, changed only by a new store.
public struct Epoch: Hashable, Sendable {
    /// The more significant half.
    public let high: UInt64
    /// The less significant half.
    public let low: UInt64

    /// The epoch of these bits.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The epoch of 32 hexadecimal digits.
    public init?(text: String) {
        let digits = Array(text.utf8)
        guard digits.count == 32, let high = UInt64(hexadecimal: digits[..<16]), let low = UInt64(hexadecimal: digits[16...])
        else { return nil }
        self.init(high: high, low: low)
    }

    /// 32 hexadecimal digits.
    public var text: String { hexadecimal(high) + hexadecimal(low) }
}

/// Where a stanza stands in its lane: the number that makes delivery between sites exactly once
/// (`Docs/relay-protocol.md` §1.3). On the wire it is the last child of the stanza:
/// `<seq xmlns='urn:martlet:relay:0' lane='chat' epoch='…' n='123' tag='…' after='…' at='…'/>`.
public struct RelayMark: Hashable, Sendable {
    /// The class of the lane; its domains are those of the stanza.
    public var lane: LaneClass
    /// Which numbering of the lane.
    public var epoch: Epoch
    /// The number, from 1.
    public var number: UInt64
    /// The entry's random tag: tells one numbering from another after a restored backup.
    public var tag: UInt64
    /// The tag of the entry before; for the first of a numbering the tag that the destination has of another one, if any.
    /// It ties the entry to everything before it, which its own tag does not. Not in a `<have/>`.
    public var after: UInt64?
    /// When the origin took the stanza over, by its clock, where neither a delay stamp nor the mark before it says so: it was written
    /// at once, and may be late all the same. Only in a `<seq/>`.
    public var acceptedAt: WallTime?

    /// The mark of entry `number`.
    public init(
        lane: LaneClass, epoch: Epoch, number: UInt64, tag: UInt64, after: UInt64?, acceptedAt: WallTime? = nil
    ) {
        self.lane = lane
        self.epoch = epoch
        self.number = number
        self.tag = tag
        self.after = after
        self.acceptedAt = acceptedAt
    }

    /// The attributes shared by `<seq/>`, `<have/>` and `<void/>`.
    public var attributes: [(String, String)] {
        [("lane", lane.name), ("epoch", epoch.text), ("n", String(number)), ("tag", hexadecimal(tag))]
            + (after.map { [("after", hexadecimal($0))] } ?? [])
    }

    /// Writes `<seq …/>`.
    func write(to fill: inout ByteFill) {
        fill.put("<seq xmlns='")
        fill.put(text: Namespaces.relay)
        fill.put("' lane='")
        fill.put(text: lane.name)
        fill.put("' epoch='")
        fill.put(hexadecimal: epoch.high)
        fill.put(hexadecimal: epoch.low)
        fill.put("' n='")
        fill.put(text: String(number))
        fill.put("' tag='")
        fill.put(hexadecimal: tag)
        if let after {
            fill.put("' after='")
            fill.put(hexadecimal: after)
        }
        if let acceptedAt {
            fill.put("' at='")
            fill.put(text: String(acceptedAt.milliseconds))
        }
        fill.put("'/>")
    }

    /// Reads the attributes of `<seq/>`, `<have/>` or `<void/>`; nil if one is missing or malformed.
    public init?(_ element: Element) {
        self.init { element[$0].map { Array($0.utf8)[...] } }
    }

    /// Reads them where `attribute` finds them, as UTF-8: by strings it was a fifteenth of what a message costs the office it comes
    /// to.
    init?(_ attribute: (String) -> ArraySlice<UInt8>?) {
        guard let name = attribute("lane"), let lane = LaneClass.allCases.first(where: { $0.name.utf8.elementsEqual(name) }),
            let epoch = attribute("epoch"), epoch.count == 32, let high = UInt64(hexadecimal: epoch.prefix(16)),
            let low = UInt64(hexadecimal: epoch.suffix(16)), let number = attribute("n").flatMap(UInt64.init(decimal:)),
            let tag = attribute("tag").flatMap(UInt64.init(hexadecimal:))
        else { return nil }
        let after = attribute("after").map(UInt64.init(hexadecimal:))
        if case .some(nil) = after { return nil }
        self.init(
            lane: lane, epoch: Epoch(high: high, low: low), number: number, tag: tag, after: after ?? nil,
            acceptedAt: attribute("at").flatMap(Self.moment))
    }

    /// A moment on the wire: milliseconds since 1970 in decimal digits; nil for what is none, or beyond the year 9999.
    public static func moment(_ digits: ArraySlice<UInt8>) -> WallTime? {
        guard let milliseconds = UInt64(decimal: digits), milliseconds <= 253_402_300_799_999 else { return nil }
        return WallTime(milliseconds: Int64(milliseconds))
    }
}

/// Sixteen hexadecimal digits.
func hexadecimal(_ value: UInt64) -> String {
    String(unsafeUninitializedCapacity: 16) { room in
        var fill = ByteFill(room)
        fill.put(hexadecimal: value)
        return fill.count
    }
}

extension ByteFill {
    /// Puts sixteen hexadecimal digits.
    fileprivate mutating func put(hexadecimal value: UInt64) {
        let room = take(16)
        for index in 0..<16 {
            let digit = UInt8(truncatingIfNeeded: value >> UInt64((15 - index) * 4)) & 15
            room.initializeElement(at: index, to: digit < 10 ? 48 + digit : 87 + digit)
        }
    }
}

extension UInt64 {
    /// Reads exactly sixteen hexadecimal digits.
    init?(hexadecimal digits: some Collection<UInt8>) {
        guard digits.count == 16 else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            switch digit {
            case 48...57: value = value << 4 | UInt64(digit - 48)
            case 65...70: value = value << 4 | UInt64(digit - 55)
            case 97...102: value = value << 4 | UInt64(digit - 87)
            default: return nil
            }
        }
        self = value
    }

    /// Reads decimal digits.
    init?(decimal digits: ArraySlice<UInt8>) {
        guard !digits.isEmpty else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            guard 48...57 ~= digit else { return nil }
            let (tens, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflows) = tens.addingReportingOverflow(UInt64(digit - 48))
            if isTooLarge || overflows { return nil }
            value = sum
        }
        self = value
    }
}
