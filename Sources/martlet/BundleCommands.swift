import ArgumentParser
import FoundationEssentials
import MartletAdmin
import MartletConfiguration
import MartletCrypto
import MartletFederation
import MartletPrimitives
import MartletTLS
import XMPPAddress

extension QueueCommand {
    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "export", abstract: "Writes what waits for a domain into a signed file, for a stick.",
            discussion: """
                The entries stay here until the other site is known to have them: by the line when it returns, or by a file that
                the other site exports and this one imports. So a stick can be lost, or carried twice.
                The file is signed, not encrypted: whoever finds the stick can read it. Docs/operations/queue.md.
                  martlet queue export --peer brno.example.com /media/stick/for-brno.bundle
                """)
        @OptionGroup var file: ConfigurationOption
        @Option(help: ArgumentHelp("The domain.", valueName: "domain")) var peer: String
        @Option(help: ArgumentHelp("Our domain, where messages of several wait for it.", valueName: "domain")) var from: String?
        @Argument(help: "The file to write; one that is there is replaced.") var path: String

        func run() throws {
            let configuration = try file.load()
            let asking = Asking(configuration: configuration)
            // Before anything counts as sent.
            let identity = try Bundles.identity(configuration)
            let certificate = try Files.read(configuration.tls.certificate)
            var bundle: QueueBundle?
            var stanzas = 0
            var cursor: String?
            repeat {
                guard case .bundle(let part) = try asking.ask(.exportEntries(peer: peer, from: from, after: cursor)) else {
                    throw Desk.unexpected
                }
                bundle =
                    bundle
                    ?? QueueBundle(origin: part.origin, destination: part.destination, made: Bundles.now)
                bundle?.records += part.records.map { Array($0.utf8) }
                stanzas += part.stanzas
                cursor = part.next
            } while cursor != nil && (bundle?.records.count ?? 0) < QueueBundle.recordLimit - Bundles.recordsPerPart
            guard var bundle else { throw Desk.unexpected }
            bundle.certificatePEM = certificate
            let signed = bundle.signedBytes()
            do {
                let signature = try FileSignature.sign(signed, by: identity)
                try Files.write(QueueBundle.file(signed, signature: signature), to: path)
            } catch let error as TLSError {
                throw CommandFailure("the file cannot be signed: \(error)")
            }
            let rest = cursor == nil ? "" : " More waits than one file holds: export again when these have arrived."
            Terminal.say(
                """
                \(stanzas) entries for \(bundle.destination) in \(path).\(rest)
                Over there: martlet queue import FILE
                If it asks for the fingerprint of this site's key, tell it by telephone, not on the stick:
                  \(try Bundles.fingerprint(certificate))
                """)
        }
    }

    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "import", abstract: "Takes over what another site has exported.",
            discussion: """
                Each entry is taken over once, whether it comes by this file, by another or by the line. The file must be signed
                by the other site: with a certificate that its servers could show too, or with the key whose fingerprint its
                export has shown.
                  martlet queue import /media/stick/for-brno.bundle
                  martlet queue import /media/stick/for-brno.bundle --trust 5d0c…
                """)
        @OptionGroup var file: ConfigurationOption
        @Argument(help: "The file.") var path: String
        @Option(help: ArgumentHelp("The fingerprint that the export has shown.", valueName: "fingerprint"))
        var trust: String?

        func run() throws {
            let configuration = try file.load()
            let bundle = try Bundles.verified(try Files.read(path, limit: QueueBundle.fileLimit), path, configuration, trust)
            let asking = Asking(configuration: configuration)
            var outcome = AdminAnswer.Imported()
            for part in Bundles.parts(bundle.records) {
                let request = AdminRequest.importRecords(
                    records: part.map { String(decoding: $0, as: UTF8.self) }, origin: bundle.origin,
                    destination: bundle.destination)
                guard case .imported(let some) = try asking.ask(request) else { throw Desk.unexpected }
                outcome.add(some)
            }
            Terminal.say("from \(bundle.origin): \(outcome.taken) taken over, \(outcome.duplicates) were here already")
            if outcome.acknowledged > 0 {
                Terminal.say("\(bundle.origin) has \(outcome.acknowledged) of the entries that waited here for it")
            }
            if outcome.behindGap > 0 {
                throw CommandFailure(
                    "\(outcome.behindGap) are refused: number \(outcome.missing), which comes before them, is missing. "
                        + "Import the file that was exported earlier first, or let \(bundle.origin) export again")
            }
        }
    }
}

