/// Where in a TOML document a value is: keys of tables and indices of arrays from the root.
struct ConfigurationPath: Hashable {
    /// One step down.
    enum Component: Hashable {
        case key(String)
        case index(Int)
    }

    private(set) var components: [Component] = []

    /// The path of the document.
    static let root = ConfigurationPath()

    func appending(_ key: String) -> ConfigurationPath { appending(.key(key)) }

    func appending(_ index: Int) -> ConfigurationPath { appending(.index(index)) }

    private func appending(_ component: Component) -> ConfigurationPath {
        var path = self
        path.components.append(component)
        return path
    }

    /// The path of the table or array that holds the value, `nil` for the document.
    var parent: ConfigurationPath? {
        guard !components.isEmpty else { return nil }
        var path = self
        path.components.removeLast()
        return path
    }
}

extension ConfigurationPath: CustomStringConvertible {
    /// As one would write it: keys that are no bare keys (TOML 1.0, "Keys") in quotation marks.
    var description: String {
        var text = ""
        for component in components {
            switch component {
            case .index(let index): text += "[\(index)]"
            case .key(let key):
                if !text.isEmpty { text += "." }
                let isBare = !key.isEmpty && key.utf8.allSatisfy(KeyLines.isBareKeyByte)
                text += isBare ? key : key.inQuotes
            }
        }
        return text
    }
}

extension String {
    /// The text in quotation marks, unprintable characters escaped. (TOMLKit replaces `debugDescription` of strings.)
    var inQuotes: String {
        var text = "\""
        for scalar in unicodeScalars { text += scalar.escaped(asASCII: false) }
        return text + "\""
    }
}
