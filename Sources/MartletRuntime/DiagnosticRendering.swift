import Logging
import MartletBus
import XMPPStreams

/// Puts what a site has to say into log lines: constant lower-case messages, data in metadata, no bodies, no secrets.
enum DiagnosticRendering {
    /// `unsaid`: so many of the kind were not said before.
    static func log(_ diagnostic: Diagnostic, unsaid: Int = 0, to logger: Logger) {
        var (message, metadata) = render(diagnostic)
        if unsaid > 0 { metadata["unsaid"] = "\(unsaid)" }
        logger.log(level: level(diagnostic), "\(message)", metadata: metadata)
    }

    private static func level(_ diagnostic: Diagnostic) -> Logger.Level {
        switch diagnostic.level {
        case .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error: .error
        }
    }

    private static let reserveReached =
        "disk reserve reached: only what people who are here say to each other is taken over; make room on the disk"
    private static let floorReached = "disk floor reached: nothing that has to be kept is taken over; make room on the disk"
    private static let exhausted =
        "the disk is full: nothing is written; what needs no room is served; make room on the disk"

    private static func render(_ diagnostic: Diagnostic) -> (String, Logger.Metadata) {
        switch diagnostic {
        case .sessionBound(let address): ("session bound", ["jid": "\(address)"])
        case .sessionResumed(let address): ("session resumed", ["jid": "\(address)"])
        case .sessionEnded(let address): ("session ended", ["jid": "\(address)"])
        case .loginRefused(let localpart, let reason, let address):
            ("login refused", ["localpart": "\(localpart)", "reason": "\(reason)", "address": "\(address.text)"])
        case .linkUp(let pair, let acknowledgement):
            ("link up", link(pair, ["acknowledgement": "\(acknowledgement)"]))
        case .linkDown(let pair, let reason, let retryAfter):
            ("link down", link(pair, ["reason": "\(reason)", "retry_ms": "\(retryAfter)"]))
        case .segmentsLimited(let pair, let bytes):
            (
                "large segments may not arrive there: smaller ones are used for a day", link(pair, ["bytes": "\(bytes)"])
            )
        case .laneStopped(let pair, let lane, let reason):
            (
                "lane stopped, nothing was removed: decide with `martlet link resync`",
                link(pair, ["lane": "\(lane)", "reason": "\(reason)"])
            )
        case .sentAgain(let pair, let lane, let entries, let lost):
            wentBack(pair, lane, "the peer's store went back in time: what it lacks is sent again", (entries, "not_kept", lost))
        case .historiesParted(let pair, let lane, let delivered, let waiting):
            wentBack(pair, lane, "our store went back in time: its tags tell what is there", (delivered, "waiting", waiting))
        case .newEpoch(let pair, let lane):
            ("new numbering: one of the two stores is new", link(pair, ["lane": "\(lane)"]))
        case .endedEpoch(let pair, let lane):
            ("the peer uses a numbering that it had replaced: its store went back in time", link(pair, ["lane": "\(lane)"]))
        case .peerAccepted(let pair, let proof): ("peer accepted", link(pair, ["proof": "\(proof)"]))
        case .peerRefused(let pair, let reason): ("peer refused", link(pair, ["reason": "\(reason)"]))
        case .numberOutOfOrder(let pair, let lane, let expected, let received):
            ("number out of order", link(pair, ["lane": "\(lane)", "expected": "\(expected)", "received": "\(received)"]))
        case .repeatedMessageIgnored(let jid): ("message sent again was taken over before", ["session": "\(jid)"])
        case .abuseReported(let account, let jid, let reason, let text):
            ("abuse reported", ["account": "\(account)", "of": "\(jid)", "reason": "\(reason)", "text": "\(text)"])
        case .entryHeld(let pair, let entry, let reason): held(pair, entry, reason)
        case .entryRefused(let pair, let entry, let reason): notSentAgain(pair, entry, reason)
        case .senderRefused(let pair, let sender, let reason):
            (
                "streams ended over what this sender sends there: refused for ten minutes",
                link(pair, ["sender": "\(sender)", "reason": "\(reason)"])
            )
        case .entryAccepted(let entry, let id): ("entry taken over for the peer", trace(entry, ["id": "\(id)"]))
        case .entryTaken(let entry, let id): ("entry of the peer taken over", trace(entry, ["id": "\(id)"]))
        case .entriesProven(let entry, let first, let proof):
            ("entries proven to be the peer's", trace(entry, ["first": "\(first)", "by": "\(proof)"]))
        case .entryExpired(let pair, let entry): ("entry expired", link(pair, ["entry": "\(entry)"]))
        case .queueChanged(let pair, let what, let entries):
            ("entries changed by the operator", link(pair, ["what": "\(what)", "entries": "\(entries)"]))
        case .laneResynced(let pair, let lane, let uncertain, let choice):
            (
                "lane begun anew after a store went back in time",
                link(pair, ["lane": "\(lane)", "uncertain": "\(uncertain)", "choice": "\(choice)"])
            )
        case .clockBehind(let milliseconds):
            ("the clock stands before the last commit, nothing expires early", ["behind_ms": "\(milliseconds)"])
        case .storeMigrated(let schema, let rows):
            ("store brought to the format of this version", ["from_schema": "\(schema)", "rows": "\(rows)"])
        case .diskReserveReached(let free): (reserveReached, ["free_bytes": "\(free)"])
        case .diskFloorReached(let free): (floorReached, ["free_bytes": "\(free)"])
        case .diskExhausted(let free): (exhausted, ["free_bytes": "\(free)"])
        case .diskReserveLeft(let free): ("disk reserve free again", ["free_bytes": "\(free)"])
        case .partyRests(let row): rests(row)
        case .addressRests(let address, let milliseconds): rests(address, milliseconds)
        case .longTurn(let event, let count): longTurn(event, count)
        case .routingLoop(let address): ("routing loop cut", ["to": "\(address)"])
        case .accountChanged(let account, let what): ("account changed", ["jid": "\(account)", "what": "\(what)"])
        }
    }

