/// The bounds of accounts that no operator needs to change, each with the reason for its number.
enum AccountLimits {
    /// Accounts and addresses whose failed logins are counted at a time: 64 bytes each.
    static let loginFailureEntries = 20_000
}
