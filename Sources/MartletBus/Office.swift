import XMPPAddress

/// Another office as everybody's roster shows it: a contact whose address is a domain.
public struct Office: Sendable, Hashable {
    /// The office's domain.
    public var jid: JID
    /// What people call it.
    public var name: String
    /// The roster group.
    public var group: String

    /// That office.
    public init(jid: JID, name: String, group: String) {
        self.jid = jid
        self.name = name
        self.group = group
    }
}

extension SitePolicy {
    /// The offices in everybody's roster, in the order of the configuration.
    public var offices: [Office] {
        guard federates, !officesGroup.isEmpty else { return [] }
        return knownPeers.filter { !serves($0.domainpart) && !blockedPeers.contains($0) }.map {
            Office(jid: $0, name: officeNames[$0] ?? $0.domainpart, group: officesGroup)
        }
    }
}
