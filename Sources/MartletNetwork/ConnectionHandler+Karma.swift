import MartletBus
import NIOCore
import XMPPStreams

/// What a connection costs, who pays for it, and how it rests where that is more than a fair share.
extension ConnectionHandler {
    /// What reading has cost since it was last said to whoever pays.
    struct Costs {
        /// Microseconds (``WorkPrice``).
        var work: Int64 = 0
        /// The address that pays as long as nobody has logged in, and what it was charged.
        var address: RemoteAddress?
        var charged: Int64 = 0
        /// What is written now answers what is being read.
        var isReading = false

        /// Bytes were read. Whether somebody is to hear of it now.
        mutating func read(_ bytes: Int) -> Bool {
            work += WorkPrice.read + Int64(bytes) * WorkPrice.kibibyteRead / 1024
            return work >= Self.piece || address != nil
        }

        /// The stream answered what was read by itself: the site does not hear of it.
        mutating func answered(_ bytes: Int) {
            work += WorkPrice.event + WorkPrice.delivery + Int64(bytes) * WorkPrice.kibibyteSent / 1024
        }

        /// The site hears of it in pieces of a fiftieth of a second: an event for each read would cost more than it counts.
        static let piece: Int64 = 20_000
        /// Less is not worth a word at the end.
        static let least: Int64 = 500
        /// Shorter waits are not worth a timer, milliseconds.
        static let shortestWait: Int64 = 5
    }

    /// A connection was accepted: what it will cost is charged before anything of it is read, so that those of one address queue.
    func chargeBeginning() {
        guard let address = costs.address else { return }
        costs.work = WorkPrice.connection
        costs.charged = costs.work
        wait(loop.logins.begin(address, costs.work), address)
    }

    /// Tells the engine what the other side has said: what it answers by itself is paid for too.
    func hear(_ fact: (inout StreamEngine, inout [StreamAction]) -> Void) {
        costs.isReading = true
        tell(fact)
        costs.isReading = false
    }

    /// Bytes were read.
    func chargeRead(_ bytes: Int) {
        guard costs.read(bytes) else { return }
        if costs.address == nil { sayCosts() } else if engine.isAuthenticated { chargeOwner() } else { chargeAddress() }
    }

    private func chargeAddress() {
        guard let address = costs.address else { return }
        let more = costs.work - costs.charged
        costs.charged = costs.work
        wait(loop.logins.goOn(address, more), address)
    }

    private func wait(_ milliseconds: Int64, _ address: RemoteAddress) {
        guard milliseconds >= Costs.shortestWait else { return }
        rest(milliseconds)
        loop.site.post(.restedAtLogin(address, milliseconds: milliseconds))
    }

    /// Somebody has logged in and pays for everything, what it took to log in included.
    private func chargeOwner() {
        guard let address = costs.address else { return }
        loop.logins.giveBack(address, costs.charged)
        costs.address = nil
        sayCosts()
    }

    /// Tells the site what reading has cost.
    func sayCosts() {
        if case .attempt = listener { return }
        if case .client = listener {
            report(ClientStreamEvent.spent(costs.work))
        } else {
            report(PeerStreamEvent.spent(costs.work))
        }
        costs.work = 0
    }

    /// The connection is over: what its owner has not been told goes before that.
    func sayLastCosts() {
        if costs.address == nil, costs.work >= Costs.least { sayCosts() }
    }

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

    /// It is read again.
    func restIsOver() {
        handover.restEnded()
        goOn()
        flush()
    }
}
