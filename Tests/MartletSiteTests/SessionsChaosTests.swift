import MartletBus
import MartletPrimitives
import MartletStore
import Testing
import XMPPAddress
import XMPPStanzas

@testable import MartletSessions

/// Several devices of one person that come, go, break and acknowledge when they like, on a server that crashes.
private struct Devices {
    private struct Device {
        var client: SessionsHarness.Client
        var isManaged: Bool
        var isConnected = true
        var handled: UInt32 = 0
        /// What it read and did not acknowledge.
        var unacknowledged: Set<String> = []
    }

    var site = SessionsHarness()
    var random: RandomStream
    var sent = 0
    /// Bodies that some device got or that came back.
    var ended: Set<String> = []
    private var devices: [Device?] = [nil, nil, nil]

    init(seed: UInt64) { random = RandomStream(seed: seed) }

    mutating func step() {
        let index = Int.random(in: 0..<devices.count, using: &random)
        switch UInt8.random(in: 0..<12, using: &random) {
        case 0..<4: message(to: index)
        case 4: appear(index)
        case 5...6: read(index)
        case 7: acknowledge(index)
        case 8: breakOrResume(index)
        case 9:
            site.pass(Int64.random(in: 1...400, using: &random))
        case 10:
            if UInt8.random(in: 0..<4, using: &random) == 0 { passLong() } else { leave(index) }
        default:
            if UInt8.random(in: 0..<4, using: &random) == 0 { crash() } else { changePriority(index) }
        }
    }

    private mutating func message(to index: Int) {
        let (to, type) =
            switch UInt8.random(in: 0..<6, using: &random) {
            case 0: ("juliet@pilsen.example/r\(index)", "chat")
            case 1: ("juliet@pilsen.example/r\(index)", "groupchat")
            default: ("juliet@pilsen.example", "chat")
            }
        site.receive(
            "<message from='x@brno.example/a' to='\(to)' type='\(type)' id='\(sent)'><body>\(sent)</body></message>")
        // A room's message to a device without resumption is not kept anywhere.
        if type == "groupchat", devices[index].map({ !$0.isManaged }) ?? true { ended.insert(String(sent)) }
        sent += 1
    }

    private mutating func appear(_ index: Int) {
        if devices[index] != nil { return }
        var client = site.bind("juliet", "r\(index)")
        let isManaged = Bool.random(using: &random)
        if isManaged { client.token = site.enable(client) }
        devices[index] = Device(client: client, isManaged: isManaged)
        site.send(client, "<presence/>")
        // Volatile: a crash right now would ask the client for it again.
        site.flush()
    }

    private mutating func read(_ index: Int) {
        guard let client = devices[index]?.client, devices[index]?.isConnected == true else { return }
        for element in site.takeAll(client) where ["message", "presence", "iq"].contains(element.name) {
            devices[index]?.handled &+= 1
            if let body = element.body {
                devices[index]?.unacknowledged.insert(body)
                ended.insert(body)
            }
            if devices[index]?.isManaged == false, element.name == "iq", Bool.random(using: &random) {
                site.send(client, "<iq type='result' id='\(element["id"] ?? "")' to='pilsen.example'/>")
            }
        }
        if site.closed[client.connection] != nil { devices[index] = nil }
    }

    private mutating func acknowledge(_ index: Int) {
        guard let device = devices[index], device.isManaged, device.isConnected else { return }
        site.acknowledge(device.client, device.handled)
    }

    private mutating func breakOrResume(_ index: Int) {
        guard let device = devices[index] else { return }
        if device.isConnected {
            site.lose(device.client)
            site.inboxes[device.client.connection] = nil
            if device.isManaged { devices[index]?.isConnected = false } else { devices[index] = nil }
        } else {
            resume(index, device)
        }
    }

    private mutating func resume(_ index: Int, _ device: Device) {
        let client = site.resume(device.client, h: device.handled)
        guard site.inboxes[client.connection]?.first?.name == "resumed" else {
            site.lose(client)
            devices[index] = nil
            return
        }
        devices[index]?.client = client
        devices[index]?.isConnected = true
    }

    /// A client without stream management is believed after half a minute without socket error: then it has read.
    private mutating func passLong() {
        for step in 0..<40 {
            for index in devices.indices where devices[index]?.isManaged == false { read(index) }
            site.pass(step == 0 ? site.policy.client.fenceDelay : site.policy.client.resumptionTimeout / 39 + 1)
        }
    }

    private mutating func leave(_ index: Int) {
        guard let device = devices[index], device.isConnected else { return }
        site.logout(device.client)
        devices[index] = nil
    }

    private mutating func changePriority(_ index: Int) {
        guard let device = devices[index], device.isConnected else { return }
        site.send(device.client, "<presence><priority>\(Bool.random(using: &random) ? 1 : -1)</priority></presence>")
    }

    private mutating func crash() {
        site.crash()
        for index in devices.indices {
            if devices[index]?.isManaged == true { devices[index]?.isConnected = false } else { devices[index] = nil }
        }
    }

    private mutating func noteBounces() {
        for stanza in site.takeRemote() where stanza.kind == .message && stanza.isError { ended.insert(stanza.id ?? "") }
    }

    /// Everybody goes, and one new device reads what is left.
    mutating func finish() {
        for index in devices.indices { leave(index) }
        site.pass(site.policy.client.resumptionTimeout)
        devices = [nil, nil, nil]
        var last = site.bind("juliet", "last")
        last.token = site.enable(last)
        site.send(last, "<presence/>")
        var handled: UInt32 = 0
        for _ in 0..<20 {
            for element in site.take(last) {
                handled += 1
                if let body = element.body { ended.insert(body) }
            }
            site.acknowledge(last, handled)
        }
        site.logout(last)
        site.flush()
        noteBounces()
    }
}

@Suite("Devices that come and go")
struct SessionsChaosTests {
    @Test("no message is lost without a word, and nothing is left in the store", arguments: 0..<24)
    func devices(seed: UInt64) {
        var devices = Devices(seed: seed)
        for _ in 0..<400 { devices.step() }
        devices.finish()
        let lost = (0..<devices.sent).map(String.init).filter { !devices.ended.contains($0) }
        #expect(lost == [], "seed \(seed)")
        for table in [Table.mailbox, .clientSlot] {
            #expect(devices.site.store.count(table) == 0, "seed \(seed): rows are left in \(table.databaseName)")
        }
        // What waits for other domains stays there.
        #expect(devices.site.store.count(.log) == devices.site.store.count(.entry), "seed \(seed): rows are left in the log")
        #expect(devices.site.sessions.sessionCount == 0)
    }
}
