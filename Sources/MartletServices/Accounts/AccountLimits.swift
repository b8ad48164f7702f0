/// The bounds of accounts that no operator needs to change, each with the reason for its number.
enum AccountLimits {
    /// Addresses whose failed logins are counted at a time, and names that nobody has: 64 bytes each, and as many for each account that an
    /// address names, which is closed after a few.
    static let loginFailureEntries = 10_000
    /// So many addresses may use up their tries at an account before it is closed to addresses from which its owner never
    /// came: an office or a household has a few, who guesses for real has hundreds.
    static let addressesThatGuess = 10
    /// Addresses that are remembered as an account's own: at home, in the offices, on the way.
    static let knownAddresses = 16
    /// Accounts of which that is remembered.
    static let knownAccounts = 20_000
    /// Clients that are remembered of an account, each with its tokens, some 400 bytes: twice as many as may be online. Beyond it the
    /// one that was not here for the longest time is forgotten, and logs in with the password the next time.
    static let clientsPerAccount = 32
    /// Random bytes of a token. As 72 characters it is longer than a block of SHA-256, so that HMAC uses its digest (RFC 2104 §2), and
    /// that is all there is to be kept.
    static let tokenBytes = 54
    /// A token that is older is followed by a fresh one, milliseconds: once a day that is of no weight.
    static let tokenRotation: Int64 = 86_400_000
    /// Invitations that nobody has used: a company that begins invites everybody at once. Each registration of a name looks at all.
    static let invitations = 1_000
    /// Random bytes of an invitation, in twice as many digits: it cannot be guessed, and fits a line of a letter.
    static let invitationBytes = 16
    /// How long an invitation is good that was shown before its end, milliseconds: longer than a stream may be without a login.
    static let invitationGrace: Int64 = 600_000
}
