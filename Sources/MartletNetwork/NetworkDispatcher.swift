import Logging
import MartletBus
import MartletRuntime
import NIOCore
import Synchronization
import XMPPStreams

/// Carries the site's effects to the event loops: one mailbox entry per loop and batch, in turn order.
///
/// Called on the site's thread only.
final class NetworkDispatcher: EffectDispatcher {
    /// What leaves the network: answers for the control socket, diagnostics, the end of a shutdown.
    typealias Elsewhere = @Sendable (Effect) -> Void

    private let mailboxes: [LoopMailbox<ConnectionLoop.Item>]
    /// The only loop, where the site lives on it.
    private let here: NIOLoopBound<ConnectionLoop>?
    private let work: WorkDispatcher
    private let elsewhere: Elsewhere

    init(
        mailboxes: [LoopMailbox<ConnectionLoop.Item>], here: NIOLoopBound<ConnectionLoop>?, work: WorkDispatcher,
        elsewhere: @escaping Elsewhere
    ) {
        self.mailboxes = mailboxes
        self.here = here
        self.work = work
        self.elsewhere = elsewhere
    }

    func dispatch(_ effects: [Effect]) {
        if let here { return perform(effects, on: here.value) }
        var perLoop = [[ConnectionLoop.Item]](repeating: [], count: mailboxes.count)
        for effect in effects {
            switch effect {
            case .stream(let id, let command):
                guard Int(id.loop) < perLoop.count else { continue }
                perLoop[Int(id.loop)].append(.command(slot: id.slot, generation: id.generation, command))
            case .dial(let request):
                perLoop[loop(of: request.id)].append(.dial(request))
            case .cancelDial(let id):
                perLoop[loop(of: id)].append(.cancelDial(id))
            case .work(let id, let work):
                self.work.begin(id, work)
            case .withhold(let mechanisms):
                for loop in perLoop.indices { perLoop[loop].append(.withhold(mechanisms)) }
            case .answer, .note, .shutdownComplete:
                elsewhere(effect)
            }
        }
        post(perLoop)
    }

    private func perform(_ effects: [Effect], on loop: ConnectionLoop) {
        for effect in effects {
            switch effect {
            case .stream(let id, let command): loop.perform(command, on: id.slot, id.generation)
            case .dial(let request): loop.dialer?.dial(request)
            case .cancelDial(let id): loop.dialer?.cancel(id)
            case .work(let id, let work): self.work.begin(id, work)
            case .withhold(let mechanisms): loop.withhold(mechanisms)
            case .answer, .note, .shutdownComplete: elsewhere(effect)
            }
        }
        loop.flush()
    }

    func handled(_ reports: [HandledReport]) {
        var perLoop = [[ConnectionLoop.Item]](repeating: [], count: mailboxes.count)
        for report in reports where Int(report.connection.loop) < perLoop.count {
            let id = report.connection
            perLoop[Int(id.loop)].append(.handled(slot: id.slot, generation: id.generation, report.count))
        }
        post(perLoop)
    }

    private func post(_ perLoop: [[ConnectionLoop.Item]]) {
        for (mailbox, items) in zip(mailboxes, perLoop) { mailbox.post(items) }
    }

    /// Attempts are spread over the loops by their number; an attempt and its cancellation meet on the same one.
    private func loop(of id: DialID) -> Int { Int(id.value % UInt64(mailboxes.count)) }
}
