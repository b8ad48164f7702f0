import NIOCore

/// How a connection rests whose party has caused more work than its share.
extension ConnectionHandler {
    /// Whoever speaks here has caused more than its share: nothing is taken or read for that time.
    func rest(_ milliseconds: Int64) {
        let end = NIODeadline.now() + .milliseconds(milliseconds)
        guard end > restUntil, isOpen else { return }
        restUntil = end
        if handover.isResting { return }
        handover.restBegan()
        loop.after(milliseconds, id) { $0.lookedAtRest() }
    }

    private func lookedAtRest() {
        guard handover.isResting else { return }
        let left = restUntil - .now()
        if left > .zero { return loop.after(left.nanoseconds / 1_000_000 + 1, id) { $0.lookedAtRest() } }
        restIsOver()
    }

    func restIsOver() {
        handover.restEnded()
        goOn()
        flush()
    }
}
