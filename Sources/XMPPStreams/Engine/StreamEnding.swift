/// How a stream came to its end.
enum StreamEnding: Equatable {
    /// One of the ends had no more to say, and said so: words for the operator.
    case closed(String)
    /// Something went wrong.
    case failed(DialFailure)

    /// For the operator.
    var words: String {
        switch self {
        case .closed(let words): words
        case .failed(let failure): failure.words
        }
    }

    /// What an attempt of ours came to whose stream ended like this before it had served its purpose.
    var failure: DialFailure {
        switch self {
        case .closed(let words): .unreachable(words)
        case .failed(let failure): failure
        }
    }
}
