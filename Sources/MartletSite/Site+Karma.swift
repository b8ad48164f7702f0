import MartletBus
import MartletPrimitives
import MartletStore
import XMPPStreams

/// Who pays for what a turn does.
extension Site {
    /// Parties that an operator is shown.
    private static let shownParties = 10

    /// Charges what was done to whoever has caused it, and has the connection rest over which it came. What is settled
    /// by an acknowledgement was paid when it was caused.
    mutating func charge(_ turn: Turn, _ count: WorkCount, _ work: Int64, on connection: ConnectionID?) {
        let bill = turn.bill
        // Also where nobody pays: the next event has a bill of its own.
        turn.bill = Bill()
        guard let party = bill.payer else { return }
        let count = bill.isPaid ? WorkCount() : count
        let work = work + count.work + bill.extra
        var rest = karma.charge(party, work, count, policy.karma, at: turn.now)
        if rest == nil {
            karma.add(party, standing(of: party, turn), at: turn.now)
            rest = karma.charge(party, work, count, policy.karma, at: turn.now)
        }
        guard let rest, rest > 0, !isStopping,
            karma.rests(party, milliseconds: rest, as: standing(of: party, turn))
        else { return }
        if let connection { turn.rest(connection, milliseconds: rest) }
        guard karma.isToBeNoted(party, at: turn.now),
            let row = karma.row(party, policy.karma, at: turn.now, name: { name(of: $0, turn) })
        else { return }
        turn.note(.partyRests(row))
    }

    /// Connections from an address wait for what others began there.
    mutating func restedAtLogin(_ address: RemoteAddress, milliseconds: Int64, _ turn: Turn) {
        karma.restedAtLogin(milliseconds: milliseconds)
        let party = Party.address(address)
        if !karma.knows(party) { karma.add(party, .stranger, at: turn.now) }
        if karma.isToBeNoted(party, at: turn.now) { turn.note(.addressRests(address, milliseconds: milliseconds)) }
    }

    private func standing(of party: Party, _ turn: Turn) -> Standing {
        switch party {
        case .account: .person
        case .peer(let domain): federation.standing(of: domain, turn)
        case .address, .site: .stranger
        }
    }

    private func name(of party: Party, _ turn: Turn) -> String {
        switch party {
        case .account(let number): AddressTable.address(number, in: turn.store).description
        case .peer(let domain): domain.description
        case .address(let address): address.text
        case .site: policy.name.description
        }
    }

    /// How everybody was held back, and who causes most now.
    func karmaReport(_ turn: Turn) -> KarmaReport {
        KarmaReport(
            classes: karma.classes(policy.karma, at: turn.now),
            worst: karma.worst(Self.shownParties, policy.karma, at: turn.now) { name(of: $0, turn) })
    }
}
