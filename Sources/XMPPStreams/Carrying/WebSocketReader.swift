/// Reads the frames of a WebSocket client (RFC 6455 §5): bytes in, messages out.
///
/// Holds what is not complete yet, which is never more than one message. A core: it knows nothing of sockets.
public struct WebSocketReader: Sendable {
    /// What came.
    public enum Event: Equatable, Sendable {
        /// A message, all of it.
        case text([UInt8])
        /// To be answered with the same bytes.
        case ping([UInt8])
        case pong
        /// The other side says that nothing follows, with the reason that it gives.
        case close(UInt16?)
        /// The connection is to be ended for that: nothing more comes.
        case failed(WebSocketEnd)
    }

    /// The most bytes of a message.
    public var limit: Int
    private var buffer: [UInt8] = []
    /// Where in the buffer the next frame begins.
    private var start = 0
    /// What came of the message that is not complete; nil between messages.
    private var message: [UInt8]?
    private var isOver = false

    /// A reader of a connection that has just begun.
    public init(limit: Int) { self.limit = limit }

    /// Bytes that came and were not handed out.
    public var unreadByteCount: Int { buffer.count - start + (message?.count ?? 0) }

    /// Takes received bytes; call ``next()`` until it returns nil afterwards.
    public mutating func append(_ bytes: some Sequence<UInt8>) {
        guard !isOver else { return }
        if start > 0 { buffer.removeFirst(start) }
        start = 0
        buffer.append(contentsOf: bytes)
    }

    /// What came next, or nil if more bytes are needed.
    public mutating func next() -> Event? {
        while !isOver, let frame = frame() {
            switch frame {
            case .failure(let end): return fail(end)
            case .success(let frame):
                if let event = take(frame) { return event }
            }
        }
        // Ten thousand idle connections keep no room for what they may say one day.
        if start == buffer.count { (buffer, start) = ([], 0) }
        return nil
    }

    private struct Frame {
        var isLast: Bool
        var opcode: UInt8
        var payload: [UInt8]
    }

    private enum Parsed {
        case success(Frame)
        case failure(WebSocketEnd)
    }

    /// RFC 6455 §5.2. What is wrong with a frame is known before its payload is there.
    private mutating func frame() -> Parsed? {
        let count = buffer.count - start
        guard count >= 2 else { return nil }
        let (first, second) = (buffer[start], buffer[start + 1])
        let opcode = first & 0x0F
        let isControl = opcode >= 8
        guard first & 0x70 == 0, [0, 1, 2, 8, 9, 10].contains(opcode), second & 0x80 != 0 else {
            return .failure(.protocolError)
        }
        if opcode == 2 { return .failure(.unacceptable) }
        var length = Int(second & 0x7F)
        if isControl, length > 125 || first & 0x80 == 0 { return .failure(.protocolError) }
        let lengthBytes = length == 126 ? 2 : length == 127 ? 8 : 0
        let header = 2 + lengthBytes + 4
        guard count >= header else { return nil }
        if lengthBytes > 0 {
            // More than an `Int` has is more than any limit.
            let wide = buffer[start + 2..<start + 2 + lengthBytes].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            length = Int(clamping: wide)
        }
        if !isControl, length > limit - (message?.count ?? 0) { return .failure(.tooBig) }
        guard count - header >= length else { return nil }
        let mask = Array(buffer[start + header - 4..<start + header])
        var payload = Array(buffer[start + header..<start + header + length])
        for index in payload.indices { payload[index] ^= mask[index & 3] }
        start += header + length
        return .success(Frame(isLast: first & 0x80 != 0, opcode: opcode, payload: payload))
    }

    private mutating func take(_ frame: Frame) -> Event? {
        switch frame.opcode {
        case 8:
            isOver = true
            // RFC 6455 §5.5.1: two bytes, or none.
            if frame.payload.count == 1 { return .failed(.protocolError) }
            return .close(frame.payload.count >= 2 ? UInt16(frame.payload[0]) << 8 | UInt16(frame.payload[1]) : nil)
        case 9: return .ping(frame.payload)
        case 10: return .pong
        case 0:
            guard message != nil else { return fail(.protocolError) }
            message?.append(contentsOf: frame.payload)
        default:
            guard message == nil else { return fail(.protocolError) }
            message = frame.payload
        }
        guard frame.isLast, let complete = message else { return nil }
        message = nil
        return .text(complete)
    }

    private mutating func fail(_ end: WebSocketEnd) -> Event {
        isOver = true
        (buffer, start) = ([], 0)
        message = nil
        return .failed(end)
    }
}

/// Why a WebSocket ends (RFC 6455 §7.4.1).
public enum WebSocketEnd: UInt16, Sendable {
    case normal = 1000
    case goingAway = 1001
    case protocolError = 1002
    /// Something else than text.
    case unacceptable = 1003
    case tooBig = 1009
}

/// Writes the frames of a server (RFC 6455 §5).
public enum WebSocketWriter {
    /// A message of text.
    public static func text(_ payload: [UInt8], to bytes: inout [UInt8]) { frame(1, payload, to: &bytes) }
    /// Asks whether the other side is there.
    public static func ping(to bytes: inout [UInt8]) { frame(9, [], to: &bytes) }
    /// Answers that.
    public static func pong(_ payload: [UInt8], to bytes: inout [UInt8]) { frame(10, payload, to: &bytes) }
    /// Nothing follows.
    public static func close(_ code: UInt16?, to bytes: inout [UInt8]) {
        frame(8, code.map { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)] } ?? [], to: &bytes)
    }

    private static func frame(_ opcode: UInt8, _ payload: [UInt8], to bytes: inout [UInt8]) {
        bytes.append(0x80 | opcode)
        switch payload.count {
        case ..<126: bytes.append(UInt8(payload.count))
        case ..<65_536: bytes += [126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        default:
            bytes.append(127)
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(payload.count >> shift & 0xFF)) }
        }
        bytes += payload
    }
}
