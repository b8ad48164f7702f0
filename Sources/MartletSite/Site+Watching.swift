import MartletBus
import MartletStore

/// Turns are short: what each event and each timer has caused is held against ``TurnBound``.
extension Site {
    /// Everything was done that an event or a timer has caused since `mark`: its cost is charged, `work` and what was counted, and held
    /// against the bound.
    mutating func end(_ turn: Turn, since mark: WorkMark, _ name: StaticString?, _ work: Int64, on connection: ConnectionID?) {
        let count = turn.count(since: mark)
        watch(turn, count, name)
        charge(turn, count, work, on: connection)
    }

    /// Notes that something has caused more than it may. What an operator asks for is as long as it is.
    private func watch(_ turn: Turn, _ count: WorkCount, _ name: StaticString?) {
        guard TurnBound.isExceeded(by: count), let name else { return }
        turn.note(.longTurn(event: "\(name)", count))
    }

    /// What an event is called; nil where an operator has caused it.
    static func name(of event: borrowing SiteEvent) -> StaticString? {
        switch event {
        case .client(_, .stanza(let stanza)):
            switch stanza.kind {
            case .message: "a client's message"
            case .presence: "a client's presence"
            case .iq: "a client's IQ"
            }
        case .client(_, .nonza): "a client's stream management"
        case .client(_, .closed), .client(_, .streamEnded), .client(_, .congested): "the end of a client's stream"
        case .client: "a client"
        case .server(_, .stanza(let stanza)):
            switch stanza.kind {
            case .message: "a peer's message"
            case .presence: "a peer's presence"
            case .iq: "a peer's IQ"
            }
        case .server(_, .nonza): "a peer's acknowledgement"
        case .server: "a peer's stream"
        case .dialed: "a stream to a peer"
        case .dialFailed: "a failed attempt"
        case .dialbackAnswered: "an answered dialback"
        case .workDone: "work done elsewhere"
        case .tick, .diskSampled, .restedAtLogin: "a look at the clock or the disk"
        case .command, .policyChanged, .shutdownRequested: nil
        }
    }

    /// What a timer is called.
    static func name(of timer: SiteTimer) -> StaticString? {
        switch timer {
        case .session(.expired): "a session's end"
        case .session(.peerPresence): "presence across a link"
        case .session(.jobs): "a job of an account"
        case .session(.sharedItems): "roster pushes of what everybody has"
        case .session(.ask), .session(.answer): "a session's question"
        case .session(.farewell): nil
        case .link(.expiry), .link(.earlyExpiry): "the expiry of entries"
        case .link(.work), .link(.trim): "work on a lane"
        case .link(.census), .link(.delayWarning): "a look at a queue"
        case .link: "a link's timer"
        case .offices: "the offices"
        case .archive(.answer): "a search of an archive"
        case .archive: "work on the archives"
        case .pubsub: "news of nodes"
        case .rooms: "what is on its way in rooms"
        case .uploads: "work on uploads"
        case .multicast: "a message to several"
        case .lastKnown: "what was known to an account that is gone"
        case .administration: "what an administrator has ordered"
        case .bounces: "words about messages that came back"
        case .clockMark: "the clock"
        }
    }
}
