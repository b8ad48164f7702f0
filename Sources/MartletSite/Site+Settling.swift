import MartletBus
import MartletServices
import MartletSessions
import XMPPAddress
import XMPPStanzas
import XMPPStreams

/// What a turn causes within the site, worked off until nothing is left.
extension Site {
    /// Routes the stanzas that the turn caused; when none is left, carries facts and questions between the parts, which may cause
    /// others. Then collects the timers.
    mutating func settle(_ turn: Turn) {
        var outgoing: [Envelope] = []
        swap(&outgoing, &routed)
        for hop in 0...Self.hopLimit {
            turn.takeOutgoing(&outgoing)
            if outgoing.isEmpty, !carryNews(turn) { break }
            // A fact must not be lost with a loop of stanzas.
            if hop == Self.hopLimit { _ = carryNews(turn) }
            // Taken out, so that nobody else holds what is changed on its way.
            outgoing.reverse()
            while let envelope = outgoing.popLast() {
                if hop == Self.hopLimit {
                    turn.note(.routingLoop(envelope.stanza.to ?? policy.name))
                } else {
                    route(envelope, turn)
                }
            }
            if outgoing.capacity > Self.keptRoom { outgoing = [] }
        }
        swap(&outgoing, &routed)
        for (timer, instant) in turn.takeTimers() { timers.add(timer, at: instant) }
    }

    /// False where no part has told or asked anything.
    private mutating func carryNews(_ turn: Turn) -> Bool {
        guard turn.hasNews else { return false }
        let notices = turn.takeNotices()
        for notice in notices { tell(notice, turn) }
        let questions = turn.takeQuestions()
        for question in questions { answer(question, turn) }
        return !notices.isEmpty || !questions.isEmpty
    }

    /// Tells a fact to the parts that it concerns.
    private mutating func tell(_ notice: Notice, _ turn: Turn) {
        switch notice {
        case .linkChanged(let change):
            sessions.linkChanged(change, turn)
            pubsub.linkChanged(change)
            rooms.linkChanged(change, turn)
            uploads.linkChanged(change, turn)
            lastKnown.linkChanged(change, turn)
            if case .counted(let account) = change.kind { offices.counted(change.pair, of: account, turn) }
            if case .healed(let ofPeer) = change.kind { offices.healed(change.pair, ofPeer: ofPeer, turn) }
        case .lineChanged(let pair, let state):
            offices.lineChanged(pair, state, turn)
            pubsub.lineChanged(pair, state)
            rooms.lineChanged(pair, state, turn)
        case .sessionBecameReady(let id, let jid, let account, let isRestored):
            offices.sessionBecameReady(id, jid, account, isRestored: isRestored, turn)
            if administration.hasDayMessage, !isRestored { administration.sessionBecameReady(jid, account, turn) }
        case .sessionLeft(let id): offices.sessionLeft(id)
        case .capabilitiesHeard(let presence, let account, let hearing): pubsub.heardOurs(presence, account, hearing, turn)
        case .pictureChanged(let account, let hash): sessions.pictureChanged(account, hash: hash, turn)
        case .resourceLeft(let jid): pubsub.oursLeft(jid)
        case .contactRemoved(let account, let contact):
            offices.contactRemoved(account, contact, turn)
            lastKnown.forget(contact, of: account.number, turn)
        case .sessionsDismissed:
            // What they did and said at last goes to the others before these are told.
            federation.shutdown(turn)
            turn.perform(.shutdownComplete)
        case .sharedItemsChanged(let source, let items): sessions.sharedItemsChanged(source, items, turn)
        case .clientAdmitted(let connection, let account, let generation, nil):
            sessions.clientAdmitted(connection, account, generation: generation)
        case .clientAdmitted(let connection, let account, let generation, let admission?):
            let metadata = admission.request.binding == nil ? nil : archive.metadata(of: account.number, turn)
            sessions.welcome(admission, account, generation: generation, metadata: metadata, on: connection, turn)
        case .clientRevoked(let account, let client): sessions.clientRevoked(account.jid, client, turn)
        case .passwordChanged(let account, let generation, let connection):
            sessions.passwordChanged(account, generation: generation, by: connection)
        case .accountRemoved(let account):
            sessions.accountRemoved(account, turn)
            archive.accountRemoved(account, turn)
            blocking.accountRemoved(account, turn)
            push.accountRemoved(account)
            administration.accountRemoved(account, turn)
            pubsub.accountRemoved(account, turn)
            uploads.accountRemoved(account, turn)
            lastKnown.accountRemoved(account.number, turn)
        case .roomRemoved(let room): archive.accountRemoved(room, turn)
        case .accountDisabled(let account): sessions.accountDisabled(account, turn)
        case .orderedKeys(let order, let keys): administration.keysDerived(order, keys, turn)
        case .sessionDetached(let session, let unread): push.detached(session, unread: unread, turn)
        case .blocksAsked(let session): sessions.blocksAsked(by: session, turn)
        case .blocksChanged(let account, let change): sessions.blocksChanged(account, change, turn)
        case .roomForAnswer(let session, let isThere): archive.roomTold(session, isThere, turn)
        case .requestReady(let stanza, let connection): sessions.requestReady(stanza, on: connection, turn)
        case .registrationRequested(let stanza, let domain, let address, let connection):
            accounts.registrationRequested(stanza, domain, address, isStranger: false, on: connection, turn)
        }
    }

    /// Has a question answered by whoever can.
    private mutating func answer(_ question: Question, _ turn: Turn) {
        if let standIn, standIn(question, &self, turn) { return }
        switch question {
        case .reachPeer(let pair): federation.reach(pair, turn)
        case .waitingMessages(let session, let account, let pairs):
            answerWaiting(session, pairs.map { ($0, federation.ownWaiting(of: account, on: $0, turn)) }, turn)
        case .officeAnswer(let message, let session, let pair):
            let waiting = message.from.flatMap { federation.ownWaiting(of: $0.bare, on: pair, turn) }
            offices.answer(message, session, pair, waiting: waiting, turn)
        case .roomForAnswer(let session): sessions.roomWanted(session, turn)
        case .roomHistory(let question): rooms.historyFound(question, archive.history(question, turn), turn)
        case .roomSessions(let room, let jids):
            rooms.sessionsMissing(jids.filter { !sessions.isThere($0) }, in: room, turn)
        case .longAnswer(let session, let stanzas): sessions.sendLong(stanzas, to: session, turn)
        case .administer(let question): administer(question, turn)
        case .orderKeys(let order, let password, let admin): accounts.orderKeys(order, password, admin: admin, turn)
        case .ownEntries(let question):
            let cancelled = federation.cancel(question.cancelled, of: question.account, turn)
            let entries = federation.ownEntries(of: question.account, turn)
            turn.route(QueueCommand.answer(question, cancelled, entries), from: .service)
        }
    }

    /// How much waits for each office is known: a session is told.
    mutating func answerWaiting(_ session: SessionID, _ waiting: [(pair: DomainPair, count: Int?)], _ turn: Turn) {
        offices.show(session, waiting: waiting, turn)
    }
}
