/// What a proxy for bytestreams says and hears of SOCKS5 (RFC 1928, in the profile of XEP-0065): no authentication, and a request to be
/// connected to an address that is a digest of both ends and their stream.
///
/// A core, one for each connection: bytes in, what to do out. Each client's words have at most 262 bytes, so nothing grows.
public struct BytestreamHandshake: Sendable {
    /// What is to be done.
    public enum Step: Sendable, Equatable {
        /// These bytes go to the client.
        case send([UInt8])
        /// It wants the stream with that digest, forty hexadecimal digits, and waits for ``granted(_:)`` or ``refused``.
        case wants(String)
        /// It speaks something else: these bytes at last, and the end.
        case fail([UInt8])
    }

    private enum State: Sendable { case greeting, request, over }

    private var state = State.greeting
    private var buffer: [UInt8] = []

    /// The largest greeting, and the largest request.
    static let limit = 262

    /// Nothing was heard.
    public init() {}

    /// Bytes that came behind the request, which are the stream's.
    public private(set) var rest: [UInt8] = []

    /// Bytes came.
    public mutating func received(_ bytes: some Collection<UInt8>) -> [Step] {
        guard state != .over else {
            rest += bytes
            return []
        }
        buffer += bytes
        var steps: [Step] = []
        while let step = next() { steps.append(step) }
        if state != .over, buffer.count > Self.limit { steps.append(fail(Self.failure)) }
        return steps
    }

    private mutating func next() -> Step? {
        switch state {
        case .greeting:
            guard let version = buffer.first else { return nil }
            guard version == 5 else { return fail([]) }
            guard buffer.count >= 2 else { return nil }
            let end = 2 + Int(buffer[1])
            guard buffer.count >= end else { return nil }
            // RFC 1928 §3: none of these methods. XEP-0065 has no authentication of its own: the digest is what one has to know.
            guard buffer[2..<end].contains(0) else { return fail([5, 0xFF]) }
            buffer.removeFirst(end)
            state = .request
            return .send([5, 0])
        case .request:
            guard buffer.count >= 4 else { return nil }
            guard buffer[0] == 5 else { return fail(Self.failure) }
            guard buffer[1] == 1 else { return fail(Self.reply(7)) }
            guard buffer[3] == 3 else { return fail(Self.reply(8)) }
            guard buffer.count >= 5 else { return nil }
            let end = 5 + Int(buffer[4])
            guard buffer.count >= end + 2 else { return nil }
            let digest = buffer[5..<end]
            // §6.3.2: the port is 0.
            guard digest.count == 40, digest.allSatisfy(Self.isDigit), buffer[end] == 0, buffer[end + 1] == 0 else {
                return fail(Self.reply(2))
            }
            rest = Array(buffer[(end + 2)...])
            buffer = []
            state = .over
            return .wants(String(decoding: digest, as: UTF8.self).lowercased())
        case .over: return nil
        }
    }

    private mutating func fail(_ bytes: [UInt8]) -> Step {
        state = .over
        buffer = []
        return .fail(bytes)
    }

    /// The stream's bytes, taken.
    public mutating func takeRest() -> [UInt8] {
        defer { rest = [] }
        return rest
    }

    /// It is connected: the address is said again (XEP-0065 §6.3.2).
    public static func granted(_ digest: String) -> [UInt8] {
        [5, 0, 0, 3, UInt8(digest.utf8.count)] + Array(digest.utf8) + [0, 0]
    }

    /// It is not: somebody else has both ends of that stream.
    public static let refused = reply(2)

    private static let failure = reply(1)

    private static func reply(_ code: UInt8) -> [UInt8] { [5, code, 0, 1, 0, 0, 0, 0, 0, 0] }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
            || (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(byte)
    }
}
