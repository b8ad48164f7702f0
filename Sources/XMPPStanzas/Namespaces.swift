/// The XML namespaces of the protocols the server speaks, each under the name its specification gives it.
public enum Namespaces {
    /// RFC 6120 §4.8.1: the stream.
    public static let streams = "http://etherx.jabber.org/streams"
    /// RFC 6120 §4.8.2: content between client and server; also the form in which stanzas are held inside.
    public static let client = "jabber:client"
    /// RFC 6120 §4.8.2: content between servers.
    public static let server = "jabber:server"
    /// XEP-0114: content between a component and its server.
    public static let component = "jabber:component:accept"
    /// RFC 6120 §4.9.3: stream error conditions.
    public static let streamErrors = "urn:ietf:params:xml:ns:xmpp-streams"
    /// RFC 6120 §8.3.3: stanza error conditions.
    public static let stanzaErrors = "urn:ietf:params:xml:ns:xmpp-stanzas"
    /// RFC 6120 §5: STARTTLS.
    public static let tls = "urn:ietf:params:xml:ns:xmpp-tls"
    /// RFC 6120 §6: SASL.
    public static let sasl = "urn:ietf:params:xml:ns:xmpp-sasl"
    /// XEP-0388: Extensible SASL Profile.
    public static let extensibleSASL = "urn:xmpp:sasl:2"
    /// XEP-0078: Non-SASL Authentication.
    public static let oldLogin = "jabber:iq:auth"
    /// XEP-0445: an invitation that is shown.
    public static let preauthorization = "urn:xmpp:pars:0"
    /// XEP-0445 §3: the stream feature.
    public static let invitations = "urn:xmpp:ibr-token:0"
    /// XEP-0386: Bind 2.
    public static let bind2 = "urn:xmpp:bind:0"
    /// XEP-0484: Fast Authentication Streamlining Tokens.
    public static let fast = "urn:xmpp:fast:0"
    /// XEP-0494: Client Access Management.
    public static let clientAccess = "urn:xmpp:cam:0"
    /// XEP-0440: SASL Channel-Binding Type Capability.
    public static let saslChannelBinding = "urn:xmpp:sasl-cb:0"
    /// RFC 6120 §7: resource binding.
    public static let bind = "urn:ietf:params:xml:ns:xmpp-bind"
    /// RFC 3921: session establishment, a no-op kept for old clients (RFC 6121 appendix E).
    public static let session = "urn:ietf:params:xml:ns:xmpp-session"
    /// RFC 6121 §2: roster.
    public static let roster = "jabber:iq:roster"
    /// RFC 6121 §2.6: roster versioning stream feature.
    public static let rosterVersioning = "urn:xmpp:features:rosterver"
    /// RFC 6121 §3.4: subscription pre-approval stream feature.
    public static let preApproval = "urn:xmpp:features:pre-approval"
    /// XEP-0220: Server Dialback.
    public static let dialback = "jabber:server:dialback"
    /// XEP-0220 §2.4: the dialback stream feature.
    public static let dialbackFeature = "urn:xmpp:features:dialback"
    /// XEP-0198: Stream Management.
    public static let streamManagement = "urn:xmpp:sm:3"
    /// XEP-0288: Bidirectional Server-to-Server Connections.
    public static let bidi = "urn:xmpp:bidi"
    /// XEP-0288: the stream feature.
    public static let bidiFeature = "urn:xmpp:features:bidi"
    /// XEP-0077: In-Band Registration.
    public static let register = "jabber:iq:register"
    /// XEP-0077 §10: the registration stream feature.
    public static let registerFeature = "http://jabber.org/features/iq-register"
    /// XEP-0030: Service Discovery, information.
    public static let discoInfo = "http://jabber.org/protocol/disco#info"
    /// XEP-0030: Service Discovery, items.
    public static let discoItems = "http://jabber.org/protocol/disco#items"
    /// XEP-0050: Ad-Hoc Commands.
    public static let commands = "http://jabber.org/protocol/commands"
    /// XEP-0004: Data Forms.
    public static let dataForms = "jabber:x:data"
    /// XEP-0199: XMPP Ping.
    public static let ping = "urn:xmpp:ping"
    /// XEP-0092: Software Version.
    public static let version = "jabber:iq:version"
    /// XEP-0202: Entity Time.
    public static let time = "urn:xmpp:time"
    /// XEP-0215: External Service Discovery.
    public static let externalServices = "urn:xmpp:extdisco:2"
    /// XEP-0203: Delayed Delivery.
    public static let delay = "urn:xmpp:delay"
    /// XEP-0045, what an occupant sends.
    public static let rooms = "http://jabber.org/protocol/muc"
    /// XEP-0045: what a room says to a user.
    public static let roomUser = "http://jabber.org/protocol/muc#user"
    /// XEP-0045: what owners ask of a room.
    public static let roomOwner = "http://jabber.org/protocol/muc#owner"
    /// XEP-0045: what admins and moderators ask of a room.
    public static let roomAdmin = "http://jabber.org/protocol/muc#admin"
    /// XEP-0045 §15.5.3: the form of a room's configuration.
    public static let roomConfiguration = "http://jabber.org/protocol/muc#roomconfig"
    /// XEP-0045 §15.5.4: the form in which service discovery tells about a room.
    public static let roomInformation = "http://jabber.org/protocol/muc#roominfo"
    /// XEP-0045 §8.6: the form by which somebody asks for voice.
    public static let roomRequest = "http://jabber.org/protocol/muc#request"
    /// XEP-0045 §7.10: the form by which somebody asks to become a member.
    public static let roomRegistration = "http://jabber.org/protocol/muc#register"
    /// XEP-0421: Occupant identifiers.
    public static let occupantID = "urn:xmpp:occupant-id:0"
    /// XEP-0410: MUC Self-Ping, the feature of a server that answers itself.
    public static let selfPing = "http://jabber.org/protocol/muc#self-ping-optimization"
    /// XEP-0249: Direct MUC Invitations.
    public static let conference = "jabber:x:conference"
    /// XEP-0478: Stream Limits Advertisement.
    public static let streamLimits = "urn:xmpp:stream-limits:0"
    /// XEP-0085: Chat State Notifications.
    public static let chatStates = "http://jabber.org/protocol/chatstates"
    /// XEP-0334: Message Processing Hints.
    public static let hints = "urn:xmpp:hints"
    /// XEP-0012: Last Activity.
    public static let lastActivity = "jabber:iq:last"
    /// XEP-0357: Push Notifications.
    public static let push = "urn:xmpp:push:0"
    /// XEP-0065.
    public static let bytestreams = "http://jabber.org/protocol/bytestreams"
    /// XEP-0060: requests to nodes.
    public static let nodes = "http://jabber.org/protocol/pubsub"
    /// XEP-0191: Blocking Command.
    public static let blocking = "urn:xmpp:blocking"
    /// XEP-0191 §3.3: why something was not sent.
    public static let blockingErrors = "urn:xmpp:blocking:errors"
    /// XEP-0377: Spam Reporting.
    public static let reporting = "urn:xmpp:reporting:1"
    /// XEP-0280: Message Carbons.
    public static let carbons = "urn:xmpp:carbons:2"
    /// XEP-0280 §6.2: all of its rules hold.
    public static let carbonRules = "urn:xmpp:carbons:rules:0"
    /// XEP-0352: Client State Indication.
    public static let clientState = "urn:xmpp:csi:0"
    /// XEP-0060: what a node tells its subscribers.
    public static let nodeEvents = "http://jabber.org/protocol/pubsub#event"
    /// XEP-0359: Unique and Stable Stanza IDs.
    public static let stanzaID = "urn:xmpp:sid:0"
    /// XEP-0079: Advanced Message Processing.
    public static let advancedMessageProcessing = "http://jabber.org/protocol/amp"
    /// XEP-0131: Stanza Headers and Internet Metadata.
    public static let stanzaHeaders = "http://jabber.org/protocol/shim"
    /// XEP-0160: offline storage, as a disco feature.
    public static let offline = "msgoffline"
    /// Between Martlet sites: `Docs/relay-protocol.md`.
    public static let relay = "urn:martlet:relay:0"
    /// XEP-0363: HTTP File Upload.
    public static let upload = "urn:xmpp:http:upload:0"
    /// XEP-0363 §5: what a file is for.
    public static let uploadPurpose = "urn:xmpp:http:upload:purpose:0"
    /// Between Martlet sites: parts of files, and which files belong to a message.
    public static let files = "urn:martlet:files:0"
    /// The xml prefix.
    public static let xml = "http://www.w3.org/XML/1998/namespace"
}
