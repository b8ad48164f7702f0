import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// The accounts of a site: who may log in, and how accounts come, change and go.
///
/// Owned by the site and lives as long as it. Accounts themselves are rows (`AccountTable`); here is what a running server knows
/// besides. What follows for sessions and rosters is theirs: they are told (``Notice``).
public struct Accounts {
    var loginFailures = LoginFailures()
    /// Accounts that strangers make.
    var registrations = RegistrationRate()
    /// Passwords that people change.
    var passwordChanges = RegistrationRate()
    /// Passwords whose keys are being derived. Look-up only.
    var awaitedKeys: [WorkID: AwaitedKeys] = [:]
    /// Keys that are derived anew. Look-up only.
    var renewals: [WorkID: KeyRenewal] = [:]
    /// How many were asked for since the start.
    var keysRequests: UInt64 = 0
    /// The keys that came for the request in hand.
    var derivedKeys: PasswordKeys?
    /// The connection that waits for that request to be handled.
    var inHand: ConnectionID?

    /// Passwords that administrators have chosen, by their orders. Look-up only.
    var orderedKeys: [WorkID: UInt64] = [:]
    /// Accounts that may not log in. Look-up only.
    public private(set) var disabled: Set<AddressNumber> = []

    /// How many accounts there are.
    public private(set) var count = 0
    /// How many of them have no keys for SCRAM-SHA-512.
    private(set) var countWithoutSHA512 = 0

    /// No accounts; ``boot(_:)`` follows.
    public init() {}

    /// After a start.
    public mutating func boot(_ turn: Turn) {
        (count, countWithoutSHA512) = AccountTable.count(in: turn.store)
        disabled = Set(DisabledTable.all(in: turn.store))
        turn.perform(.withhold(withheld))
    }

    /// While one account has no keys for it, SCRAM-SHA-512 is offered to nobody: its client would choose it and fail. What depended on
    /// the account would tell which accounts exist, and which are old.
    private var withheld: [SASLMechanism] { countWithoutSHA512 > 0 ? [.scramSHA512] : [] }

    /// The row of an account is another, or gone.
    private mutating func changed(from old: AccountRow?, to new: AccountRow?, _ turn: Turn) {
        let before = withheld
        if let old, old.sha512 == nil { countWithoutSHA512 -= 1 }
        if let new, new.sha512 == nil { countWithoutSHA512 += 1 }
        if withheld != before { turn.perform(.withhold(withheld)) }
    }

    /// Stores the row of an account that is there, or is new.
    mutating func put(_ row: AccountRow, of number: AddressNumber, _ turn: Turn) {
        changed(from: AccountTable.row(number, in: turn.store), to: row, turn)
        AccountTable.put(number, row, in: turn.store)
    }

    /// A client failed to prove itself.
    mutating func noteFailure(_ account: JID?, _ address: RemoteAddress, _ turn: Turn) {
        let exists = account.flatMap { AccountTable.number(of: $0, in: turn.store) } != nil
        loginFailures.failed(account: account, exists: exists, address: address, policy: turn.policy, now: turn.now)
    }

    /// A client proved itself.
    mutating func noteSuccess(_ client: AuthenticatedClient) {
        loginFailures.succeeded(account: client.account, address: client.address)
    }

    /// Makes an account that does not exist.
    mutating func add(_ jid: JID, _ keys: PasswordKeys, _ turn: Turn) {
        // Never a generation that a removed account of this name had.
        let row = AccountRow(keys, generation: UInt64(max(1, turn.wall.milliseconds)))
        put(row, of: AddressTable.makeNumber(of: jid, in: turn.store), turn)
        count += 1
        turn.note(.accountChanged(jid, what: "added"))
    }

    /// Gives an account another password; `by` is the connection without session that has chosen it.
    mutating func changePassword(_ account: AccountName, _ keys: PasswordKeys, by connection: ConnectionID?, _ turn: Turn) {
        let old = AccountTable.row(account.number, in: turn.store)?.generation ?? 0
        let row = AccountRow(keys, generation: max(old + 1, UInt64(max(1, turn.wall.milliseconds))))
        put(row, of: account.number, turn)
        turn.note(.accountChanged(account.jid, what: "password changed"))
        turn.notify(.passwordChanged(account, generation: row.generation, by: connection))
    }

    /// An account stays as it is, and nobody logs in to it. Its tokens are void with the generation of its keys: whoever has one knows no
    /// password.
    mutating func disable(_ account: AccountName, _ turn: Turn) {
        guard var row = AccountTable.row(account.number, in: turn.store) else { return }
        row.generation = max(row.generation + 1, UInt64(max(1, turn.wall.milliseconds)))
        put(row, of: account.number, turn)
        disabled.insert(account.number)
        DisabledTable.put(account.number, since: turn.wall, in: turn.store)
        turn.note(.accountChanged(account.jid, what: "disabled"))
        turn.notify(.accountDisabled(account))
    }

    /// Its owner may log in again.
    mutating func enable(_ account: AccountName, _ turn: Turn) {
        disabled.remove(account.number)
        DisabledTable.remove(account.number, in: turn.store)
        turn.note(.accountChanged(account.jid, what: "enabled again"))
    }

    /// Removes an account; everything that it had goes with it (XEP-0077 §3.2).
    mutating func remove(_ account: AccountName, _ turn: Turn) {
        changed(from: AccountTable.row(account.number, in: turn.store), to: nil, turn)
        AccountTable.remove(account.number, in: turn.store)
        forgetClients(of: account.number, turn)
        if disabled.remove(account.number) != nil { DisabledTable.remove(account.number, in: turn.store) }
        count -= 1
        turn.note(.accountChanged(account.jid, what: "removed"))
        turn.notify(.accountRemoved(account))
    }
}

extension AccountRow {
    /// The row for the keys of a password.
    init(_ keys: PasswordKeys, generation: UInt64) {
        self.init(
            generation: generation, sha1: Keys(keys.sha1), sha256: Keys(keys.sha256), sha512: keys.sha512.map(Keys.init))
    }
}

extension AccountRow.Keys {
    init(_ keys: PasswordKeys.Keys) {
        self.init(
            salt: keys.salt, iterations: keys.iterations, storedKey: keys.storedKey, serverKey: keys.serverKey)
    }
}
