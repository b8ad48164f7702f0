/// How large the segments of TCP may be on lines that swallow large ones without a word (a tunnel with a smaller MTU, behind a
/// firewall that drops ICMP; RFC 2923 §2.1): small things pass there and everything else is silence. `TCP_MAXSEG` before the connection
/// limits what either side sends.
public enum SegmentLimit {
    /// What is tried, bytes. 1,220 is IPv6's smallest MTU (1,280, RFC 8200 §5) without its headers, which every tunnel of today
    /// carries, and costs a line of 1,500 one byte in two hundred. 536 is what any host has to take over IPv4 (RFC 9293 §3.7.1).
    private static let steps: [UInt16] = [1220, 536]
    /// How long a limit is remembered, milliseconds: the way may have changed, and to find out again costs one silence.
    public static let lifetime: Int64 = 86_400_000
    /// The largest segment of an Ethernet, bytes: what passes where nobody has said anything else.
    private static let usual = 1460

    /// The next limit to try below `limit`; nil where there is none.
    public static func below(_ limit: UInt16?) -> UInt16? { steps.first { $0 < limit ?? .max } }

    /// The limit to try after a stream that died of silence; nil where its size is not the likely reason.
    ///
    /// `inFlight` bytes had no answer, the segments of which could have been larger than the next limit; and never in its life had the
    /// peer acknowledged so many at once, `proven`, that a full segment must have been among them.
    public static func afterSilence(_ limit: UInt16?, proven: Int, inFlight: Int) -> UInt16? {
        guard let next = below(limit), inFlight > Int(next), proven <= limit.map(Int.init) ?? usual else { return nil }
        return next
    }
}
