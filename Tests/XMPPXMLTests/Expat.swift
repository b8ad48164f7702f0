import Glibc

/// Expat as the field's opinion: most clients and servers are made of it, and what it refuses ends their streams.
///
/// The library that Debian's Python and Prosody are linked with, without its header: five functions are not worth a target.
struct Expat {
    /// What expat read: the form in which `CLibXML2` writes down what it read.
    private final class Dump {
        var bytes: [UInt8] = []
        var depth = 0
        let separator: UInt8

        init(_ separator: UInt8) { self.separator = separator }

        /// Namespace and name, from `namespace<separator>name`.
        func name(_ text: UnsafePointer<CChar>) {
            let name = UnsafeBufferPointer(start: text, count: strlen(text)).map { UInt8(bitPattern: $0) }
            let cut = name.firstIndex(of: separator)
            if let cut { bytes += name[..<cut] }
            bytes.append(0)
            bytes += cut.map { name[($0 + 1)...] } ?? name[...]
            bytes.append(0)
        }

        func start(_ name: UnsafePointer<CChar>, _ attributes: UnsafeMutablePointer<UnsafePointer<CChar>?>) {
            depth += 1
            guard depth > 1 else { return }
            bytes.append(1)
            self.name(name)
            var index = 0
            while let name = attributes[index], let value = attributes[index + 1] {
                bytes.append(2)
                self.name(name)
                bytes += UnsafeBufferPointer(start: value, count: strlen(value)).map { UInt8(bitPattern: $0) }
                bytes.append(0)
                index += 2
            }
            bytes.append(4)
        }

        func end() {
            depth -= 1
            if depth > 0 { bytes.append(3) }
        }

        func text(_ text: UnsafePointer<CChar>, _ count: CInt) {
            guard depth > 1 else { return }
            bytes += UnsafeBufferPointer(start: text, count: Int(count)).map { UInt8(bitPattern: $0) }
        }
    }

    private typealias Start =
        @convention(c) (
            UnsafeMutableRawPointer?, UnsafePointer<CChar>, UnsafeMutablePointer<UnsafePointer<CChar>?>
        ) -> Void
    private typealias End = @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>) -> Void
    private typealias Text = @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>, CInt) -> Void

    private let create: @convention(c) (UnsafePointer<CChar>?, CChar) -> OpaquePointer?
    private let free: @convention(c) (OpaquePointer) -> Void
    private let parse: @convention(c) (OpaquePointer, UnsafePointer<UInt8>, CInt, CInt) -> CInt
    private let setUserData: @convention(c) (OpaquePointer, UnsafeMutableRawPointer?) -> Void
    private let setElementHandler: @convention(c) (OpaquePointer, Start, End) -> Void
    private let setTextHandler: @convention(c) (OpaquePointer, Text) -> Void

    /// Loads the library, which Python needs, and so do the tests.
    init() {
        guard let library = dlopen("libexpat.so.1", RTLD_NOW) else { fatalError("no libexpat.so.1: python3 is not installed") }
        func function<F>(_ name: String, _ type: F.Type) -> F {
            guard let symbol = dlsym(library, name) else { fatalError("libexpat has no \(name)") }
            return unsafeBitCast(symbol, to: type)
        }
        create = function("XML_ParserCreateNS", (@convention(c) (UnsafePointer<CChar>?, CChar) -> OpaquePointer?).self)
        free = function("XML_ParserFree", (@convention(c) (OpaquePointer) -> Void).self)
        parse = function("XML_Parse", (@convention(c) (OpaquePointer, UnsafePointer<UInt8>, CInt, CInt) -> CInt).self)
        setUserData = function("XML_SetUserData", (@convention(c) (OpaquePointer, UnsafeMutableRawPointer?) -> Void).self)
        setElementHandler = function("XML_SetElementHandler", (@convention(c) (OpaquePointer, Start, End) -> Void).self)
        setTextHandler = function("XML_SetCharacterDataHandler", (@convention(c) (OpaquePointer, Text) -> Void).self)
    }

    /// What programs set between namespace and name: slixmpp and everything else on Python's ElementTree, Prosody, libstrophe,
    /// Gajim, and two that others use.
    static let separators = "}\u{1}| \n\t".utf8.map { $0 }

    /// What expat reads in `stanza`, inside a root that declares `declarations`; nil if it refuses it.
    func read(_ stanza: [UInt8], declarations: String = "", separator: UInt8 = UInt8(ascii: "|")) -> [UInt8]? {
        guard let parser = create("UTF-8", CChar(bitPattern: separator)) else { fatalError("no memory") }
        defer { free(parser) }
        let dump = Dump(separator)
        setUserData(parser, Unmanaged.passUnretained(dump).toOpaque())
        setElementHandler(
            parser, { Unmanaged<Dump>.fromOpaque($0!).takeUnretainedValue().start($1, $2) },
            { user, _ in Unmanaged<Dump>.fromOpaque(user!).takeUnretainedValue().end() })
        setTextHandler(parser) { Unmanaged<Dump>.fromOpaque($0!).takeUnretainedValue().text($1, $2) }
        let document = Array("<r\(declarations)>".utf8) + stanza + Array("</r>".utf8)
        let isAccepted = withExtendedLifetime(dump) { parse(parser, document, CInt(document.count), 1) == 1 }
        return isAccepted ? dump.bytes : nil
    }
}
