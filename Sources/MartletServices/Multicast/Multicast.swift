// XEP-0033: Extended Stanza Addressing, version 1.2.1, complete as a multicast service of people's domains; for others it delivers to our people alone
import Collections
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams
import XMPPXML

/// Brings one stanza to several addresses: those of our own people to anybody, with one stanza for each other server that can do the same,
/// and those of other servers to our people.
///
/// The site owns one. What fits into a turn is brought in it; what does not is on disk, with how far it has come, before its sender hears
/// that it was taken over, and goes out in slices.
public struct Multicast {
    /// One that is under way.
    private struct Job {
        let number: UInt64
        let origin: Origin
        let party: Party
    }

    /// Whether another server delivers to several.
    private struct Known {
        var isCapable: Bool
        var until: Instant
    }

    private var jobs: Deque<Job> = []
    private var isTimerSet = false
    /// By domain.
    private var peers = RecentTable<JID, Known>(bound: MulticastLimits.peers)
    /// By the id of the question.
    private var questions = RecentTable<String, JID>(bound: MulticastLimits.peers)

    /// Nothing is under way; ``boot(_:)`` follows.
    public init() {}

    /// For people's domains.
    public static let declaration = ServiceDeclaration(
        "Multicast",
        features: [.init(Namespaces.addresses, of: [.host(.people)], when: { $0.limits.multicastAddresses > 0 })])

    /// After a start.
    public mutating func boot(_ turn: Turn) {
        for (number, sender) in MulticastTable.all(in: turn.store) {
            guard let sender else { continue }
            let isOurs = turn.policy.serves(sender.domainpart)
            let pair = DomainPair(local: turn.policy.name, peer: sender.domain)
            let account = isOurs ? AccountTable.number(of: sender.bare, in: turn.store) : nil
            jobs.append(
                Job(
                    number: number, origin: isOurs ? .account : .bundle(pair),
                    party: isOurs ? account.map { .account($0) } ?? .site : .peer(sender.domain)))
        }
        schedule(turn)
    }

    /// What is asked for.
    public enum Wish {
        /// There are no addresses to deliver to.
        case none
        /// It cannot be done.
        case refused(StanzaError)
        /// These are to have it.
        case wanted([JID])
    }

    /// What a stanza to one of our domains asks for (§3, §11).
    public static func wish(of envelope: borrowing Envelope, _ turn: Turn) -> Wish {
        let stanza = envelope.stanza
        guard turn.policy.limits.multicastAddresses > 0, !stanza.isError else { return .none }
        do throws(StanzaError) {
            guard let addresses = try MulticastAddresses(stanza) else { return .none }
            let limit = turn.policy.limits.multicastAddresses
            guard addresses.pending.count <= limit else {
                return .refused(StanzaError(.notAcceptable, text: "No more than \(limit) addresses at a time"))
            }
            switch envelope.origin {
            case .session: break
            case .peer, .component, .bundle:
                // §2.2: nobody is relayed to, and then nobody has it.
                guard addresses.pending.allSatisfy({ turn.policy.serves($0.jid.domainpart) }) else {
                    return .refused(StanzaError(.forbidden, text: "Nothing is passed on to other servers"))
                }
            case .login, .account, .service, .room, .site: return .none
            }
            return .wanted(addresses.pending.map(\.jid))
        } catch {
            return .refused(error)
        }
    }

    /// Presence to several, without its addressees: whoever sends it to each of them sees that they hear of its end (§5.1).
    public static func copies(of stanza: Stanza) -> [Stanza] {
        guard let addresses = try? MulticastAddresses(stanza) else { return [] }
        return copies(of: stanza, addresses)
    }

    private static func copies(of stanza: Stanza, _ addresses: MulticastAddresses) -> [Stanza] {
        let rest = withoutAddresses(stanza)
        var common = rest
        common.append(addresses.shown())
        return addresses.pending.map { addressee in
            var copy = common
            if addressee.isBlind {
                copy = rest
                copy.append(addresses.shown(also: addressee))
            }
            copy.to = addressee.jid
            return copy
        }
    }

    private static func withoutAddresses(_ stanza: Stanza) -> Stanza {
        var rest = Stanza(stanza.kind, from: stanza.from, id: stanza.id, type: stanza.type, lang: stanza.lang)
        for payload in stanza.payloads where !payload.is("addresses", Namespaces.addresses) { rest.append(payload) }
        return rest
    }

