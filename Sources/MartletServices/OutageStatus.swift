// XEP-0455: Service Outage Status, version 0.4.0, complete for a server; the document is the operator's
import MartletBus
import XMPPStanzas
import XMPPXML

/// Where people read what is wrong while the server is out of order: clients remember it from the answer to a disco#info request.
public enum OutageStatus {
    /// For people's domains.
    public static let declaration = ServiceDeclaration(
        "OutageStatus",
        forms: [.init(of: [.host(.people)]) { $0.outageStatus.isEmpty ? nil : form($0.outageStatus).element }])

    /// XEP-0455 §2.1.
    private static func form(_ addresses: [String]) -> DataForm {
        var form = DataForm(.result)
        form.fields = [
            .init("FORM_TYPE", type: "hidden", values: [Namespaces.outageStatus]),
            .init("external-status-addresses", type: "list-multi", values: addresses),
        ]
        return form
    }
}
