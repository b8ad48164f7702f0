/// Cuts one direction of a connection into stream header, stanzas and stream end, however the bytes arrive.
///
/// It holds the bytes of what is not complete yet and nothing else: idle, a few dozen bytes. White space between stanzas (keepalives,
/// RFC 6120 §4.6.1) is dropped. The bytes of a stanza are *not* checked beyond its boundaries: parse them with `ElementTape`.
/// One per connection and direction; after TLS or authentication the same framer is `reset`.
public struct StanzaFramer: Sendable {
    /// What the framer found.
    public enum Frame: Hashable, Sendable {
        /// The stream was opened. Indirect, so that a frame is one pointer: it passes through several hands at each stanza.
        indirect case streamHeader(StreamHeader)
        /// A first-level child of the stream's root: exactly its bytes, well delimited but unchecked.
        case element([UInt8])
        /// A first-level child that is longer than ``XMLLimits/stanzaBytes``: what is left of it.
        indirect case passedOver(ElementEnds)
        /// The stream was closed. Whatever follows is dropped.
        case streamEnd
    }

    /// The limits in force. Raised when the stream is authenticated; what is already scanned stays scanned.
    public var limits: XMLLimits

    private var detector = StanzaDetector()
    /// Bytes that are not spent, and perhaps some that are. What the detector is in began at `start`; everything before `scanned` was
    /// seen by it.
    private var buffer: [UInt8] = []
    private var start = 0
    private var scanned = 0
    /// Where in the buffer the elements before `start` are that `lookAhead` found; the next one last.
    private var ahead: [Range<Int>] = []
    /// What `lookAhead` found behind them that does not belong to them.
    private var behind: StanzaDetector.Event?
    /// The root's qualified name as its end tag must repeat it.
    private var rootName: [UInt8] = []
    private var failure: XMLFailure?
    private var hasEnded = false
    /// The element that is being passed over; nil while none is.
    private var passed: [PassedOver] = []

    /// A framer that awaits a stream header.
    public init(limits: XMLLimits = XMLLimits()) {
        self.limits = limits
    }

    /// Bytes received and not yet returned as frames.
    public var unreadByteCount: Int { buffer.count - unread }

    private var unread: Int { ahead.last?.lowerBound ?? start }

    /// Takes received bytes; call `next()` until it returns nil afterwards.
    public mutating func append(_ bytes: [UInt8]) {
        guard isOpen else { return }
        if buffer.isEmpty { buffer = bytes } else { buffer.append(contentsOf: bytes) }
    }

    /// Takes received bytes, as `append(_:)` of an array does.
    public mutating func append(_ bytes: ArraySlice<UInt8>) {
        if isOpen { buffer.append(contentsOf: bytes) }
    }

