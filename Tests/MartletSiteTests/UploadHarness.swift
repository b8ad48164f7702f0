import MartletBus
import MartletCrypto
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas
import XMPPXML

@testable import MartletServices
@testable import MartletSite

/// A disk in memory, in the place of the one on which files are.
struct TwinFiles {
    /// Files that are whole.
    var whole: [UploadToken: [UInt8]] = [:]
    /// Copies on their way.
    var coming: [UploadToken: [UInt8]] = [:]
    /// Parts that were read.
    var reads = 0
    /// What is read is not what was written.
    var isBroken = false

    mutating func result(of work: Work) -> WorkResult {
        switch work {
        case .removeFiles(let tokens):
            for token in tokens { (whole[token], coming[token]) = (nil, nil) }
            return .done
        case .readFile(let token, let offset, let count, _):
            guard let file = whole[token], Int(offset) <= file.count else { return .failed }
            reads += 1
            var part = Array(file[Int(offset)..<min(Int(offset) + count, file.count)])
            if isBroken, !part.isEmpty { part[0] ^= 1 }
            return .part(Base64.encodedBytes(part))
        case .writeCopy(let token, let offset, let text):
            if offset == 0 { coming[token] = [] }
            guard let bytes = Base64.decode(text), coming[token]?.count == Int(offset) else { return .failed }
            coming[token]? += bytes
            return .done
        case .keepCopy(let token, let digest):
            guard let file = coming.removeValue(forKey: token), Digest.hash(.sha256, file) == digest else { return .failed }
            whole[token] = file
            return .done
        case .deriveKeys, .activateBytestream: return .failed
        }
    }
}

extension SessionsHarness {
    static func base(_ domain: String) -> String { "https://upload.\(domain):5443/upload/" }

    /// The domain gets a host for files.
    mutating func serveFiles(at domain: String = "pilsen.example", besides office: String? = nil) {
        let host = JID(preparedLocalpart: nil, preparedDomainpart: "upload.\(domain)", preparedResourcepart: nil)
        policy.hosts.append(Host(host, .upload))
        policy.uploads.hosts = [UploadHost(domain: host.domainpart, base: Self.base(domain))]
        if let office {
            policy.federation.knownPeers = [JID(preparedLocalpart: nil, preparedDomainpart: office, preparedResourcepart: nil)]
        }
    }

    /// Asks for an address; gives the token in it, or the error.
    mutating func slot(
        _ client: Client, _ name: String = "a.jpg", size: Int = 10, type: String? = nil, _ more: String = ""
    ) -> (token: UploadToken?, answer: Element) {
        let type = type.map { " content-type='\($0)'" } ?? ""
        let answer = ask(
            client, "get", to: "upload.\(client.jid.domainpart)",
            "<request xmlns='\(Namespaces.upload)' filename='\(name)' size='\(size)'\(type)>\(more)</request>")
        let url = answer.elements.first?.elements.first?["url"]
        return (url?.split(separator: "/").dropLast().last.flatMap { UploadToken($0) }, answer)
    }

    /// The condition of an error, and what stands beside it.
    static func condition(_ answer: Element) -> (String?, Element?) {
        let error = answer.first("error", Namespaces.client)
        return (
            error?.elements.first?.name, error?.elements.first { $0.namespace == Namespaces.upload }
        )
    }

    mutating func upload(_ command: UploadCommand) -> UploadAnswer? {
        if case .upload(let answer) = self.command(.uploads(command)) { answer } else { nil }
    }

    /// A file is brought as it was announced.
    mutating func bring(_ content: [UInt8], _ name: String, to token: UploadToken, _ files: inout TwinFiles) -> UploadAnswer? {
        guard case .welcome = upload(.begin(token, name: name, length: UInt64(content.count), type: nil)) else { return nil }
        files.whole[token] = content
        return upload(.finished(token, digest: Digest.hash(.sha256, content)))
    }

    /// Does on the disk what is to be done.
    mutating func work(_ files: inout TwinFiles) {
        while !works.isEmpty {
            let some = works
            works = []
            for (id, work) in some { handle(.workDone(id, files.result(of: work))) }
        }
    }
}
