import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// A part of a file that another office has asked for.
struct PartRequest {
    var stanza: Stanza
    var office: JID
    var row: UploadRow
    var offset: UInt64
}

/// Giving the files here to our other offices, over the link that there is to them: whoever is at its other end has shown that it is that
/// office, and who knows a token may read the file anyway.
extension Uploads {
    mutating func answerPart(_ request: Request, _ turn: Turn) -> Answer {
        guard case .peer(_, let pair) = request.envelope.origin, turn.policy.isOffice(pair.peer.domainpart),
            request.stanza.from == pair.peer
        else { return .error(StanzaError(.forbidden)) }
        let asked = request.payload
        guard let token = asked["token"].flatMap({ UploadToken($0) }), let offset = asked["offset"].flatMap({ UInt64($0) }),
            let count = asked["count"].flatMap({ Int($0) }), count > 0
        else { return .error(StanzaError(.badRequest)) }
        guard let row = file(token, turn)?.row, row.state != .refused else { return .error(StanzaError(.itemNotFound)) }
        guard row.state == .complete else { return .error(StanzaError(.resourceConstraint, text: "It is on its way here")) }
        guard offset < row.size else { return .error(StanzaError(.badRequest)) }
        let outstanding = reading.values.count { $0.office == pair.peer }
        guard outstanding < CopyLimits.reading else { return .error(StanzaError(.resourceConstraint)) }
        let id = nextWork()
        reading[id] = PartRequest(stanza: request.stanza, office: pair.peer, row: row, offset: offset)
        let cause = Cause(.office, .peer(pair.peer))
        turn.perform(.work(id, .readFile(token, offset: offset, count: min(count, CopyLimits.largestPart), for: cause)))
        return .later
    }

    /// A part was read.
    mutating func partRead(_ request: PartRequest, _ result: WorkResult, _ turn: Turn) {
        switch result {
        case .part(let content) where !content.isEmpty:
            let row = request.row
            var part = Element(
                "part", Namespaces.files,
                [("token", "\(row.token)"), ("offset", "\(request.offset)"), ("size", "\(row.size)"), ("type", row.type)],
                text: String(decoding: content, as: UTF8.self))
            part["digest"] = Self.hex(row.digest)
            turn.route(request.stanza.result(part), from: .service)
        case .refused: turn.bounce(request.stanza, StanzaError(.resourceConstraint))
        case .done, .failed, .keys, .part, .bytestream: turn.bounce(request.stanza, StanzaError(.itemNotFound))
        }
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
