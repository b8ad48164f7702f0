import MartletPrimitives
import XMPPAddress
import XMPPStanzas

/// Stanzas to many addresses that not all of them have got (XEP-0033): number → the stanza as it came; number → how far it has come.
public enum MulticastTable {
    /// One that nobody has got.
    public static func put(_ number: UInt64, _ stanza: Stanza, in store: some KeyValueTransaction) {
        store.put(.multicast, key(number), StanzaCoding.encode(stanza))
    }

    /// So many have got it.
    public static func setDone(_ number: UInt64, _ count: Int, in store: some KeyValueTransaction) {
        var writer = ByteWriter(capacity: 8)
        writer.put(UInt64(count))
        store.put(.multicastPlace, key(number), writer.bytes)
    }

    /// All have.
    public static func remove(_ number: UInt64, in store: some KeyValueTransaction) {
        store.delete(.multicast, key(number))
        store.delete(.multicastPlace, key(number))
    }

    /// One of them, and how many have got it.
    public static func row(_ number: UInt64, in store: some KeyValueTransaction) -> (stanza: Stanza, done: Int)? {
        guard let value = store.get(.multicast, key(number)) else { return nil }
        let done = store.get(.multicastPlace, key(number)).map { Int(clamping: ByteReader.first($0)) } ?? 0
        return (StanzaCoding.decode(value), done)
    }

    /// Those that are under way, with the sender of each.
    public static func all(in store: some KeyValueTransaction) -> [(number: UInt64, sender: JID?)] {
        var rows: [(number: UInt64, sender: JID?)] = []
        store.forEach(.multicast, prefix: []) { key, value in
            var reader = ByteReader(value)
            rows.append((ByteReader.first(key), StanzaCoding.readSender(&reader)))
            return true
        }
        return rows
    }

    private static func key(_ number: UInt64) -> [UInt8] {
        let key = NumberKey.one(number)
        return Array(key.span)
    }
}
