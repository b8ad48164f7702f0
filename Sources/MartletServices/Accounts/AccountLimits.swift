/// The bounds of accounts that no operator needs to change, each with the reason for its number.
enum AccountLimits {
    /// Accounts, addresses and pairs of them whose failed logins are counted at a time: 64 bytes each.
    static let loginFailureEntries = 20_000
    /// So many addresses may use up their tries at an account before it is closed to addresses from which its owner never
    /// came: an office or a household has a few, who guesses for real has hundreds.
    static let addressesThatGuess = 10
    /// Addresses that are remembered as an account's own, over all accounts: 64 bytes each.
    static let knownAddresses = 20_000
}
