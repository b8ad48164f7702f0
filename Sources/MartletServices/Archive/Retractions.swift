// XEP-0424: Message Retraction, version 0.4.2, what a server does with the messages of accounts; no tombstones, which it leaves open
import MartletBus
import XMPPStanzas

/// Retractions are messages that archives keep and mailboxes hold, whether or not they have a body: whoever catches up learns of them in
/// their order (§5).
///
/// What was retracted stays: §4 leaves it to the archive, and what a person has received is that person's. A sender who could
/// empty other people's archives could hide what he has written from whoever has to look at it (§6).
extension Archive {
    /// §2: the server knows of them.
    public static let retractions = ServiceDeclaration(
        "Retractions",
        features: [.init(Namespaces.retraction, of: [.account, .host(.people)], when: \.archive.isEnabled)])
}
