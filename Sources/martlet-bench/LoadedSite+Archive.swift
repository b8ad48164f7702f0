import MartletBus
import XMPPStanzas
import XMPPXML

/// Searches of an archive, as clients make them.
extension LoadedSite {
    /// What a search of the first client brings: results, and the answer to the request last.
    mutating func search(set: String, _ fields: [(String, String)] = []) throws -> [[UInt8]] {
        let form = fields.map { "<field var='\($0.0)'><value>\($0.1)</value></field>" }.joined()
        let text = """
            <iq type='set' id='a'><query xmlns='urn:xmpp:mam:2'>\
            <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>\(form)</x>\
            <set xmlns='http://jabber.org/protocol/rsm'>\(set)</set></query></iq>
            """
        lookedUp = []
        for stanza in Self.stanzas(text) { try handle([.client(clients[0].connection, .stanza(stanza))]) }
        // A search by place goes through the index in slices.
        for _ in 0..<10_000 where !(lookedUp?.last?.starts(with: "<iq".utf8) ?? false) { try pass(10) }
        defer { lookedUp = nil }
        return lookedUp ?? []
    }

    /// Ids and times of a message in each hundredth of the first client's archive, which has `count`.
    mutating func archiveMarks(of count: Int) throws -> [(id: String, stamp: String)] {
        var marks: [(id: String, stamp: String)] = []
        for part in 0..<100 {
            for bytes in try search(set: "<max>1</max><index>\(count * part / 100)</index>") {
                for element in ContentReader.elements(in: bytes) {
                    guard let result = element.first("result", Namespaces.archive), let id = result["id"],
                        let stamp = result.first("forwarded", Namespaces.forward)?.first("delay", Namespaces.delay)?["stamp"]
                    else { continue }
                    marks.append((id, stamp))
                }
            }
        }
        guard marks.count == 100 else { throw GrowthFailure(description: "the archive cannot be read") }
        return marks
    }
}

/// Where a page of an archive is looked for.
enum ArchivePage: Int, CaseIterable {
    case first, byID, byTime, byPeer

    /// As a reader of the figures calls it.
    var title: String {
        switch self {
        case .first: "the first page"
        case .byID: "a page behind any message"
        case .byTime: "a page from any time on"
        case .byPeer: "the last page with one person"
        }
    }
}

extension LoadedSite {
    /// One page of 50; `place` varies which. `writers` other people have written to the first.
    mutating func readPage(
        _ page: ArchivePage, _ place: Int, _ marks: [(id: String, stamp: String)], writers: Int
    ) throws {
        // Never the last ones, which may be short of messages behind them.
        let mark = marks[place * 37 % 90]
        let size = 50
        let answer =
            switch page {
            case .first: try search(set: "<max>\(size)</max>")
            case .byID: try search(set: "<max>\(size)</max><after>\(mark.id)</after>")
            case .byTime: try search(set: "<max>\(size)</max>", [("start", mark.stamp)])
            case .byPeer:
                try search(set: "<max>\(size)</max><before/>", [("with", Self.account(1 + place % writers).description)])
            }
        guard answer.count == size + 1 else { throw GrowthFailure(description: "a page of \(answer.count - 1) messages") }
    }
}
