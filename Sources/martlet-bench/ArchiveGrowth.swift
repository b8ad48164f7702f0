import MartletBus
import XMPPStanzas
import XMPPXML

/// A page of an archive of more and more messages: the first, and pages anywhere, by id, by time and of one conversation. Each point is
/// a site of its own.
struct ArchiveGrowth: GrowthLoad {
    /// Where a page is looked for.
    private enum Way: Int, CaseIterable {
        case first, byID, byTime, byPeer
    }

    private var sites: [LoadedSite] = []
    /// Ids and times of messages in each archive, from its beginning to its end.
    private var known: [[(id: String, stamp: String)]] = []
    private var asked = 0

    private static let people = 200
    private static let batch = 200
    private static let page = 50
    private static let sample = 40

    /// Fills an archive for each of `values`.
    init(directory: String, values: [Int]) throws {
        for value in values {
            Report.complain("  \(value) messages are archived")
            var site = try LoadedSite(directory: "\(directory)/\(value)", peers: [], archives: true)
            try site.logIn(Self.people)
            for start in stride(from: 0, to: value, by: Self.batch) {
                let events = (start..<min(start + Self.batch, value)).map {
                    site.message(
                        from: 1 + $0 % (Self.people - 1), to: LoadedSite.account(0).description, body: GrowthText.body(100))
                }
                try site.handle(events)
                try site.pass(1000)
            }
            // The index is written behind.
            try site.pass(4_000_000)
            sites.append(site)
            known.append([])
            try learn(sites.count - 1, value)
        }
    }

    /// Ids and times of a message in each hundredth of the archive.
    private mutating func learn(_ point: Int, _ value: Int) throws {
        for part in 0..<100 {
            let answer = try ask(point, set: "<max>1</max><index>\(value * part / 100)</index>", [])
            for bytes in answer {
                for element in ContentReader.elements(in: bytes) {
                    guard let result = element.first("result", Namespaces.archive), let id = result["id"],
                        let stamp = result.first("forwarded", Namespaces.forward)?.first("delay", Namespaces.delay)?["stamp"]
                    else { continue }
                    known[point].append((id, stamp))
                }
            }
        }
        guard known[point].count == 100 else { throw GrowthFailure(description: "the archive cannot be read") }
    }

    mutating func measure(series: Int, point: Int) throws -> GrowthSample {
        guard let way = Way(rawValue: series) else { throw GrowthFailure(description: "no such page") }
        sites[point].beginPart()
        for _ in 0..<Self.sample {
            asked += 1
            // Never the last ones, which may be short of messages behind them.
            let mark = known[point][asked * 37 % 90]
            let answer =
                switch way {
                case .first: try ask(point, set: "<max>\(Self.page)</max>", [])
                case .byID: try ask(point, set: "<max>\(Self.page)</max><after>\(mark.id)</after>", [])
                case .byTime: try ask(point, set: "<max>\(Self.page)</max>", [("start", mark.stamp)])
                case .byPeer:
                    try ask(
                        point, set: "<max>\(Self.page)</max><before/>",
                        [("with", LoadedSite.account(1 + asked % (Self.people - 1)).description)])
                }
            let expected = way == .byPeer ? 1 : Self.page
            guard answer.count > expected else { throw GrowthFailure(description: "a page of \(answer.count - 1) messages") }
        }
        return GrowthSample(processor: sites[point].cost.processor, units: Double(Self.sample))
    }

    /// What a search brings.
    private mutating func ask(_ point: Int, set: String, _ fields: [(String, String)]) throws -> [[UInt8]] {
        let form = fields.map { "<field var='\($0.0)'><value>\($0.1)</value></field>" }.joined()
        let text = """
            <iq type='set' id='a\(asked)'><query xmlns='urn:xmpp:mam:2'>\
            <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>\(form)</x>\
            <set xmlns='http://jabber.org/protocol/rsm'>\(set)</set></query></iq>
            """
        sites[point].lookedUp = []
        for stanza in LoadedSite.stanzas(text) {
            try sites[point].handle([.client(sites[point].clients[0].connection, .stanza(stanza))])
        }
        // A search by its place goes through the index in slices.
        for _ in 0..<10_000 where sites[point].lookedUp?.isEmpty ?? true { try sites[point].pass(10) }
        let found = sites[point].lookedUp ?? []
        sites[point].lookedUp = nil
        return found
    }
}
