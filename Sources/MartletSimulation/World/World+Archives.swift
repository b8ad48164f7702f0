import MartletStore
import XMPPAddress
import XMPPStanzas

/// The archives against the ledger: what arrived stands once in the archives of both who have one, whatever crashed meanwhile.
extension World {
    /// What stands in the archive of one account.
    private struct Copies: Hashable {
        var account: JID
        var number: Int
    }

    mutating func auditArchives() {
        let foreignAndSites = clients.count
        var copies: [Copies: Int] = [:]
        for site in sites.indices { count(&copies, at: site) }
        for number in 0..<ledger.sentCount {
            let ends = ledger.ends(number)
            for person in ends.from == ends.to ? [ends.from] : [ends.from, ends.to] where person < foreignAndSites {
                let found = copies[Copies(account: clients[person].account, number: number)] ?? 0
                // A client hands a message over again where it was not told that it had arrived; a store that went back has lost some,
                // and takes others again.
                let isCertain = !rolledBack.contains(clients[person].site) && !mayBeShort(clients[person].site)
                let most = isCertain ? ledger.mostCopies(number) : Int.max
                let least = isCertain && ledger.hasArrived(number) ? 1 : 0
                if found < least || found > most {
                    faults.append(
                        Fault(
                            .archive,
                            "\(ledger.words(number)) stands \(found) times in the archive of \(clients[person].account)"))
                }
            }
        }
    }

    /// A disk that was nearly full kept nothing for archives.
    private func mayBeShort(_ site: Int) -> Bool {
        plan.faults.contains { $0.kind == .reserve(site: site) }
    }

    private mutating func count(_ copies: inout [Copies: Int], at site: Int) {
        let store = sites[site].store.memory.begin()
        defer { sites[site].store.memory.abort() }
        let mark = MetaTable.archivesIndexed(in: store)
        var next: UInt64 = 1
        while let (sequence, logged) = StanzaLog.first(from: next, in: store) {
            next = sequence + 1
            guard let record = logged.archive else { continue }
            var owners: [AddressNumber] = []
            record.forEachOwner { owners.append($0) }
            for owner in owners {
                let isThere = ArchiveTable.row(owner, sequence, in: store) != nil
                if sequence <= mark, !isThere {
                    faults.append(Fault(.archive, "\(sites[site].name): stanza \(sequence) is not in the index"))
                }
                guard !logged.stanza.isError, let id = logged.stanza.id, id.hasPrefix("m"), let number = Int(id.dropFirst())
                else {
                    continue
                }
                copies[Copies(account: AddressTable.address(owner, in: store), number: number), default: 0] += 1
            }
        }
    }
}
