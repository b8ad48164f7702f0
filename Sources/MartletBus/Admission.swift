import MartletStore
import XMPPStreams
import XMPPXML

/// A client that is let in and wants more than that (XEP-0388): what it wants, and what it is to be told with the answer.
public struct Admission: Sendable, Equatable {
    /// What it wants.
    public var request: LoginRequest
    /// Which client of its account it is; nil where it does not say.
    public var client: ClientKey?
    /// What it is told beside what comes of its wishes.
    public var told: [Element]
    /// What the mechanism says at its end, where the site has to say it.
    public var additionalData: [UInt8]?

    /// The admission of whoever wants `request`.
    public init(_ request: LoginRequest, client: ClientKey?, told: [Element] = [], additionalData: [UInt8]? = nil) {
        self.request = request
        self.client = client
        self.told = told
        self.additionalData = additionalData
    }
}
