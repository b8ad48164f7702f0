import MartletBus
import XMPPStanzas

/// RFC 3921's session establishment, a no-op that some clients still ask for, of their account or of the server, also before they
/// have bound a resource (RFC 6121 appendix E).
public enum SessionEstablishment {
    /// For the own account, bound or not, and for people's domains.
    public static let declaration = ServiceDeclaration(
        "SessionEstablishment", requests: [.init("session", Namespaces.session, [.set], to: [.ownAccount, .login, .host])])

    /// Nothing is to be done: the session began when the resource was bound.
    public static func answer() -> Answer { .result() }
}
