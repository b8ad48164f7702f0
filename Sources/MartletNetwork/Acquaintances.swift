import MartletPrimitives
import XMPPAddress
import XMPPStreams

/// From which addresses somebody came lately who has proven who he is. It proves nothing of who comes next from there, but whoever does
/// comes before those of whom nothing is known.
///
/// Each name has a few addresses, so that nobody makes us forget where others were by being everywhere. A core.
struct Acquaintances {
    /// Addresses of one name: at home, at work, on the way.
    private static let perName = 8

    /// The newest last.
    private var addresses: RecentTable<JID, [RemoteAddress]>
    /// How many names each address has. Look-up only.
    private var names: [RemoteAddress: Int] = [:]

    /// Of so many names.
    init(bound: Int) { addresses = RecentTable(bound: bound) }

    /// Whether somebody came from there.
    func contains(_ address: RemoteAddress) -> Bool { names[address] != nil }

    /// Somebody has proven who he is, or is where we have found him.
    mutating func met(_ name: JID, at address: RemoteAddress) {
        var list = addresses[name] ?? []
        if list.last == address { return }
        if let index = list.firstIndex(of: address) { list.remove(at: index) } else { names[address, default: 0] += 1 }
        list.append(address)
        if list.count > Self.perName { forget(list.removeFirst()) }
        for address in addresses.put(name, list) ?? [] { forget(address) }
    }

    private mutating func forget(_ address: RemoteAddress) {
        guard let count = names[address] else { return }
        names[address] = count > 1 ? count - 1 : nil
    }
}
