extension Namespaces {
    /// XEP-0133: Service Administration.
    public static let administration = "http://jabber.org/protocol/admin"
    /// XEP-0033: Extended Stanza Addressing.
    public static let addresses = "http://jabber.org/protocol/address"
    /// XEP-0455: Service Outage Status.
    public static let outageStatus = "urn:xmpp:sos:0"
    /// Between Martlet sites: words for everybody at an office.
    public static let announcement = "urn:martlet:announcement:0"
}
