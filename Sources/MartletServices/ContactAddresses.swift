// XEP-0157: Contact Addresses for XMPP Services, version 1.1.1, complete
import MartletBus
import XMPPStanzas
import XMPPXML

/// Where those who run the server are reached, as a data form in the answer to a disco#info request.
public enum ContactAddresses {
    /// For people's domains.
    public static let declaration = ServiceDeclaration(
        "ContactAddresses", forms: [.init(of: [.host(.people)]) { $0.contacts.isEmpty ? nil : form($0.contacts).element }])

    /// XEP-0157 §2.
    private static func form(_ contacts: [ContactRole]) -> DataForm {
        var form = DataForm(.result)
        form.fields = [.init("FORM_TYPE", type: "hidden", values: ["http://jabber.org/network/serverinfo"])]
        form.fields += contacts.map { .init("\($0.name)-addresses", type: "list-multi", values: $0.addresses) }
        return form
    }
}
