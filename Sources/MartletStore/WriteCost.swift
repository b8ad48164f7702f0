/// How many bytes a write takes of a store on disk at most, for admission: a store in which it is admitted never meets its end.
///
/// LMDB changes no page in place: the first write to a page in a transaction takes a new one, and a page that is full is divided. The
/// sums are too high by far where rows are neighbours, which only means that the disk is looked at more often.
public enum WriteCost {
    /// A page of the store.
    public static let page = 4096
    /// A transaction that writes anything at all: the upper pages of its tables, and the list of free pages.
    static let transaction = 64 * page
    /// Values up to this many bytes stand in a page with others.
    private static let valueInPage = 1900

    /// A row somewhere in its table: the page it stands in, the one above, and one if that has to be divided.
    public static func put(value: Int) -> Int { 3 * page + pages(ofLong: value) }

    /// A row at the end of its table, where pages are filled one after the other.
    static func append(key: Int, value: Int) -> Int {
        value > valueInPage ? page + pages(ofLong: value) : 2 * (key + value + 16)
    }

    /// A row that goes: the page it stood in, the one above, and the neighbour that takes what is left.
    static let delete = 3 * page

    private static func pages(ofLong value: Int) -> Int {
        value > valueInPage ? (value + 16 + page - 1) / page * page : 0
    }
}

/// The sum over a transaction.
public struct WriteTotal: Sendable {
    /// Bytes so far; 0 without any write.
    public private(set) var bytes = 0

    /// Nothing yet.
    public init() {}

    private mutating func add(_ cost: Int) {
        if bytes == 0 { bytes = WriteCost.transaction }
        bytes += cost
    }

    /// A row was put somewhere.
    public mutating func put(value: Int) { add(WriteCost.put(value: value)) }

    /// A row was appended.
    public mutating func append(key: Int, value: Int) { add(WriteCost.append(key: key, value: value)) }

    /// A row was removed.
    public mutating func delete() { add(WriteCost.delete) }
}
