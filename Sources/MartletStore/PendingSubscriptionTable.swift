import MartletPrimitives
import XMPPAddress
import XMPPStanzas

/// Subscription requests that wait for an account's answer (RFC 6121 §3.1.3), each as the presence stanza that was
/// received.
public enum PendingSubscriptionTable {
    /// Whether the contact's request waits.
    public static func exists(
        _ account: AddressNumber, _ contact: AddressNumber, in store: some KeyValueTransaction
    ) -> Bool {
        store.get(.pendingSubscription, key(account, contact)) != nil
    }

    /// Stores a request. The stanza must be addressed.
    public static func put(
        _ account: AddressNumber, _ contact: AddressNumber, _ request: Stanza, in store: some KeyValueTransaction
    ) {
        store.put(.pendingSubscription, key(account, contact), StanzaCoding.encode(request))
    }

    /// The request of a contact, if one waits.
    public static func request(
        _ account: AddressNumber, _ contact: AddressNumber, in store: some KeyValueTransaction
    ) -> Stanza? {
        store.get(.pendingSubscription, key(account, contact)).map(StanzaCoding.decode)
    }

    /// Removes a request.
    public static func remove(_ account: AddressNumber, _ contact: AddressNumber, in store: some KeyValueTransaction) {
        if exists(account, contact, in: store) { store.delete(.pendingSubscription, key(account, contact)) }
    }

    /// The requests that wait for an account.
    public static func requests(
        to account: AddressNumber, in store: some KeyValueTransaction
    ) -> [(contact: AddressNumber, request: Stanza)] {
        var requests: [(AddressNumber, Stanza)] = []
        store.forEach(.pendingSubscription, prefix: prefix(account)) { key, value in
            var reader = ByteReader(key, from: 8)
            requests.append((AddressNumber(reader.take()), StanzaCoding.decode(value)))
            return true
        }
        return requests
    }

    /// The first request that waits for an account, of those from contacts behind `contact`.
    public static func first(
        to account: AddressNumber, after contact: AddressNumber, in store: some KeyValueTransaction
    ) -> (contact: AddressNumber, request: Stanza)? {
        let next = key(account, AddressNumber(contact.value + 1))
        guard let found = store.firstEntry(.pendingSubscription, atOrAfter: next), found.key.starts(with: next[..<8]) else {
            return nil
        }
        var reader = ByteReader(found.key, from: 8)
        return (AddressNumber(reader.take()), StanzaCoding.decode(found.value))
    }

    /// How many requests wait, counting no further than `limit`.
    public static func count(of account: AddressNumber, upTo limit: Int, in store: some KeyValueTransaction) -> Int {
        var count = 0
        store.forEach(.pendingSubscription, prefix: prefix(account)) { _, _ in
            count += 1
            return count < limit
        }
        return count
    }

    private static func prefix(_ account: AddressNumber) -> [UInt8] { Array(key(account, AddressNumber(0))[..<8]) }

    private static func key(_ account: AddressNumber, _ contact: AddressNumber) -> [UInt8] {
        var writer = ByteWriter(capacity: 16)
        writer.put(account.value)
        writer.put(contact.value)
        return writer.bytes
    }
}