    /// A message to several that nothing is to be said against. False where there is no room for it: then nobody has it.
    public mutating func take(_ stanza: Stanza, _ origin: Origin, _ turn: Turn) -> Bool {
        guard var addresses = try? MulticastAddresses(stanza) else { return true }
        let size = stanza.content.count
        let isSmall = addresses.pending.count * size <= MulticastLimits.sliceBytes
        guard isSmall || admits(origin.party), turn.admits(.message, bytes: isSmall ? size : 2 * size) else { return false }
        if origin.isSession { handOver(stanza, &addresses, origin, turn) }
        guard !addresses.pending.isEmpty else { return true }
        if isSmall {
            for copy in Self.copies(of: stanza, addresses) { turn.route(copy, from: origin) }
            return true
        }
        let number = (jobs.map(\.number).max() ?? 0) + 1
        var kept = Self.withoutAddresses(stanza)
        kept.append(addresses.element)
        MulticastTable.put(number, kept, in: turn.store)
        jobs.append(Job(number: number, origin: origin, party: origin.party))
        schedule(turn)
        return true
    }

    private func admits(_ party: Party) -> Bool {
        jobs.count < MulticastLimits.all && jobs.count { $0.party == party } < MulticastLimits.perParty
    }

    // MARK: other servers

    /// §7: one stanza for each other server that can bring it to several. What is not known of a server is asked for, and nobody waits.
    private mutating func handOver(
        _ stanza: Stanza, _ addresses: inout MulticastAddresses, _ origin: Origin, _ turn: Turn
    ) {
        var domains: [JID] = []
        for addressee in addresses.pending where !turn.policy.serves(addressee.jid.domainpart) {
            if !domains.contains(addressee.jid.domain) { domains.append(addressee.jid.domain) }
        }
        for domain in domains {
            let theirs = addresses.pending.filter { $0.jid.domainpart == domain.domainpart }
            guard theirs.count > 1 else { continue }
            guard let known = peers[domain], turn.now < known.until else {
                if let from = stanza.from { ask(domain, from: from.domain, turn) }
                continue
            }
            guard known.isCapable else { continue }
            var copy = Self.withoutAddresses(stanza)
            copy.append(addresses.handed(theirs))
            copy.to = domain
            turn.route(copy, from: origin)
            addresses.remove(theirs)
        }
    }

    private mutating func ask(_ domain: JID, from local: JID, _ turn: Turn) {
        // Also where no answer comes.
        peers.put(domain, Known(isCapable: false, until: turn.now + MulticastLimits.unknown))
        let id = "multicast-" + turn.random.identifier()
        questions.put(id, domain)
        turn.route(
            Stanza(
                .iq, from: local, to: domain, id: id, type: "get",
                payloads: [Element("query", Namespaces.discoInfo)]), from: .service)
    }

    /// An answer to one of our domains.
    public mutating func answered(_ stanza: Stanza, _ turn: Turn) {
        guard let id = stanza.id, let domain = questions[id], stanza.from == domain, stanza.iqType == .result,
            let info = stanza.payload("query", Namespaces.discoInfo)
        else { return }
        let isCapable = info.all("feature", Namespaces.discoInfo).contains { $0["var"] == Namespaces.addresses }
        let time = isCapable ? MulticastLimits.known : MulticastLimits.unknown
        peers.put(domain, Known(isCapable: isCapable, until: turn.now + time))
    }

    // MARK: slices

    private mutating func schedule(_ turn: Turn) {
        guard !isTimerSet, !jobs.isEmpty else { return }
        isTimerSet = true
        turn.schedule(.multicast, after: MulticastLimits.pause)
    }

    /// The next slice: of one stanza, and the others' turn comes between. Whoever sent it pays.
    public mutating func timerFired(_ turn: Turn) {
        isTimerSet = false
        guard let job = jobs.popFirst() else { return }
        turn.bill.payer = job.party
        if bring(job, turn) { jobs.append(job) }
        schedule(turn)
    }

    /// True if there is more of it.
    private func bring(_ job: Job, _ turn: Turn) -> Bool {
        guard let (stanza, done) = MulticastTable.row(job.number, in: turn.store),
            let addresses = try? MulticastAddresses(stanza)
        else {
            MulticastTable.remove(job.number, in: turn.store)
            return false
        }
        let copies = Self.copies(of: stanza, addresses)
        var (next, bytes) = (done, 0)
        while next < copies.count, bytes < MulticastLimits.sliceBytes {
            bytes += copies[next].content.count
            turn.route(copies[next], from: job.origin)
            next += 1
        }
        guard next < copies.count else {
            MulticastTable.remove(job.number, in: turn.store)
            return false
        }
        MulticastTable.setDone(job.number, next, in: turn.store)
        return true
    }
}
