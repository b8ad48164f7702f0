import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// What somebody looks for in an archive (XEP-0313 §4), as it was asked.
struct ArchiveQuery: Sendable {
    /// Comes back in each result.
    var id: String?
    /// Messages with this address.
    var with: JID?
    /// Messages from then on.
    var start: WallTime?
    /// Messages until then.
    var end: WallTime?
    /// Messages behind that one.
    var afterID: StableID?
    /// Messages before that one.
    var beforeID: StableID?
    /// These messages.
    var ids: [StableID]?
    /// Messages in whose bodies all of these words stand, in lower case.
    var words: [WordSearch] = []
    /// Which part of what was found.
    var page = ResultSetRequest()
    /// The last message of the page comes first (§4.3.4).
    var isFlipped = false

    /// Everything is looked for.
    var isUnfiltered: Bool {
        with == nil && start == nil && end == nil && afterID == nil && beforeID == nil && ids == nil && words.isEmpty
    }

    /// The field for words in bodies, as ejabberd and Prosody call it.
    static let wordsField = "{urn:xmpp:fulltext:0}fulltext"

    /// §4.1.6: what can be looked for.
    static var form: Element {
        var form = DataForm(.form)
        form.fields = [DataForm.Field("FORM_TYPE", type: "hidden", values: [Namespaces.archive])]
        form.fields += [
            ("with", "jid-single"), ("start", "text-single"), ("end", "text-single"), ("before-id", "text-single"),
            ("after-id", "text-single"), ("include-groupchat", "boolean"), (wordsField, "text-single"),
        ].map { DataForm.Field($0.0, type: $0.1) }
        var element = form.element
        // Any id can be given, so the list of all is not.
        let open = Element("open", Namespaces.validation)
        let validate = Element("validate", Namespaces.validation, [("datatype", "xs:string")], elements: [open])
        element.append(
            Element("field", Namespaces.dataForms, [("var", "ids"), ("type", "list-multi")], elements: [validate]))
        return element
    }

    /// Reads a `<query/>`.
    static func read(_ element: Element, _ policy: ArchivePolicy) -> Result<ArchiveQuery, StanzaError> {
        do throws(StanzaError) {
            var query = ArchiveQuery()
            query.id = element["queryid"]
            guard query.id?.utf8.count ?? 0 <= ArchiveLimits.queryIDBytes else { throw bad("The queryid is too long") }
            query.isFlipped = element.first("flip-page", Namespaces.archive) != nil
            if let form = element.first("x", Namespaces.dataForms) { try query.take(form, policy) }
            if let set = element.first("set", Namespaces.resultSet) {
                guard let page = ResultSetRequest(set) else { throw bad("The part that is asked for makes no sense") }
                query.page = page
            }
            return .success(query)
        } catch {
            return .failure(error)
        }
    }

    private mutating func take(_ element: Element, _ policy: ArchivePolicy) throws(StanzaError) {
        guard let form = DataForm(element), form.kind == .submit, form.values("FORM_TYPE") == [Namespaces.archive] else {
            throw Self.bad("This is not a form to search an archive with")
        }
        for field in form.fields where !field.values.isEmpty { try take(field, policy) }
    }

    private mutating func take(_ field: DataForm.Field, _ policy: ArchivePolicy) throws(StanzaError) {
        let value = field.values[0]
        switch field.name {
        case "FORM_TYPE": break
        case "with":
            guard let jid = try? JID(value) else { throw StanzaError(.jidMalformed, text: "\"with\" is not an address") }
            with = jid
        case "start": start = try Self.time(value)
        case "end": end = try Self.time(value)
        case "before-id": beforeID = try Self.id(value)
        case "after-id": afterID = try Self.id(value)
        case "ids":
            guard field.values.count <= policy.page else { throw Self.bad("At most \(policy.page) messages can be asked for") }
            var wanted: [StableID] = []
            for value in field.values { wanted.append(try Self.id(value)) }
            ids = wanted
        // §4.1.5: understood; messages of rooms are in the rooms' archives.
        case "include-groupchat": break
        case Self.wordsField:
            let parts = value.lowercased().split(whereSeparator: \.isWhitespace)
            guard value.utf8.count <= ArchiveLimits.wordBytes, parts.count <= ArchiveLimits.words else {
                throw Self.bad("These are too many words to look for")
            }
            words = parts.map { WordSearch(Array($0.utf8)) }
        default:
            throw StanzaError(.featureNotImplemented, text: "Nothing can be looked for by \(field.name.prefix(64))")
        }
    }

    private static func time(_ value: String) throws(StanzaError) -> WallTime {
        guard let time = WallTime(value) else { throw bad("\(value.prefix(64)) is not a time") }
        return time
    }

    /// What is none of our ids is no message of an archive (§4.1.4).
    private static func id(_ value: String) throws(StanzaError) -> StableID {
        guard let id = StableID(value) else { throw StanzaError(.itemNotFound) }
        return id
    }

    private static func bad(_ words: String) -> StanzaError { StanzaError(.badRequest, text: words) }
}

/// Looks for a word in text, in time that grows with the text alone (Knuth, Morris, Pratt): the word is a stranger's to choose.
struct WordSearch: Sendable {
    private let word: [UInt8]
    /// How much of the word's beginning ends at each of its places.
    private let steps: [UInt16]

    init(_ word: [UInt8]) {
        self.word = word
        var steps = [UInt16](repeating: 0, count: word.count)
        var length = 0
        for index in word.indices.dropFirst() {
            while length > 0, word[index] != word[length] { length = Int(steps[length - 1]) }
            if word[index] == word[length] { length += 1 }
            steps[index] = UInt16(length)
        }
        self.steps = steps
    }

    /// Whether the word stands in `text`.
    func isFound(in text: [UInt8]) -> Bool {
        var length = 0
        for byte in text {
            while length > 0, byte != word[length] { length = Int(steps[length - 1]) }
            if byte == word[length] { length += 1 }
            if length == word.count { return true }
        }
        return word.isEmpty
    }
}
