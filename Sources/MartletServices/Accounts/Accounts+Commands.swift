import MartletBus
import MartletStore
import XMPPAddress

/// What an operator does with accounts.
extension Accounts {
    private static let noRoom = CommandAnswer.refused(
        "the disk is nearly full: nothing new is stored. Make room on the disk of the store, then try again")

    /// Carries out a command.
    public mutating func handle(_ command: AccountCommand, _ turn: Turn) -> CommandAnswer {
        switch command {
        case .add(let jid, let keys):
            guard jid.localpart != nil, jid.isBare, turn.policy.hasPeople(at: jid.domainpart) else {
                return .refused("\(jid) is not an account address at a domain of this site")
            }
            guard AccountTable.number(of: jid, in: turn.store) == nil else { return .refused("\(jid) exists") }
            guard !AccountTable.isBeingRemoved(jid, in: turn.store) else {
                return .refused("what \(jid) had is still being removed: try again in a moment")
            }
            guard turn.admits(.state) else { return Self.noRoom }
            add(jid, keys, turn)
            return .done("\(jid) was added")
        case .invite(let address, let lifetime):
            return invite(address, lifetime: lifetime, turn)
        case .changePassword(let jid, let keys):
            guard let number = AccountTable.number(of: jid, in: turn.store) else { return .refused("\(jid) does not exist") }
            guard turn.admits(.state) else { return Self.noRoom }
            changePassword(AccountName(jid, number), keys, by: nil, turn)
            return .done("the password of \(jid) was changed")
        case .remove(let jid):
            guard let number = AccountTable.number(of: jid, in: turn.store) else { return .refused("\(jid) does not exist") }
            guard turn.admits(.upkeep) else { return Self.noRoom }
            remove(AccountName(jid, number), turn)
            return .done("\(jid) was removed")
        case .disable(let jid):
            guard let number = AccountTable.number(of: jid, in: turn.store) else { return .refused("\(jid) does not exist") }
            guard !disabled.contains(number) else { return .refused("\(jid) is disabled already") }
            guard turn.admits(.state) else { return Self.noRoom }
            disable(AccountName(jid, number), turn)
            return .done("\(jid) was disabled")
        case .enable(let jid):
            guard let number = AccountTable.number(of: jid, in: turn.store) else { return .refused("\(jid) does not exist") }
            guard disabled.contains(number) else { return .refused("\(jid) is not disabled") }
            guard turn.admits(.upkeep) else { return Self.noRoom }
            enable(AccountName(jid, number), turn)
            return .done("\(jid) can log in again")
        }
    }
}
