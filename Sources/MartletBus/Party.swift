import MartletStore
import XMPPAddress
import XMPPStreams

/// Who pays for something. What one party sends costs that party, never another: every budget, in bytes and in work, belongs to one.
public enum Party: Hashable, Sendable {
    /// A person, by the account's number in the store; all its sessions together.
    case account(AddressNumber)
    /// Another server or a component, by its domain; all its streams together.
    case peer(JID)
    /// A network address (the /64 of an IPv6 address) from which somebody comes who has not said who it is, or not proven it.
    case address(RemoteAddress)
    /// The site itself: what nobody outside has caused.
    case site
}

/// What a party is to the site. Each class has budgets of its own and a reserved part of whatever is shared, so that strangers take
/// nothing from people, and neither takes anything from the company's offices. The most trusted first.
public enum Standing: UInt8, Sendable, CaseIterable, Comparable {
    /// One of our offices: the configuration names it.
    case office
    /// Somebody who has logged in.
    case person
    /// Another server that was let in or let us in before; a component, which passes on what strangers elsewhere say.
    case knownPeer
    /// Everybody else.
    case stranger

    /// Whether the left one is trusted more.
    public static func < (left: Standing, right: Standing) -> Bool { left.rawValue < right.rawValue }
}
