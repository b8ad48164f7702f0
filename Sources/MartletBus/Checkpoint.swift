/// Where a stanza is looked at on its way: at each of these places the interceptors judge it, and after their verdict the
/// observers see it.
public enum Checkpoint: String, Sendable, Equatable, CaseIterable {
    /// It came from a client and was counted for stream management.
    case fromClient = "from client"
    /// It came from another server.
    case fromPeer = "from peer"
    /// It goes to an account of this site, or to one of its sessions.
    case toAccount = "to account"
    /// It goes to another domain.
    case toPeer = "to peer"
}
