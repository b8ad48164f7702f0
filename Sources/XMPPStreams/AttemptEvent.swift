/// What a stream that we open reports to the attempt that opened it: one of these, once.
public enum AttemptEvent: Sendable {
    /// The stream is authenticated and ready for stanzas. What it reports from now on concerns the site.
    case ready(PeerFeatures)
    /// The stream came to nothing before it was ready; nothing else comes from it.
    case failed(DialFailure)
    /// The answer to our `<db:verify/>` (XEP-0220 §2.2), or an error if there was none; nothing else comes.
    case verified(DialbackVerdict)
}