    private static func notSentAgain(_ pair: DomainPair, _ entry: String, _ reason: String) -> (String, Logger.Metadata) {
        ("entry not sent again, although it may not have arrived", link(pair, ["entry": "\(entry)", "reason": "\(reason)"]))
    }

    private static func held(_ pair: DomainPair, _ entry: String, _ reason: String) -> (String, Logger.Metadata) {
        let words = "entry held: decide with `martlet queue show`, release or purge"
        return (words, link(pair, ["entry": "\(entry)", "reason": "\(reason)"]))
    }

    private static func wentBack(
        _ pair: DomainPair, _ lane: String, _ words: String, _ count: (entries: Int, name: String, others: Int)
    ) -> (String, Logger.Metadata) {
        (words, link(pair, ["lane": "\(lane)", "entries": "\(count.entries)", count.name: "\(count.others)"]))
    }

    private static func longTurn(_ event: String, _ count: WorkCount) -> (String, Logger.Metadata) {
        (
            "a turn was long, and others have waited for it: please report this",
            [
                "event": "\(event)", "rows": "\(count.rows)", "deliveries": "\(count.deliveries)",
                "bytes_sent": "\(count.bytes)",
            ]
        )
    }

    private static func rests(_ address: RemoteAddress, _ milliseconds: Int64) -> (String, Logger.Metadata) {
        (
            "too much was begun without a login: connections wait",
            ["address": "\(address.text)", "wait_ms": "\(milliseconds)"]
        )
    }

    private static func rests(_ row: KarmaPartyRow) -> (String, Logger.Metadata) {
        (
            "causes more work than its share and is read more slowly",
            [
                "party": "\(row.name)", "class": "\(row.standing)", "work_ms": "\(row.work)", "in_ms": "\(row.time)",
                "rows": "\(row.count.rows)", "deliveries": "\(row.count.deliveries)", "bytes_sent": "\(row.count.bytes)",
            ]
        )
    }

    private static func trace(_ entry: EntryTrace, _ more: Logger.Metadata) -> Logger.Metadata {
        link(entry.pair, more.merging(["lane": "\(entry.laneClass.name)", "n": "\(entry.number)"]) { first, _ in first })
    }

    private static func link(_ pair: DomainPair, _ more: Logger.Metadata) -> Logger.Metadata {
        more.merging(["local": "\(pair.local)", "peer": "\(pair.peer)"]) { first, _ in first }
    }
}
