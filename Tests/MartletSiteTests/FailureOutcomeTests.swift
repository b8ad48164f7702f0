import Testing
import XMPPStanzas
import XMPPStreams

@testable import MartletFederation

/// What follows when an attempt or a stream fails, as a table.
@Suite struct FailureOutcomeTests {
    private static let stranger = FailureCircumstances(isStranger: true, absences: 1)
    private static let known = FailureCircumstances(isStranger: false, absences: 1)

    private static func absent(_ times: Int, isStranger: Bool, hasProvenStream: Bool = false) -> FailureOutcome {
        FailureOutcome(
            of: .attempt(.noSuchDomain),
            FailureCircumstances(isStranger: isStranger, absences: times, hasProvenStream: hasProvenStream))
    }

    @Test(
        "what may pass is transient, for a stranger and for a peer that was reached before",
        arguments: [DialFailure.unreachable("no route"), .refused("not authorized")])
    func transient(_ failure: DialFailure) {
        #expect(FailureOutcome(of: .attempt(failure), Self.stranger) == .backOff(answersBeside: true))
        #expect(FailureOutcome(of: .attempt(failure), Self.known) == .backOff(answersBeside: true))
    }

    @Test(
        "with nothing to bring, whoever was not reached for a day is not called again; a permanent failure stays one",
        arguments: [DialFailure.unreachable("no route"), .refused("not authorized")])
    func unneeded(_ failure: DialFailure) {
        for isStranger in [true, false] {
            var circumstances = FailureCircumstances(isStranger: isStranger, isNeeded: false)
            #expect(FailureOutcome(of: .attempt(failure), circumstances) == .rest)
            circumstances.wasReachedLately = true
            #expect(FailureOutcome(of: .attempt(failure), circumstances) == .backOff(answersBeside: true))
        }
        let unneeded = FailureCircumstances(isStranger: true, absences: 2, isNeeded: false)
        #expect(FailureOutcome(of: .attempt(.noSuchDomain), unneeded) == .giveUp(StanzaError(.remoteServerNotFound)))
        #expect(FailureOutcome(of: .attempt(.serviceNotOffered), unneeded) == .giveUp(StanzaError(.remoteServerNotFound)))
        let known = FailureCircumstances(isStranger: false, absences: 2, isNeeded: false)
        #expect(FailureOutcome(of: .attempt(.noSuchDomain), known) == .rest)
    }

    @Test("a stranger that says it offers no service does not exist; a peer that was reached is believed to come back")
    func notOffered() {
        let failure = LinkFailure.attempt(.serviceNotOffered)
        #expect(FailureOutcome(of: failure, Self.stranger) == .giveUp(StanzaError(.remoteServerNotFound)))
        #expect(FailureOutcome(of: failure, Self.known) == .backOff(answersBeside: true))
    }

    @Test("a stranger does not exist if DNS says so twice in a row; after the first time nobody is answered")
    func absentStranger() {
        #expect(Self.absent(1, isStranger: true) == .backOff(answersBeside: false))
        #expect(Self.absent(2, isStranger: true) == .giveUp(StanzaError(.remoteServerNotFound)))
        #expect(Self.absent(3, isStranger: true) == .giveUp(StanzaError(.remoteServerNotFound)))
    }

    @Test("DNS is not believed about a peer that was reached, or that has a stream to us")
    func absentPeer() {
        for times in 1...3 { #expect(Self.absent(times, isStranger: false) == .backOff(answersBeside: true)) }
        #expect(Self.absent(1, isStranger: true, hasProvenStream: true) == .backOff(answersBeside: false))
        #expect(Self.absent(2, isStranger: true, hasProvenStream: true) == .backOff(answersBeside: true))
    }

    @Test("a stream that somebody needs is followed by another one, any other by rest")
    func stream() {
        let unneeded = FailureCircumstances(isStranger: false, isNeeded: false)
        #expect(FailureOutcome(of: .stream("cut", .loss), Self.known) == .backOff(answersBeside: true))
        #expect(FailureOutcome(of: .stream("cut", .loss), unneeded) == .rest)
    }

    @Test("who answers and will not have us is told apart from who does not answer")
    func rebuffs() {
        #expect(LinkFailure.attempt(.unreachable("connection refused")).setback == .noAnswer)
        for failure: DialFailure in [.refused("no"), .serviceNotOffered, .noSuchDomain] {
            #expect(LinkFailure.attempt(failure).setback == .rebuff)
        }
    }

    @Test("patience with a stranger ends with a time-out, not with the claim that it does not exist")
    func patience() {
        #expect(FailureOutcome(of: .patience, Self.stranger) == .giveUp(StanzaError(.remoteServerTimeout)))
    }
}
