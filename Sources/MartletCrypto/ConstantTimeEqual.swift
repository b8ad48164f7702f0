import COpenSSL

/// Whether two secrets are equal, in a time that depends on their lengths only.
public func constantTimeEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    a.count == b.count && martlet_equal(a, b, a.count) == 1
}
