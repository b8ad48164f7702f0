/// A defect of a server, planted at the seam between the real site and the simulated world, to prove that the checkers
/// see it. Never used in a normal run.
public enum Mutation: String, CaseIterable, Sendable {
    /// Effects leave although the commit did not happen.
    case ackBeforeCommit
    /// What was received is counted in the transaction after that of the delivery.
    case haveInAnotherTransaction
    /// Entries count as done when they were written to a socket.
    case entryRemovedAtSend
    /// A site whose backup was restored goes on with its old numbers, and the check of tags is blinded.
    case numberReusedAfterRestore
    /// Sites tell nobody the tags that they remember.
    case tagsForgotten
    /// A void is not sent, and the numbers behind it are moved up.
    case voidSkipped
    /// A late error goes to the device that has sent the message, which is gone.
    case bounceToDevice
    /// What a dead socket still brings is taken for the next number.
    case oldSocketBelieved
    /// What is written to the archives' index does not arrive there.
    case archiveRowLost
    /// A question that a dead stream carried is sent again.
    case queryReplayed
}
