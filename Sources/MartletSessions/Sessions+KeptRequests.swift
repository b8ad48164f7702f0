import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// Subscription requests that wait for an account's answer (RFC 6121 §3.1.3): kept short, and so many that nobody fills the list alone.
extension Sessions {
    /// Keeps a request, shortened already, and returns the contact's number; nil if there is no room for it.
    mutating func keepRequest(
        _ request: Stanza, _ contact: JID, _ account: AddressNumber, _ turn: Turn
    ) -> AddressNumber? {
        countRequests(account, turn)
        let sender = senders.mark(of: contact, turn)
        guard
            subscriptionRequests[account]?.admits(request.memory, for: sender, of: turn.policy.limits.waitingRequests) != false
        else { return nil }
        subscriptionRequests[account]?.add(request.memory, for: sender)
        let number = AddressTable.makeNumber(of: contact, in: turn.store)
        PendingSubscriptionTable.put(account, number, request, in: turn.store)
        return number
    }

    /// A request was answered or taken back.
    mutating func removeRequest(_ account: AddressNumber, _ contact: AddressNumber, _ turn: Turn) {
        if let request = PendingSubscriptionTable.request(account, contact, in: turn.store), let from = request.from {
            subscriptionRequests[account]?.remove(request.memory, for: senders.mark(of: from, turn))
        }
        PendingSubscriptionTable.remove(account, contact, in: turn.store)
    }

    /// Counts what waits for an account, once after the start.
    private mutating func countRequests(_ account: AddressNumber, _ turn: Turn) {
        if subscriptionRequests[account] != nil { return }
        var shares = Portions<UInt64>()
        for (_, request) in PendingSubscriptionTable.requests(to: account, in: turn.store) {
            if let from = request.from { shares.add(request.memory, for: senders.mark(of: from, turn)) }
        }
        subscriptionRequests[account] = shares
    }
}

extension Stanza {
    /// What a request may have: a name, a few words, and what else is small.
    private static let requestBytes = 2048
    /// The words.
    private static let statusBytes = 1000
    /// An id that is longer than any program makes it.
    private static let requestIDBytes = 128

    /// Takes off a subscription request what nobody needs for an answer: who asks, what he calls himself and a few words are
    /// enough; the rest would wait, for days, in somebody else's store.
    mutating func shortenRequest() {
        if id?.utf8.count ?? 0 > Self.requestIDBytes { id = nil }
        if lang?.utf8.count ?? 0 > Self.requestIDBytes { lang = nil }
        guard content.count > Self.requestBytes else { return }
        var kept = Stanza(.presence)
        for payload in payloads {
            var part = payload
            if payload.is("status", Namespaces.client) {
                part = Element("status", Namespaces.client, text: Self.beginning(of: payload.text, bytes: Self.statusBytes))
            }
            var longer = kept
            longer.append(part)
            if longer.content.count <= Self.requestBytes { kept = longer }
        }
        content = kept.content
        traits = kept.traits
    }

    private static func beginning(of text: String, bytes: Int) -> String {
        guard text.utf8.count > bytes else { return text }
        var end = text.startIndex
        var left = bytes
        for index in text.indices {
            left -= text[index].utf8.count
            if left < 0 { break }
            end = text.index(after: index)
        }
        return String(text[..<end])
    }
}
