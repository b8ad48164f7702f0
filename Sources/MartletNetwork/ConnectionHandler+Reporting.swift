import MartletBus
import MartletRuntime
import XMPPStreams

/// What a connection tells the site.
extension ConnectionHandler {
    func report(_ event: ClientStreamEvent) {
        switch event {
        case .stanza, .stanzaRefused, .nonza:
            let event = SiteEvent.client(id, event)
            loop.site.post(event, reporting: countUnhandled(event))
        case .streamEnded:
            if let arrived { loop.site.post(.client(id, .arrived(arrived))) }
            loop.site.post(.client(id, event))
        case .authenticated(let client):
            claimed = (.person, client.account)
            loop.site.post(.client(id, event))
        case .credentialsWanted, .tokenShown, .authenticationFailed, .registrationRequested, .arrived, .closed, .congested,
            .spent:
            loop.site.post(.client(id, event))
        }
    }

    func report(_ event: PeerStreamEvent) {
        // An attempt that is over has no use for its connection, nor has the site.
        if case .attempt = listener { return }
        switch event {
        case .stanza, .stanzaRefused, .nonza:
            let event = SiteEvent.server(id, event)
            loop.site.post(event, reporting: countUnhandled(event))
        case .peerVerified(let pair, _, _, _):
            prove(loop.settings.isOffice(pair.peer.domainpart) ? .office : .knownPeer, pair.peer)
            loop.site.post(.server(id, event))
        case .componentShown(let domain, let isGenuine, _):
            if isGenuine { claimed = (.knownPeer, domain) }
            loop.site.post(.server(id, event))
        case .dialbackKeyReceived, .errorReceived, .errorSent, .streamEnded, .closed, .congested, .spent:
            loop.site.post(.server(id, event))
        }
    }

    /// Counts an event of which there may be many, and asks now and then whether the site has handled them.
    private func countUnhandled(_ event: borrowing SiteEvent) -> HandledReport? {
        handover.posted(HandoverWindow.weight(of: event.stanzaBytes)).map { HandledReport(connection: id, count: $0) }
    }

    /// The last place, if the other side's machine had everything before it when it sent what was read last: TCP acknowledges with
    /// every segment. What was sent behind that place and is under way does not matter.
    private var arrived: UInt64? {
        guard let mark = written.mark, let channel = context?.channel, let bytes = TCPProgress.acknowledgedBytes(channel),
            bytes >= written.end
        else { return nil }
        return mark
    }
}
