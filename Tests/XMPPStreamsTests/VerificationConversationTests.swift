import Testing
import XMPPAddress
import XMPPStanzas

@testable import XMPPStreams

@Suite("Stream to an authoritative server")
struct VerificationConversationTests {
    typealias Link = LinkConversationTests

    static func connected(requiresCertificate: Bool = false) -> Conversation {
        var talk = Conversation(
            .verification(Link.pair, key: "k3y", streamID: "417GAF25", requiresCertificate: requiresCertificate),
            domains: ["capulet.example"])
        talk.connect()
        talk.play("< \(Link.header)")
        return talk
    }

    static func asked() -> Conversation {
        var talk = connected()
        talk.play(
            """
            > \(Link.answer)<stream:features><starttls \(Link.tls)/></stream:features>
            < <starttls \(Link.tls)/>
            > <proceed \(Link.tls)/>
            ! start TLS with montague.example
            """)
        talk.secure()
        talk.play(
            """
            < \(Link.header)
            > \(Link.answer)<stream:features>\(Link.dialback)</stream:features>
            < <db:verify from='capulet.example' to='montague.example' id='417GAF25'>k3y</db:verify>
            """)
        return talk
    }

    @Test(
        "XEP-0220 §2.1.2: the answer is passed on and the stream closed",
        arguments: [
            ("type='valid'/>", "valid"), ("type='invalid'/>", "invalid"),
            (
                "type='error'><error type='cancel'><item-not-found \(Link.stanzas)/></error></db:verify>",
                "remote-server-not-found (montague.example answers dialback with item-not-found)"
            ),
        ])
    func answer(rest: String, verdict: String) {
        var talk = Self.asked()
        talk.play(
            """
            > <db:verify from='montague.example' to='capulet.example' id='other' type='valid'/>
            > <db:verify from='other.example' to='capulet.example' id='417GAF25' type='valid'/>
            > <db:result from='montague.example' to='capulet.example' type='valid'/>
            > <db:verify from='montague.example' to='capulet.example' id='417GAF25' \(rest)
            ! verdict \(verdict)
            < </stream:stream>
            ! close
            """)
        talk.disconnect()
        talk.fireTimers()
        #expect(talk.takeDeeds() == [])
    }

    @Test("whatever goes wrong is an error, once")
    func failures() {
        var talk = Self.asked()
        talk.disconnect("connection reset")
        talk.play("! verdict remote-server-not-found (connection reset)")

        talk = Self.asked()
        talk.fireTimers()
        #expect(
            talk.takeDeeds().last
                == .done("verdict remote-server-not-found (the stream was not negotiated in time)"))

        talk = Self.connected()
        talk.play(
            """
            > \(Link.answer)<stream:features/>
            < </stream:stream>
            ! close
            ! verdict remote-server-not-found (montague.example offers no TLS)
            """)

        talk = Self.connected(requiresCertificate: true)
        talk.receive("\(Link.answer)<stream:features><starttls \(Link.tls)/></stream:features>")
        talk.receive("<proceed \(Link.tls)/>")
        _ = talk.takeDeeds()
        talk.secure()
        talk.play(
            """
            ! close
            ! verdict remote-server-not-found (montague.example shows no certificate)
            """)
    }
}
