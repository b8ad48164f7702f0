import Glibc
import MartletBus
import MartletCrypto
import MartletRuntime
import XMPPAddress

/// Passwords become SCRAM keys here, in the process that read them; neither the node nor its store ever sees them.
enum Passwords {
    /// The keys of a password (RFC 5802 §3, prepared by RFC 4013), under a fresh salt for each digest.
    static func keys(for password: String) throws -> PasswordKeys {
        let prepared: String
        do {
            prepared = try SASLprep.prepare(password)
        } catch {
            throw CommandFailure("this password cannot be used: \(SASLprep.words(error))")
        }
        let bytes = Array(prepared.utf8)
        return PasswordKeys(sha1: keys(.sha1, bytes), sha256: keys(.sha256, bytes), sha512: keys(.sha512, bytes))
    }

    /// A password for somebody who will change it or let a client remember it: 100 random bits in letters that are
    /// not mistaken for each other.
    static func generated() -> String {
        let letters = Array("abcdefghjkmnpqrstuvwxyz23456789A")
        let drawn = KernelRandom.bytes(20).map { letters[Int($0 & 31)] }
        return stride(from: 0, to: 20, by: 5).map { String(drawn[$0..<$0 + 5]) }.joined(separator: "-")
    }

    private static func keys(_ algorithm: DigestAlgorithm, _ password: [UInt8]) -> PasswordKeys.Keys {
        PasswordKeys.Keys(SCRAMKeys(algorithm: algorithm, password: password, salt: KernelRandom.bytes(16)))
    }
}
