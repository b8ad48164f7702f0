import MartletPrimitives

/// What people read about a line that is down.
public enum CutWords {
    /// `cut off since 10:32`, with the date if that was on another day; nil while the line is there.
    public static func status(_ line: LineState, now: WallTime, utcOffset: Int64) -> String? {
        switch line {
        case .up: nil
        case .cut(let since): "cut off since \(time(since, now: now, utcOffset: utcOffset))"
        case .unreached: "not reached yet"
        }
    }

    /// The same for the sender of `waiting` messages, where their number is known: `cut off since 10:32, 3 waiting`. Clients cut
    /// what is longer than thirty characters.
    public static func status(_ line: LineState, now: WallTime, utcOffset: Int64, waiting: Int?) -> String? {
        guard let status = status(line, now: now, utcOffset: utcOffset) else { return nil }
        guard let waiting, waiting > 0 else { return status }
        return "\(status), \(waiting) waiting"
    }

    /// What an office says of itself while the line is there.
    public static let reachable = "reachable"

    /// What an office says of itself to the sender of `waiting` messages: `Brno is cut off since 10:32, 3 of your messages waiting.`
    public static func answer(_ office: String, _ line: LineState, now: WallTime, utcOffset: Int64, waiting: Int?) -> String {
        let state =
            switch line {
            case .up: "is reachable"
            case .cut: "is \(status(line, now: now, utcOffset: utcOffset) ?? "")"
            case .unreached: "was not reached since the server was started"
            }
        guard line != .up, let waiting, waiting > 0 else { return "\(office) \(state)." }
        return "\(office) \(state), \(waiting) of your messages waiting."
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
