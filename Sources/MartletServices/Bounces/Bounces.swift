import Collections
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What senders are told of messages that did not arrive, within bounds: each sender gets so many errors from each domain, one by one;
/// what is beyond is counted on disk, and told in one message. So a queue of thousands that expires, a disk that is full, or somebody
/// who writes into a wall costs a few rows. Who has as many names as he likes, a domain that is none of our offices, has a budget for all
/// of them together.
///
/// A part of the site. It sees every error message on its way to whoever has to keep it, also those that other servers and clients
/// send: who calls something an error gets no more room for it than we do.
public struct Bounces {
    /// What somebody is to be told.
    struct Owed {
        var row: UntoldRow
        /// It changed in this batch.
        var isUnwritten = false
    }

    private var senders = BounceBudgets(most: BounceLimits.oneByOne, refillTime: BounceLimits.refillTime)
    /// Of domains that are none of our offices, whatever names they use.
    private var domains = BounceBudgets(most: BounceLimits.forDomain, refillTime: BounceLimits.domainRefillTime)
    /// What is not told yet. Look-up only.
    private var untold: [BouncePair: Owed] = [:]
    /// Their pairs in the order in which they came: who waits longest is told first.
    private var waiting: Deque<BouncePair> = []
    /// How many of them are of one domain. Look-up only.
    private var owed: [JID: Int] = [:]
    /// Those that changed in this batch.
    private var unwritten: [BouncePair] = []
    /// A timer is set.
    private var isArmed = false

    /// None; ``boot(_:)`` follows.
    public init() {}

    /// After a start.
    public mutating func boot(_ turn: Turn) {
        for row in UntoldTable.all(in: turn.store) {
            let pair = BouncePair(sender: row.sender, domain: row.domain)
            untold[pair] = Owed(row: row)
            waiting.append(pair)
            owed[pair.sender.domain, default: 0] += 1
        }
        arm(turn)
    }

    /// Whether an error message goes on as it is; else it is counted, or it was nobody's to tell.
    public mutating func passes(_ envelope: borrowing Envelope, _ turn: Turn) -> Bool {
        guard let from = envelope.stanza.from, let to = envelope.stanza.to else { return true }
        switch envelope.origin {
        case .session, .login:
            // A client's: nobody is told of what is beyond, as nobody ever is of errors.
            return senders.take(BouncePair(sender: from.bare, domain: to.domain), turn.now) && turn.admits(.bounce)
        case .account, .peer, .component, .bundle, .service, .room, .site:
            let pair = BouncePair(sender: to.bare, domain: from.domain)
            let isOurs = turn.policy.houses(to.domainpart)
            let isForeign = !isOurs && !turn.policy.isOffice(to.domainpart)
            // Below the floor it is for a session that has the answer at once, from memory.
            let hasRoom = turn.admits(.bounce) || (to.isFull && isOurs)
            if hasRoom, !isForeign || domains.take(BouncePair(sender: to.domain, domain: from.domain), turn.now),
                senders.take(pair, turn.now)
            {
                return true
            }
            count(envelope.stanza, pair, isForeign: isForeign, turn)
            return false
        }
    }

    private mutating func count(_ stanza: Stanza, _ pair: BouncePair, isForeign: Bool, _ turn: Turn) {
        if untold[pair] == nil {
            let domain = pair.sender.domain
            // Below the floor there are new rows for our people only, and few: what comes back to them was taken from them before.
            let isAdmitted = turn.admits(.bounce) || (!isForeign && untold.count < BounceLimits.pairsBelowFloor)
            guard isAdmitted, untold.count < BounceLimits.pairs,
                !isForeign || owed[domain, default: 0] < BounceLimits.owedToDomain
            else {
                return
            }
            untold[pair] = Owed(row: UntoldRow(sender: pair.sender, domain: pair.domain, since: turn.wall))
            owed[domain, default: 0] += 1
            waiting.append(pair)
        }
        if untold[pair]?.isUnwritten == false {
            untold[pair]?.isUnwritten = true
            unwritten.append(pair)
        }
        untold[pair]?.row.count += 1
        if let error = stanza.payload("error", Namespaces.client), let text = error.first("text", Namespaces.stanzaErrors)?.text
        {
            untold[pair]?.row.reason = String(decoding: text.utf8.prefix(BounceLimits.reasonBytes), as: UTF8.self)
        }
        arm(turn)
    }

    /// At the end of a batch: a row for each sender, however many came back.
    public mutating func writeBatch(_ turn: Turn) {
        for pair in unwritten where untold[pair]?.isUnwritten == true {
            untold[pair]?.isUnwritten = false
            if let row = untold[pair]?.row { UntoldTable.put(row, in: turn.store) }
        }
        unwritten.removeAll(keepingCapacity: true)
    }

    private mutating func arm(_ turn: Turn, after pause: Int64 = BounceLimits.pause) {
        guard !isArmed, !waiting.isEmpty else { return }
        isArmed = true
        turn.schedule(.bounces, after: pause)
    }

    /// The timer fired: those are told who wait longest, in the transaction that forgets the count.
    public mutating func timerFired(_ turn: Turn) {
        isArmed = false
        for _ in 0..<BounceLimits.toldPerTurn where turn.admits(.bounce) {
            guard let pair = waiting.popFirst() else { break }
            guard let row = untold.removeValue(forKey: pair)?.row else { continue }
            let others = owed[pair.sender.domain, default: 1] - 1
            owed[pair.sender.domain] = others > 0 ? others : nil
            UntoldTable.remove(pair.sender, pair.domain, in: turn.store)
            tell(row, turn)
        }
        arm(turn, after: turn.admits(.bounce) ? BounceLimits.slicePause : BounceLimits.pause)
    }

    private func tell(_ row: UntoldRow, _ turn: Turn) {
        let which = row.count == 1 ? "1 more of your messages" : "\(row.count) more of your messages"
        let why = row.reason.isEmpty ? "" : " (\(row.reason))"
        let text =
            "\(which) to \(row.domain) came back since \(Self.minute(row.since))\(why). "
            + "You have been told of those before them one by one."
        let from = turn.policy.houses(row.domain.domainpart) ? row.domain : turn.policy.name
        let body = Element("body", Namespaces.client, [], [.text(text)])
        turn.route(
            Stanza(.message, from: from, to: row.sender, id: turn.random.identifier(), type: "normal", payloads: [body]),
            from: .service)
    }

    /// `2026-11-22 10:32 UTC`
    private static func minute(_ time: WallTime) -> String {
        let text = time.description
        return "\(text.prefix(10)) \(text.dropFirst(11).prefix(5)) UTC"
    }
}
