// XEP-0004: Data Forms, version 2.13.2, what our own forms need: no media, no reported items
import XMPPXML

/// A form, or what was filled in.
public struct DataForm: Hashable, Sendable {
    /// XEP-0004 §3.1.
    public enum Kind: String, Sendable {
        case form, submit, cancel, result
    }

    /// XEP-0004 §3.2.
    public struct Field: Hashable, Sendable {
        /// The `var` attribute; empty for text between fields.
        public var name: String
        /// The `type` attribute, nil in a submission that leaves it out.
        public var type: String?
        /// Words for a person.
        public var label: String?
        /// The values, in order.
        public var values: [String]
        /// What can be chosen: label and value.
        public var options: [Option]
        /// Whether it has to be filled in.
        public var isRequired = false

        /// That field.
        public init(
            _ name: String, type: String? = nil, label: String? = nil, values: [String] = [], options: [Option] = []
        ) {
            self.name = name
            self.type = type
            self.label = label
            self.values = values
            self.options = options
        }
    }

    /// A choice of a list.
    public struct Option: Hashable, Sendable {
        /// What people read.
        public var label: String
        /// What is submitted.
        public var value: String

        /// That choice.
        public init(_ label: String, value: String) {
            self.label = label
            self.value = value
        }
    }

    /// What the form is for.
    public var kind: Kind
    /// The heading.
    public var title: String?
    /// What to do.
    public var instructions: String?
    /// The fields, in order.
    public var fields: [Field] = []

    /// An empty form.
    public init(_ kind: Kind, title: String? = nil, instructions: String? = nil) {
        self.kind = kind
        self.title = title
        self.instructions = instructions
    }

    /// Reads an `<x/>`; nil if it is none of XEP-0004 or of a type that does not exist.
    public init?(_ element: Element) {
        guard element.is("x", Namespaces.dataForms), let kind = element["type"].flatMap(Kind.init(rawValue:)) else {
            return nil
        }
        self.init(
            kind, title: element.first("title", Namespaces.dataForms)?.text,
            instructions: element.first("instructions", Namespaces.dataForms)?.text)
        fields = element.all("field", Namespaces.dataForms).map { field in
            Field(
                field["var"] ?? "", type: field["type"], label: field["label"],
                values: field.all("value", Namespaces.dataForms).map(\.text),
                options: field.all("option", Namespaces.dataForms).map {
                    Option($0["label"] ?? "", value: $0.first("value", Namespaces.dataForms)?.text ?? "")
                })
        }
    }

    /// The values of a field; none where there is no such field.
    public func values(_ name: String) -> [String] { fields.first { $0.name == name }?.values ?? [] }

    /// The form as XML.
    public var element: Element {
        var form = Element("x", Namespaces.dataForms, [("type", kind.rawValue)])
        if let title { form.append(Element("title", Namespaces.dataForms, text: title)) }
        if let instructions { form.append(Element("instructions", Namespaces.dataForms, text: instructions)) }
        for field in fields { form.append(Self.element(field)) }
        return form
    }

    private static func element(_ field: Field) -> Element {
        var element = Element("field", Namespaces.dataForms)
        if !field.name.isEmpty { element["var"] = field.name }
        element["type"] = field.type
        element["label"] = field.label
        if field.isRequired { element.append(Element("required", Namespaces.dataForms)) }
        for value in field.values { element.append(Element("value", Namespaces.dataForms, text: value)) }
        for option in field.options {
            let value = Element("value", Namespaces.dataForms, text: option.value)
            element.append(Element("option", Namespaces.dataForms, [("label", option.label)], elements: [value]))
        }
        return element
    }
}
