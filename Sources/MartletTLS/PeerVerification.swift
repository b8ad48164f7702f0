import COpenSSL

/// Whether a certificate leads to a trusted authority, is valid now and may be used for TLS. Names are not part of it.
public enum PeerVerification: Sendable, Equatable {
    /// Everything is in order.
    case verified
    /// Something is not, in words for the operator: all the reasons, divided by semicolons.
    case failed(String)

    /// `asClient`: whose certificate it is opened the connection.
    static func judge(
        _ certificate: OpaquePointer, others: OpaquePointer?, asClient: Bool, trust: TrustStore?, time: Int64?
    ) -> PeerVerification {
        guard let trust else { return .failed("no authority is trusted here") }
        let time = time.map { max(0, $0) }
        var problems = [martlet_problem](repeating: martlet_problem(), count: 8)
        let count = martlet_verify(
            trust.store, certificate, others, asClient ? 1 : 0, time ?? -1, &problems, problems.count)
        guard count > 0 else { return .verified }
        let now = time ?? martlet_now()
        var words: [String] = []
        for index in 0..<count {
            let sentence = describe(&problems[index], asClient: asClient, now: now)
            if !words.contains(sentence) { words.append(sentence) }
        }
        return .failed(words.joined(separator: "; "))
    }

    private static func describe(_ problem: inout martlet_problem, asClient: Bool, now: Int64) -> String {
        let subject = withUnsafeBytes(of: &problem.subject) { text(in: $0) }
        let issuer = withUnsafeBytes(of: &problem.issuer) { text(in: $0) }
        let which = problem.depth == 0 ? "certificate" : "issuing certificate “\(subject)”"
        switch Int(problem.kind) {
        case MARTLET_PROBLEM_EXPIRED:
            return "\(which) expired \(TimeSpan.words(now - problem.not_after)) ago"
        case MARTLET_PROBLEM_NOT_YET_VALID:
            return "\(which) is valid only in \(TimeSpan.words(problem.not_before - now))"
        case MARTLET_PROBLEM_SELF_SIGNED:
            return "self-signed certificate"
        case MARTLET_PROBLEM_UNTRUSTED_ROOT:
            return "issued by “\(subject)”, which is not trusted here"
        case MARTLET_PROBLEM_UNKNOWN_ISSUER:
            return
                "issuer “\(issuer)” of the \(which) is unknown: an intermediate certificate is missing or the authority is not trusted here"
        case MARTLET_PROBLEM_PURPOSE:
            return "\(which) is not meant for a TLS \(asClient ? "client" : "server")"
        case MARTLET_PROBLEM_WEAK:
            return "\(which) has too short a key or too weak a signature"
        case MARTLET_PROBLEM_SIGNATURE:
            return "\(which) has a wrong signature"
        default:
            let reason = martlet_problem_text(problem.code).map { String(cString: $0) } ?? "unknown error"
            return "\(which): \(reason)"
        }
    }

    private static func text(in bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// Spans of time for the operator.
enum TimeSpan {
    /// A number of seconds in the largest unit that fits: "3 days", "1 hour".
    static func words(_ seconds: Int64) -> String {
        let seconds = max(0, seconds)
        let units: [(name: String, length: Int64)] = [("day", 86_400), ("hour", 3_600), ("minute", 60)]
        for unit in units where seconds >= unit.length {
            let count = seconds / unit.length
            return "\(count) \(unit.name)\(count == 1 ? "" : "s")"
        }
        return "\(seconds) second\(seconds == 1 ? "" : "s")"
    }
}
