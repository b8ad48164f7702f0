extension Element {
    /// Serialises into `bytes`; `defaultNamespace` is the one in force around it: `xmlns` is written only where it differs.
    public func write(to bytes: inout [UInt8], within defaultNamespace: String) {
        write(to: &bytes, within: defaultNamespace, prefixes: [])
    }

    /// Serialises into `bytes` inside `context`: an element whose namespace has a prefix there is written with it, as streams do with
    /// `stream:features` and `db:result`.
    public func write(to bytes: inout [UInt8], within context: NamespaceContext) {
        write(to: &bytes, within: context.defaultNamespace, prefixes: context.prefixes)
    }

    /// The serialised element; `defaultNamespace` as in `write(to:within:)`.
    public func serialized(within defaultNamespace: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(256)
        write(to: &bytes, within: defaultNamespace)
        return bytes
    }

    private func write(to bytes: inout [UInt8], within defaultNamespace: String, prefixes: [NamespaceContext.Binding]) {
        let prefix: String? =
            if namespace == defaultNamespace {
                nil
            } else if namespace == XMLNamespace.xml {
                "xml"  // must not be declared as a default namespace
            } else {
                prefixes.first(where: { $0.namespace == namespace })?.prefix
            }
        bytes.append(UInt8(ascii: "<"))
        writeQualifiedName(prefix, to: &bytes)
        var inner = defaultNamespace
        if prefix == nil, namespace != defaultNamespace {
            XMLWriter.attribute("xmlns", namespace, to: &bytes)
            inner = namespace
        }
        writeAttributes(to: &bytes, prefixes: prefixes)
        if children.isEmpty {
            bytes.append(contentsOf: "/>".utf8)
            return
        }
        bytes.append(UInt8(ascii: ">"))
        for child in children {
            switch child {
            case .text(let text): XMLWriter.escapeText(text, to: &bytes)
            case .element(let element): element.write(to: &bytes, within: inner, prefixes: prefixes)
            }
        }
        bytes.append(contentsOf: "</".utf8)
        writeQualifiedName(prefix, to: &bytes)
        bytes.append(UInt8(ascii: ">"))
    }

    private func writeQualifiedName(_ prefix: String?, to bytes: inout [UInt8]) {
        if let prefix {
            bytes.append(contentsOf: prefix.utf8)
            bytes.append(UInt8(ascii: ":"))
        }
        bytes.append(contentsOf: name.utf8)
    }

    /// Attributes in other namespaces get prefixes `a0`, `a1`, … declared on the same element, whatever prefix they were received with.
    private func writeAttributes(to bytes: inout [UInt8], prefixes: [NamespaceContext.Binding]) {
        var declared: [NamespaceContext.Binding] = []
        for attribute in attributes {
            switch attribute.namespace {
            case "":
                XMLWriter.attribute(attribute.name, attribute.value, to: &bytes)
            case XMLNamespace.xml:
                XMLWriter.attribute(attribute.name, prefix: "xml", attribute.value, to: &bytes)
            case let namespace:
                let known = declared.first { $0.namespace == namespace }
                let binding = known ?? .init(prefix: Self.freshPrefix(declared.count, besides: prefixes), namespace: namespace)
                if known == nil {
                    XMLWriter.attribute(binding.prefix, prefix: "xmlns", namespace, to: &bytes)
                    declared.append(binding)
                }
                XMLWriter.attribute(attribute.name, prefix: binding.prefix, attribute.value, to: &bytes)
            }
        }
    }

    /// A prefix that hides none of the context's, because a descendant may be written with one of those.
    private static func freshPrefix(_ number: Int, besides prefixes: [NamespaceContext.Binding]) -> String {
        var prefix = "a\(number)"
        while prefixes.contains(where: { $0.prefix == prefix }) { prefix += "_" }
        return prefix
    }
}
