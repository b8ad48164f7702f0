import MartletBus
import MartletPrimitives
import MartletStore
import XMPPStreams

/// Who pays for what a turn does.
extension Site {
    /// Parties that an operator is shown.
    private static let shownParties = 10

    /// Charges what was done since `mark` to whoever has caused it, and has the connection rest over which it came. What is settled
    /// by an acknowledgement was paid when it was caused.
    mutating func charge(_ turn: Turn, since mark: WorkMark, _ work: Int64, on connection: ConnectionID?) {
        var bill = Bill()
        swap(&bill, &turn.bill)
        if bill.isShared { return chargeItems(turn) }
        guard let party = bill.payer else { return }
        charge(party, bill.isPaid ? WorkCount() : turn.count(since: mark), work, on: connection, turn)
    }

    /// Charges slices that several share to each of them.
    private mutating func chargeItems(_ turn: Turn) {
        for item in turn.takeBillItems() { charge(item.payer, item.count, WorkPrice.event, on: nil, turn) }
    }

    /// Who pays for a stanza that the site sends for somebody.
    func payer(of origin: Origin) -> Party {
        switch origin {
        case .session(let session): .account(session.account)
        case .login(_, let account): .account(account.number)
        case .peer(_, let pair), .bundle(let pair): .peer(pair.peer)
        case .account, .service, .site: .site
        }
    }

    private mutating func charge(
        _ party: Party, _ count: WorkCount, _ work: Int64, on connection: ConnectionID?, _ turn: Turn
    ) {
        if party == .site { return }
        var rest = karma.charge(party, work + count.work, count, policy.karma, at: turn.now)
        if rest == nil {
            karma.add(party, standing(of: party, turn), at: turn.now)
            rest = karma.charge(party, work + count.work, count, policy.karma, at: turn.now)
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
