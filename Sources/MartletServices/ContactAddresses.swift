// XEP-0157: Contact Addresses for XMPP Services, version 1.1.1, administrators only
import MartletBus
import XMPPStanzas
import XMPPXML

/// Where the administrator is reached, as a data form in the answer to a disco#info request.
public enum ContactAddresses {
    /// For people's domains.
    public static let declaration = ServiceDeclaration(
        "ContactAddresses", forms: [.init(of: [.host(.people)]) { $0.adminContact.map(form) }])

    /// XEP-0157 §2.
    private static func form(_ contact: String) -> Element {
        var form = Element("x", Namespaces.dataForms, [("type", "result")])
        form.append(field("FORM_TYPE", "http://jabber.org/network/serverinfo", type: "hidden"))
        form.append(field("admin-addresses", contact, type: "list-multi"))
        return form
    }

    private static func field(_ name: String, _ value: String, type: String) -> Element {
        Element(
            "field", Namespaces.dataForms, [("var", name), ("type", type)],
            elements: [Element("value", Namespaces.dataForms, text: value)])
    }
}
