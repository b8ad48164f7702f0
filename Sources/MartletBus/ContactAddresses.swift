// XEP-0157: Contact Addresses for XMPP Services, version 1.1.1, administrators only
import XMPPXML

/// Where the administrator is reached, as a data form in the server's disco#info.
enum ContactAddresses {
    private static let dataForms = "jabber:x:data"

    /// XEP-0157 §2.
    static func form(_ contact: String) -> Element {
        var form = Element("x", dataForms, [("type", "result")])
        form.append(field("FORM_TYPE", "http://jabber.org/network/serverinfo", type: "hidden"))
        form.append(field("admin-addresses", contact, type: "list-multi"))
        return form
    }

    private static func field(_ name: String, _ value: String, type: String) -> Element {
        Element("field", dataForms, [("var", name), ("type", type)], elements: [Element("value", dataForms, text: value)])
    }
}