    /// Takes received bytes, which are copied, as `append(_:)` of an array does.
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if isOpen { buffer.append(contentsOf: bytes) }
    }

    /// Takes received bytes, as `append(_:)` of an array does. The others are quicker: this one is generic across modules.
    public mutating func append(_ bytes: some Sequence<UInt8>) {
        if isOpen { buffer.append(contentsOf: bytes) }
    }

    private var isOpen: Bool { failure == nil && !hasEnded }

    /// Awaits a new stream header (RFC 6120 §4.3.3).
    ///
    /// Bytes that came after the last frame are dropped: after `<starttls/>` they were sent in clear and must not be read as if they had
    /// been protected. After authentication nothing changes hands, and a client may have sent its next header already: keep them.
    public mutating func reset(keepingUnreadBytes: Bool = false) {
        let unread = keepingUnreadBytes ? Array(buffer[unread...]) : []
        self = StanzaFramer(limits: limits)
        buffer = unread
    }

    /// The next frame, or nil if more bytes are needed. After a failure or the end of the stream there are no more frames: a failure is
    /// thrown again and again.
    public mutating func next() throws(XMLFailure) -> Frame? {
        if let range = ahead.popLast() {
            // Ten thousand idle connections keep no room for what may come together one day.
            if ahead.isEmpty { ahead = [] }
            return .element(take(range))
        }
        if let failure {
            drop()
            throw failure
        }
        do throws(XMLFailure) {
            return try advance()
        } catch {
            failure = error
            drop()
            throw error
        }
    }

    /// The complete elements that follow, for whoever wants to see several at once: one behind the other, and where in `bytes` each
    /// ends. They are not taken: `next()` will return them. At most `count`, of at most `size` bytes together.
    public mutating func lookAhead(count: Int, size: Int) -> (bytes: ArraySlice<UInt8>, ends: [Int]) {
        let first = start
        var ends: [Int] = []
        // Unless it was looked before, and not all of that was taken.
        if ahead.isEmpty, failure == nil, !hasEnded, !detector.awaitsHeader {
            while ends.count < count, let end = elementAhead(before: first + size) { ends.append(end - first) }
            ahead.reverse()
        }
        return (buffer[first..<start], ends)
    }

    /// The end of the next element, if it is complete, begins at once and ends soon enough.
    private mutating func elementAhead(before limit: Int) -> Int? {
        guard behind == nil, start < buffer.count, !XMLCharacters.isWhitespace(buffer[start]) else { return nil }
        do throws(XMLFailure) {
            switch try scan() {
            case .element where scanned <= limit:
                ahead.append(start..<scanned)
                start = scanned
                return scanned
            case .incomplete:
                return nil
            case let event:
                behind = event
            }
        } catch {
            failure = error
        }
        return nil
    }

    private mutating func advance() throws(XMLFailure) -> Frame? {
        while !hasEnded {
            if !passed.isEmpty {
                guard let ends = try passOver() else { return nil }
                return .passedOver(ends)
            }
            switch try scan() {
            case .incomplete where isTooLong:
                passed = [PassedOver()]
            case .incomplete:
                compact()
                return nil
            case .declaration:
                try XMLDeclaration.check(buffer.span, start..<scanned)
                start = scanned
            case .header:
                return .streamHeader(try takeHeader())
            case .element:
                let range = start..<scanned
                start = scanned
                return .element(take(range))
            case .streamEnd:
                try checkEndTag()
                hasEnded = true
                drop()
                return .streamEnd
            }
        }
        return nil
    }

    private mutating func scan() throws(XMLFailure) -> StanzaDetector.Event {
        if let event = behind {
            behind = nil
            return event
        }
        if detector.isBetween { skipWhitespace() }
        // Not a byte beyond the limit is looked at, so that the verdict does not depend on how the bytes were cut.
        let limit = detector.awaitsHeader ? limits.streamHeaderBytes : limits.stanzaBytes
        let end = min(buffer.count, start + limit)
        var detector = detector
        var position = scanned
        // Where an element may be passed over, its depth is judged when it is complete.
        let depth = limits.passedOverBytes > 0 ? Int(UInt16.max) : limits.depth
        let event = try detector.scan(buffer.span, &position, end: end, maximumDepth: depth)
        self.detector = detector
        scanned = position
        if case .incomplete = event, isTooLong, !canPassOver { throw .oversized }
        return event
    }

    /// What is scanned is as long as it may be, and more follows.
    private var isTooLong: Bool {
        let limit = detector.awaitsHeader ? limits.streamHeaderBytes : limits.stanzaBytes
        return scanned - start >= limit && scanned < buffer.count
    }

    private var canPassOver: Bool { !detector.awaitsHeader && limits.passedOverBytes > limits.stanzaBytes }

    /// Goes on with an element of which only the ends are kept; nil if more bytes are needed.
    private mutating func passOver() throws(XMLFailure) -> ElementEnds? {
        // Not a byte beyond the limit is looked at here either.
        let end = min(buffer.count, scanned + limits.passedOverBytes - passed[0].byteCount - (scanned - start))
        var detector = detector
        var position = scanned
        let event = try detector.scan(buffer.span, &position, end: end, maximumDepth: Int(UInt16.max))
        self.detector = detector
        scanned = position
        passed[0].append(buffer[start..<scanned])
        start = scanned
        let isAtLimit = scanned < buffer.count
        compact()
        switch event {
        case .element:
            defer { passed = [] }
            return passed[0].ends
        case .incomplete where !isAtLimit:
            return nil
        default:
            throw .oversized
        }
    }

    private mutating func skipWhitespace() {
        while start < buffer.count, XMLCharacters.isWhitespace(buffer[start]) { start += 1 }
        scanned = start
    }

    private mutating func takeHeader() throws(XMLFailure) -> StreamHeader {
        let bytes = Array(buffer[start..<scanned])
        let header = try StreamHeader(parsing: bytes, limits: limits)
        rootName = Array((header.prefix.isEmpty ? header.name : header.prefix + ":" + header.name).utf8)
        start = scanned
        compact()
        return header
    }

    private mutating func take(_ range: Range<Int>) -> [UInt8] {
        let isLast = range.upperBound == buffer.count
        if isLast, range.lowerBound == 0, buffer.capacity - range.count <= range.count / 4 + 32 {
            // The common case, one stanza in one read: no copy, and not much room wasted.
            let element = buffer
            drop()
            return element
        }
        let element = Array(buffer[range])
        if isLast { drop() }
        return element
    }

    private func checkEndTag() throws(XMLFailure) {
        let tag = buffer[start..<scanned].dropFirst(2).dropLast()
        guard tag.starts(with: rootName), tag.dropFirst(rootName.count).allSatisfy(XMLCharacters.isWhitespace) else {
            throw .notWellFormed
        }
    }

    /// Gives back the memory of what is spent.
    private mutating func compact() {
        if start == buffer.count {
            drop()
        } else if start > 0 {
            buffer = Array(buffer[start...])
            scanned -= start
            start = 0
        }
    }

    private mutating func drop() {
        buffer = []
        start = 0
        scanned = 0
    }
}
