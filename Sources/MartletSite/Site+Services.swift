import MartletBus
import MartletServices
import MartletSessions
import XMPPStanzas
import XMPPXML

/// A service as part of a site: what it declares, how it answers, and what it does with what it sees.
public struct SiteService: Sendable {
    /// What it says about itself.
    public let declaration: ServiceDeclaration
    /// Answers a request that fits one of its patterns; nil where it has none.
    let answer: (@Sendable (Request, inout Site, Turn) -> Answer)?
    /// Sees a stanza at one of the places where it looks on.
    let observe: (@Sendable (Envelope, Checkpoint, Turn) -> Void)?

    /// A service that declares `declaration`, and answers with `answer` what it says there.
    init(_ declaration: ServiceDeclaration, answer: (@Sendable (Request, inout Site, Turn) -> Answer)? = nil) {
        self.declaration = declaration
        self.answer = answer
        observe = nil
    }

    /// A service that looks on.
    init(_ declaration: ServiceDeclaration, observing observe: @escaping @Sendable (Envelope, Checkpoint, Turn) -> Void) {
        self.declaration = declaration
        self.observe = observe
        answer = nil
    }

    /// The services of a site. One line makes a service part of it; all else stands in the service's own file.
    static let all: [SiteService] = [
        SiteService(Disco.declaration) {
            $1.pubsub.discover($0, $2) ?? $1.rooms.discover($0, $2) ?? Disco.answer($0, $1.catalogue, $2)
        },
        SiteService(Ping.declaration) { _, _, _ in Ping.answer() },
        SiteService(SoftwareVersion.declaration) { SoftwareVersion.answer($2) },
        SiteService(EntityTime.declaration) { EntityTime.answer($2) },
        SiteService(ContactAddresses.declaration),
        SiteService(OutageStatus.declaration),
        SiteService(ExternalServices.declaration) { ExternalServices.answer($0, $2) },
        SiteService(SessionEstablishment.declaration) { _, _, _ in SessionEstablishment.answer() },
        SiteService(AdHocCommands.declaration) { AdHocCommands.answer($0, $2) },
        SiteService(Multicast.declaration),
        SiteService(Archive.declaration) { $1.archive.answer($0, $2) },
        SiteService(Archive.ofRooms) { request, site, turn in
            switch site.rooms.reader(request, turn) {
            case .success(let room): site.archive.answer(request, of: room, turn)
            case .failure(let error): .error(error)
            }
        },
        SiteService(Archive.preferences) { $1.archive.answerPreferences($0, $2) },
        SiteService(Archive.retractions),
        SiteService(PubSub.declaration) { $1.pubsub.answer($0, $2) },
        SiteService(Rooms.declaration) { $1.rooms.answer($0, $2) },
        SiteService(PubSub.profiles) { $1.pubsub.answerProfile($0, $2) },
        SiteService(PubSub.privateStorage) { $1.pubsub.answerPrivate($0, $2) },
        SiteService(PubSub.bookmarks),
        SiteService(Uploads.declaration) { $1.uploads.answer($0, $2) },
        SiteService(Accounts.registration) { $1.accounts.answerRegistration($0, $2) },
        SiteService(Accounts.clientAccess) { request, site, turn in
            let connected = request.account.map { site.sessions.connectedClients(of: $0.jid) } ?? []
            return site.accounts.answerClientAccess(request, connected: connected, turn)
        },
        SiteService(Sessions.binding) { _, _, _ in .error(StanzaError(.notAllowed)) },
        SiteService(Sessions.roster) { $1.sessions.answerRoster($0, $2) },
        SiteService(Sessions.mailbox),
        SiteService(Sessions.lastActivity) { $1.sessions.answerLastActivity($0, $2) },
        SiteService(Push.declaration) { $1.push.answer($0, $2) },
        SiteService(Blocking.declaration) { $1.blocking.answer($0, $2) },
        SiteService(AbuseReport.declaration),
        SiteService(Bytestreams.declaration) { $1.bytestreams.answer($0, $2) },
        SiteService(Sessions.carbons) { $1.sessions.answerCarbons($0, $2) },
    ]
}

/// How requests come to services, and answers back.
extension Site {
    /// Answers a request, or says that nobody does.
    mutating func answer(_ request: Request, _ turn: Turn) {
        guard let index = catalogue.service(for: request), let answer = services[index].answer else {
            let condition: StanzaError.Condition = request.scope == .login ? .notAllowed : .serviceUnavailable
            return reply(request, request.stanza.errorReply(StanzaError(condition)), turn)
        }
        switch answer(request, &self, turn) {
        case .result(let payload): reply(request, request.stanza.result(payload), turn)
        case .error(let error, nil): reply(request, request.stanza.errorReply(error), turn)
        case .error(let error, let own?):
            var element = error.element()
            element.append(own)
            reply(request, Self.refusal(of: request, [element]), turn)
        case .refusal(let shown, let error): reply(request, Self.refusal(of: request, [shown, error.element()]), turn)
        case .ask(let question): turn.ask(question)
        case .later: break
        }
    }

    private static func refusal(of request: Request, _ payloads: [Element]) -> Stanza {
        let stanza = request.stanza
        return Stanza(.iq, from: stanza.to, to: stanza.from, id: stanza.id, type: "error", payloads: payloads)
    }

    private func reply(_ request: Request, _ reply: Stanza?, _ turn: Turn) {
        if let reply { send(reply, backTo: request.envelope.origin, from: .service, turn) }
    }

    /// Shows a stanza to the services that look on at a place.
    func observe(_ envelope: borrowing Envelope, at checkpoint: Checkpoint, _ turn: Turn) {
        for index in catalogue.observers(at: checkpoint) { services[index].observe?(copy envelope, checkpoint, turn) }
    }
}
