import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// A file that somebody has uploaded just now.
struct RecentUpload {
    /// Its address.
    var address: String
    /// When it was there.
    var at: Instant
    /// The offices that know of it.
    var told: [JID] = []
}

/// Addresses of files in messages between our offices: a reader is shown that of the copy at hand, which is fetched when its address is
/// seen (`Docs/decisions/0017-files-across-an-outage.md`).
extension Uploads {
    /// Whether messages of offices are to be looked at.
    public static func watchesLinks(_ policy: SitePolicy) -> Bool {
        !policy.uploads.hosts.isEmpty && !policy.federation.knownPeers.isEmpty
    }

    /// A message has come from another server. Of one of our offices: the files that it shows are wanted here, and shown from here.
    public mutating func came(_ envelope: inout Envelope, _ turn: Turn) {
        guard case .peer(_, let pair) = envelope.origin, turn.policy.isOffice(pair.peer.domainpart),
            UploadLinks.mayHave(envelope.stanza.content), let to = envelope.stanza.to,
            let base = turn.policy.uploads.base(forPeopleAt: to.domainpart)
        else { return }
        var changes: [(link: UploadLinks.Link, base: String)] = []
        var added = 0
        for link in UploadLinks.all(in: envelope.stanza.content) {
            guard let office = office(ofHost: link.host, turn) else { continue }
            if file(link.token, turn) != nil {
                changes.append((link, base))
            } else if added < CopyLimits.perMessage, want(link, from: office, turn) {
                added += 1
                changes.append((link, base))
            }
        }
        if !changes.isEmpty { envelope.stanza.content = UploadLinks.replacing(changes, in: envelope.stanza.content) }
    }

    private func office(ofHost host: String, _ turn: Turn) -> JID? {
        turn.policy.federation.knownPeers.first { turn.policy.uploads.host(ofOffice: $0.domainpart) == host }
    }

    /// A file is to be fetched. False where there is no room for it: then its address stays as it is.
    private mutating func want(_ link: UploadLinks.Link, from office: JID, _ turn: Turn) -> Bool {
        let policy = turn.policy.uploads
        guard policy.largestCopy(from: office.domainpart) > 0, turn.admits(.note, bytes: 2048) else { return false }
        let number = AddressTable.makeNumber(of: office, in: turn.store)
        let use = UploadTable.use(of: number, in: turn.store)
        guard use.files < policy.filesPerSite / 4, use.bytes < policy.bytesPerOffice,
            fetches[office]?.wanted.count ?? 0 < CopyLimits.wanted
        else { return false }
        var row = UploadRow(
            token: link.token, owner: number, size: 0, type: MediaType.unknown, name: link.name, created: turn.wall,
            accepted: turn.now)
        (row.state, row.original) = (.wanted, link.address)
        UploadTable.add(row, in: turn.store)
        scheduleSweep(turn)
        fetches[office, default: OfficeFetch()].wanted.append(link.token)
        fetchNext(from: office, turn)
        return true
    }

    // MARK: what nobody sees

    /// Whether anybody has uploaded anything just now.
    public var hasRecent: Bool { !recent.isEmpty }

    mutating func noteRecent(_ slot: UploadSlot, _ turn: Turn) {
        var list = recent[slot.owner] ?? []
        list.append(RecentUpload(address: slot.address, at: turn.now))
        if list.count > CopyLimits.recentPerAccount { list.removeFirst() }
        recent[slot.owner] = list
    }

    mutating func expireRecent(_ turn: Turn) {
        for owner in recent.keys.sorted() {
            recent[owner]?.removeAll { turn.now - $0.at > CopyLimits.recentTime }
            if recent[owner]?.isEmpty == true { recent[owner] = nil }
        }
    }

    /// A message of one of ours to another office whose words nobody but its reader can see: what its sender has uploaded just now may be
    /// what it shows, so the other office is told of it with the message.
    public mutating func leaves(_ envelope: inout Envelope, _ turn: Turn) {
        guard case .session(let session) = envelope.origin, var list = recent[session.account],
            let office = envelope.stanza.to?.domain, turn.policy.isOffice(office.domainpart),
            UploadLinks.isEncrypted(envelope.stanza.content)
        else { return }
        for index in list.indices where turn.now - list[index].at <= CopyLimits.recentTime && !list[index].told.contains(office)
        {
            list[index].told.append(office)
            envelope.stanza.append(Element("file", Namespaces.files, text: list[index].address))
        }
        recent[session.account] = list
    }
}