/// What export and import share.
enum Bundles {
    /// The most records that one answer adds.
    static let recordsPerPart = 512
    /// Bytes in one request: escaped as JSON they stay below the node's limit.
    private static let requestBytes = 256 << 10

    /// For people: the number decides what a bundle is worth, never its age.
    static var now: String { WallTime(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)).description }

    static func identity(_ configuration: SiteConfiguration) throws -> TLSIdentity {
        do {
            return try TLSIdentity(certificateFile: configuration.tls.certificate, keyFile: configuration.tls.key)
        } catch {
            throw CommandFailure("\(error). The files are named under [tls] in the configuration")
        }
    }

    /// SHA-256 of the public key in hexadecimal digits: stays when the certificate is renewed with the same key.
    static func fingerprint(_ pem: [UInt8]) throws -> String {
        do {
            let none = try TrustStore(system: false)
            return Hex.encode(try CertificateFile.verify(pem: pem, trust: none).publicKeyPin)
        } catch {
            throw CommandFailure("the certificate is not usable: \(error)")
        }
    }

    /// The bundle of a file that its origin has signed for this site; everything else is refused in words.
    static func verified(
        _ bytes: [UInt8], _ path: String, _ configuration: SiteConfiguration, _ trusted: String?
    ) throws -> QueueBundle {
        let bundle: QueueBundle
        let signed: [UInt8]
        let signature: [UInt8]
        do throws(QueueBundle.Failure) {
            (bundle, signed, signature) = try QueueBundle.parse(bytes)
        } catch {
            throw CommandFailure("\(path) is not usable: \(error)")
        }
        guard configuration.domains.contains(bundle.destination) else {
            throw CommandFailure(
                "\(path) is for \(TextTable.printable(bundle.destination)), this site is \(listed(configuration.domains))")
        }
        guard let origin = try? Domainpart.prepare(bundle.origin), origin == bundle.origin,
            !configuration.domains.contains(origin)
        else { throw CommandFailure("\(path) is not usable: it names no other domain as its origin") }
        do {
            guard try FileSignature.isValid(signature, over: signed, certificatePEM: bundle.certificatePEM) else {
                throw CommandFailure("\(path) was changed after it was signed, or is damaged: nothing was taken over")
            }
            let trust =
                if let authority = configuration.tls.peerCA { try TrustStore(additionalFile: authority) } else {
                    try TrustStore()
                }
            let certificate = try CertificateFile.verify(pem: bundle.certificatePEM, trust: trust)
            let ascii = (try? Domainpart.asciiForm(origin)) ?? origin
            guard let objection = certificate.objection(domain: ascii, unicodeName: origin) else { return bundle }
            let shown = Hex.encode(certificate.publicKeyPin)
            guard let trusted else {
                throw CommandFailure(
                    "\(path) is signed, but its certificate does not prove \(origin): \(objection). "
                        + "Ask over there, by telephone, for the fingerprint that the export has shown, and if it is \(shown): "
                        + "martlet queue import \(path) --trust \(shown)")
            }
            guard trusted.lowercased() == shown else {
                throw CommandFailure("\(path) is signed by the key \(shown), not by the one that is trusted")
            }
            return bundle
        } catch let error as TLSError {
            throw CommandFailure("\(path) is not usable: \(error)")
        }
    }

    /// The records in requests of a bearable size.
    static func parts(_ records: [[UInt8]]) -> [[[UInt8]]] {
        var parts: [[[UInt8]]] = []
        var part: [[UInt8]] = []
        var bytes = 0
        for record in records {
            if !part.isEmpty, bytes + record.count > requestBytes || part.count == recordsPerPart {
                parts.append(part)
                part = []
                bytes = 0
            }
            part.append(record)
            bytes += record.count
        }
        return part.isEmpty ? parts : parts + [part]
    }
}
