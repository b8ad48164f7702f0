import Testing

@testable import XMPPStreams

/// How many elements an engine takes out of what was received.
@Suite("Allowance")
struct AllowanceTests {
    private func events(_ actions: [StreamAction]) -> [String] {
        actions.compactMap { if case .client(let event) = $0 { describe(event) } else { nil } }
    }

    private func said(_ ids: ClosedRange<Int>) -> [String] { ids.map { "stanza <message id='\($0)'/>" } }

    @Test("what one read brings beyond the allowance waits, in order, and white space and the end of the stream behind it")
    func beyond() {
        var talk = ClientConversationTests.authenticated()
        let text = (1...10).map { "<message id='\($0)'/>" }.joined(separator: " \n") + "  </stream:stream>"
        var actions: [StreamAction] = []
        talk.engine.allow(4)
        talk.engine.received(Array(text.utf8), into: &actions)
        #expect(events(actions) == said(1...4))
        #expect(talk.engine.isWithholding)
        actions = []
        talk.engine.takeOn(into: &actions)
        #expect(events(actions).isEmpty)
        talk.engine.allow(5)
        talk.engine.takeOn(into: &actions)
        #expect(events(actions) == said(5...9))
        actions = []
        talk.engine.allow(5)
        talk.engine.takeOn(into: &actions)
        #expect(events(actions) == said(10...10) + ["stream ended"])
        #expect(!talk.engine.isWithholding)
    }

    @Test("half a stanza is not withheld for long: the next allowance finds that nothing is there")
    func half() {
        var talk = ClientConversationTests.authenticated()
        var actions: [StreamAction] = []
        talk.engine.allow(1)
        talk.engine.received(Array("<message id='1'/><message ".utf8), into: &actions)
        #expect(talk.engine.isWithholding)
        talk.engine.allow(1)
        talk.engine.takeOn(into: &actions)
        #expect(!talk.engine.isWithholding)
        talk.engine.received(Array("id='2'/>".utf8), into: &actions)
        #expect(events(actions) == said(1...2))
    }

    @Test("before authentication nothing is withheld: an exchange is bounded by its bytes")
    func negotiation() {
        var talk = Conversation(.clientReceiving)
        talk.connect()
        talk.engine.allow(0)
        talk.play(
            """
            > \(ClientConversationTests.header)
            < \(ClientConversationTests.answer)<stream:features><starttls \(ClientConversationTests.tls)><required/></starttls></stream:features>
            > <starttls \(ClientConversationTests.tls)/>
            < <proceed \(ClientConversationTests.tls)/>
            ! start TLS as server
            """)
    }
}
