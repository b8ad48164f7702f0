import ArgumentParser
import MartletAdmin

/// `martlet link …`: the relations to other domains.
struct LinkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "link", abstract: "Shows the links to other servers, dials them, begins stopped lanes anew.",
        subcommands: [List.self, Show.self, Retry.self, ForgetCertificate.self, Resync.self])

    /// State and last error of a link, for one line.
    static func sentence(_ link: AdminAnswer.Link) -> String {
        var sentence = link.state
        if link.nextAttempt > 0 { sentence += ", next attempt in \(words(milliseconds: link.nextAttempt))" }
        if !link.lastError.isEmpty { sentence += ": \(TextTable.printable(link.lastError))" }
        return sentence
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Lists the links: their state, what waits, and the last failure.",
            discussion: "  martlet link list\n  martlet link list --json")
        @OptionGroup var file: ConfigurationOption
        @Flag(help: "Print JSON for programs instead of a table for people.") var json = false

        func run() throws {
            let configuration = try file.load()
            let rows = try Desk(asking: Asking(configuration: configuration)).links()
            if json { return try JSONOutput.say(rows) }
            var table = TextTable(
                ["PEER", "STATE", "ACKNOWLEDGED BY", "WAITING", "HELD", "OLDEST", "NEXT TRY", "LAST ERROR"], numeric: [3, 4])
            // A site of several domains has a link of each to the same peer.
            let namesBoth = rows.contains { $0.local != rows[0].local }
            for row in rows {
                table.add([
                    namesBoth ? "\(row.local) → \(row.peer)" : row.peer, row.state, row.acknowledgement, "\(row.waiting)",
                    "\(row.held)",
                    row.oldestAge > 0 ? words(milliseconds: row.oldestAge) : "",
                    row.nextAttempt > 0 ? words(milliseconds: row.nextAttempt) : "", row.lastError,
                ])
            }
            Terminal.say(table.text(empty: "There are no links: nobody has written to another domain yet."))
            CertificateCheck.mention(configuration)
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Shows everything about the link to one domain.",
            discussion: "  martlet link show brno.example.com")
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "The other domain.") var peer: String
        @Option(help: ArgumentHelp("Our domain, where several have a link with it.", valueName: "domain")) var from: String?
        @Flag(help: "Print JSON for programs instead of lines for people.") var json = false

        func run() throws {
            let configuration = try file.load()
            guard case .link(let details) = try Asking(configuration: configuration).ask(.showLink(peer: peer, from: from))
            else {
                throw Desk.unexpected
            }
            if json { return try JSONOutput.say(details) }
            let link = details.link
            let none = "none worked yet"
            let worked = "\(details.addresses.joined(separator: ", ")), \(words(milliseconds: details.addressesAge)) ago"
            Terminal.say(
                """
                \(link.local) → \(link.peer)
                state         \(LinkCommand.sentence(link))
                acknowledged  \(link.acknowledgement.isEmpty ? "not known while it is down" : "by \(link.acknowledgement)")
                waiting       \(link.waiting)\(link.oldestAge > 0 ? ", the oldest for \(words(milliseconds: link.oldestAge))" : "")
                held          \(link.held)
                addresses     \(details.addresses.isEmpty ? none : worked)
                certificate   \(details.showedCertificate ? "was shown and verified: required from now on" : "never verified")
                """)
            if !details.healing.isEmpty { Terminal.say("healed        \(details.healing)") }
            if details.segmentLimit > 0 {
                Terminal.say("segments      of \(details.segmentLimit) bytes at most: larger ones may not arrive")
            }
            if !details.detour.isEmpty {
                Terminal.say(
                    "called        not now: the stream is the other side's, since the last call failed: \(details.detour)")
            }
            CertificateCheck.mention(configuration)
            for lane in details.lanes {
                Terminal.say(
                    "lane \(lane.id)        \(lane.lane): numbered to \(lane.assigned), acknowledged to \(lane.acked), "
                        + "\(lane.inFlight) on the line, epoch \(lane.epoch)")
                if !lane.proven.isEmpty { Terminal.say("              taken over: \(lane.proven)") }
                if lane.kept > 0 {
                    Terminal.say(
                        "              kept in case its store goes back: \(lane.kept), \((lane.keptBytes + 1023) / 1024) KiB")
                }
                if !lane.stopReason.isEmpty {
                    Terminal.say("              STOPPED, \(lane.stopReason): martlet link resync \(link.peer)")
                }
            }
        }
    }

    struct Retry: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "retry", abstract: "Dials now instead of at the next attempt.",
            discussion: "  martlet link retry\n  martlet link retry brno.example.com")
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "The other domain; without it every link that waits for its next attempt.") var peer: String?

        func run() throws {
            try Asking(configuration: file.load()).perform(.retryLinks(peer: peer))
        }
    }

    struct ForgetCertificate: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "forget-certificate",
            abstract: "Lets a domain prove itself by dialback again although it has shown a certificate before.",
            discussion: """
                A server that has once shown a certificate that verifies is believed with such a certificate only: nobody who can
                forge DNS answers takes its place. Where it has lost its certificate for good, or changed to an authority that
                is not trusted here, the link is refused until this command makes it forget. From then on dialback is enough,
                which trusts DNS; with the next certificate that verifies it is demanded again. Ask the other side first.
                Without --yes it is explained and asked.
                  martlet link forget-certificate brno.example.com
                """)
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "The other domain.") var peer: String
        @Flag(help: "Do it without asking.") var yes = false

        func run() throws {
            let asking = Asking(configuration: try file.load())
            Terminal.mention(
                "\(peer) has to show a certificate because it did so before: who can forge DNS answers cannot take its place.")
            Terminal.mention(
                "Without that, whoever answers for it in DNS is believed to be \(peer), until it shows a certificate again.")
            try Terminal.confirm("Forget that \(peer) showed a certificate?", yes: yes)
            try asking.perform(.forgetCertificate(peer: peer))
        }
    }

    struct Resync: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "resync", abstract: "Begins lanes anew that stopped because a store went back in time.",
            discussion: """
                A lane stops when the two records contradict each other: one of the stores was restored from a backup, or lost,
                and it lies further back than what is kept here (federation.keep_acknowledged) or than the thousand numbers
                that the other side remembers. Nothing was removed. Where the other side's store went back, what is kept and
                what waits here is sent to it. Where this one did,
                what the backup brought along may have been delivered before; --uncertain says what becomes of it:
                  resend  send it: some people may get it twice
                  drop    tell the senders that it is unconfirmed and may have arrived
                  hold    keep it aside, to be released or purged one by one (martlet queue)
                Without --yes it is explained and asked.
                  martlet link resync brno.example.com
                  martlet link resync brno.example.com --uncertain hold --yes
                """)
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "The other domain.") var peer: String
        @Option(help: ArgumentHelp("What becomes of entries that may have arrived.", valueName: "resend|drop|hold"))
        var uncertain: String?
        @Flag(help: "Do it without asking.") var yes = false
        @Flag(help: "Print what stands still as JSON and change nothing.") var json = false

        func run() throws {
            let asking = Asking(configuration: try file.load())
            guard case .resync(let rows) = try asking.ask(.planResync(peer: peer)) else { throw Desk.unexpected }
            if json { return try JSONOutput.say(rows) }
            guard !rows.isEmpty else { throw CommandFailure("nothing stands still with \(peer): nothing to do") }
            for row in rows { explain(row) }
            if uncertain == nil, rows.contains(where: { $0.uncertain > 0 }) {
                throw CommandFailure("nothing was changed: say --uncertain resend, drop or hold")
            }
            try Terminal.confirm("Begin anew with \(peer)?", yes: yes)
            try asking.perform(.resync(peer: peer, uncertain: uncertain))
        }

        private func explain(_ row: AdminAnswer.Stopped) {
            Terminal.mention("The lane “\(row.lane)” to \(peer) stands still: \(row.reason).")
            let oldest = row.waiting > 0 ? ", the oldest for \(words(milliseconds: row.oldestAge))" : ""
            Terminal.mention("  \(row.waiting) entries wait\(oldest).")
            if row.wasOurStore {
                Terminal.mention(
                    "  This site's store went back in time. \(row.uncertain) of them may have been delivered before:")
                Terminal.mention("    --uncertain resend  sends them: some people may get them twice")
                Terminal.mention("    --uncertain drop    tells their senders that they may have arrived")
                Terminal.mention("    --uncertain hold    keeps them aside: martlet queue list --peer \(peer)")
            } else {
                Terminal.mention("  The other site's store went back in time. What waits here is not there and will be sent.")
                if row.lost > 0 {
                    Terminal.mention(
                        "  \(row.lost) that it had acknowledged are not in its records any more, and not kept here any more.")
                }
            }
        }
    }
}
