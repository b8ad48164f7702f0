import MartletStore
import XMPPStanzas

/// The state of the subscriptions between an account and one contact: the nine states of RFC 6121 appendix A.1, and the
/// pre-approval of §3.4.
///
/// A pure table: what becomes of the state and of the stanza, whoever stores and sends them.
struct SubscriptionState: Equatable {
    /// The account sees the contact.
    var to = false
    /// The contact sees the account.
    var from = false
    /// The account has asked.
    var pendingOut = false
    /// The contact has asked.
    var pendingIn = false
    /// The account approved before it was asked.
    var isApproved = false

    /// The state of a roster row and of a request that may wait.
    init(_ flags: RosterRow.Flags, pendingIn: Bool) {
        to = flags.contains(.to)
        from = flags.contains(.from)
        pendingOut = flags.contains(.pendingOut)
        isApproved = flags.contains(.approved)
        self.pendingIn = pendingIn
    }

    /// What the roster row keeps of the state.
    var flags: RosterRow.Flags {
        var flags: RosterRow.Flags = []
        if to { flags.insert(.to) }
        if from { flags.insert(.from) }
        if pendingOut { flags.insert(.pendingOut) }
        if isApproved { flags.insert(.approved) }
        return flags
    }

    /// The account's own stanza (appendix A.2): changes the state, and says whether the stanza goes to the contact.
    mutating func sent(_ type: PresenceType) -> Bool {
        switch type {
        case .subscribe:  // A.2.1
            if !to { pendingOut = true }
            return true
        case .unsubscribe:  // A.2.2
            to = false
            pendingOut = false
            return true
        case .subscribed:  // A.2.3
            if pendingIn {
                pendingIn = false
                from = true
                isApproved = false
                return true
            }
            // §3.4.2: approved for a request that may come.
            if !from { isApproved = true }
            return false
        case .unsubscribed:  // A.2.4
            let changed = pendingIn || from
            pendingIn = false
            from = false
            isApproved = false
            return changed
        case .available, .unavailable, .probe, .error:
            return false
        }
    }

    /// What is to be done with the contact's stanza.
    enum Reception {
        /// It changed something, and the account's clients get it.
        case deliver
        /// It changed nothing, and nobody gets it.
        case ignore
        /// The contact may see the account already, or was approved before: it is told so, and the clients need not know.
        case confirm
    }

    /// The contact's stanza (appendix A.3): changes the state, and says what becomes of the stanza.
    mutating func received(_ type: PresenceType) -> Reception {
        switch type {
        case .subscribe:  // A.3.1
            if from { return .confirm }
            if isApproved {
                from = true
                isApproved = false
                return .confirm
            }
            if pendingIn { return .ignore }
            pendingIn = true
            return .deliver
        case .unsubscribe:  // A.3.2
            guard from || pendingIn else { return .ignore }
            from = false
            pendingIn = false
            return .deliver
        case .subscribed:  // A.3.3
            guard pendingOut else { return .ignore }
            pendingOut = false
            to = true
            return .deliver
        case .unsubscribed:  // A.3.4
            guard to || pendingOut else { return .ignore }
            to = false
            pendingOut = false
            return .deliver
        case .available, .unavailable, .probe, .error:
            return .ignore
        }
    }
}
