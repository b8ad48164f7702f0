import MartletPrimitives

/// What people read about a line that is down.
public enum CutWords {
    /// `cut off since 10:32`, with the date if that was on another day; nil while the line is there.
    public static func status(_ line: LineState, now: WallTime, utcOffset: Int64) -> String? {
        switch line {
        case .up: nil
        case .cut(let since): "cut off since \(time(since, now: now, utcOffset: utcOffset))"
        case .unreached: "not reached since the server was started"
        }
    }

    /// The same for the sender of `waiting` messages, where their number is known.
    public static func status(_ line: LineState, now: WallTime, utcOffset: Int64, waiting: Int?) -> String? {
        guard let status = status(line, now: now, utcOffset: utcOffset) else { return nil }
        switch waiting ?? 0 {
        case 0: return status
        case 1: return "\(status), 1 of your messages waiting"
        case let count: return "\(status), \(count) of your messages waiting"
        }
    }

    /// What an office says of itself to the sender of `waiting` messages: `Brno is cut off since 10:32, 3 of your messages waiting.`
    public static func answer(_ office: String, _ line: LineState, now: WallTime, utcOffset: Int64, waiting: Int?) -> String {
        guard let status = status(line, now: now, utcOffset: utcOffset, waiting: waiting) else {
            return "\(office) is reachable."
        }
        return "\(office) \(line == .unreached ? "was" : "is") \(status)."
    }

    /// A contact did not answer.
    public static let unanswered = "no answer since the line is back"

    private static func time(_ time: WallTime, now: WallTime, utcOffset: Int64) -> String {
        let local = WallTime(milliseconds: time.milliseconds + utcOffset * 1000).description
        let today = WallTime(milliseconds: now.milliseconds + utcOffset * 1000).description
        let hour = local.dropFirst(11).prefix(5)
        return local.prefix(10) == today.prefix(10) ? String(hour) : "\(local.prefix(10)) \(hour)"
    }
}
