import NIOCore
import Testing
import XMPPStreams

@testable import MartletNetwork

@Suite struct AddressTests {
    @Test("limits count an IPv6 customer by its /64 and an IPv4 address in IPv6 clothing as itself")
    func remoteAddress() throws {
        func text(_ address: String) throws -> String { try SocketAddress(ipAddress: address, port: 1).remoteAddress.text }
        #expect(try text("192.0.2.7") == "192.0.2.7")
        #expect(try text("::ffff:192.0.2.7") == "192.0.2.7")
        #expect(try text("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64")
        #expect(try text("2001:db8:1:2:ffff::1") == text("2001:db8:1:2::1"))
    }

    @Test("a flood of refused connections is one line a second, which counts them")
    func mentions() {
        let census = ConnectionCensus(total: 1, perAddress: 1)
        let start = NIODeadline.uptimeNanoseconds(5_000_000_000)
        #expect(census.refusalsToMention(at: start) == 1)
        #expect(census.refusalsToMention(at: start + .milliseconds(10)) == nil)
        #expect(census.refusalsToMention(at: start + .milliseconds(999)) == nil)
        #expect(census.refusalsToMention(at: start + .seconds(1)) == 3)
    }

    private func endpoint(_ address: String, _ port: UInt16 = 5269) throws -> Endpoint {
        Endpoint(address: try #require(IPAddress(address)), port: port, directTLS: false, host: "peer.example")
    }

    @Test(
        "a stranger's name may not lead to addresses that are not global",
        arguments: ["127.0.0.1", "::1", "169.254.169.254", "fe80::1", "10.1.2.3", "0.0.0.0", "224.0.0.1", "::ffff:127.0.0.1"])
    func refused(_ address: String) throws {
        let policy = AddressPolicy(allowed: [], listeners: [])
        #expect(policy.objection(to: try endpoint(address), own: []) != nil)
    }

    @Test("federation.allow_networks lets networks in, but never the site's own listeners")
    func allowed() throws {
        let loopback = try #require(IPNetwork("127.0.0.0/8"))
        let own = try #require(IPAddress("127.0.0.2"))
        let policy = AddressPolicy(allowed: [loopback], listeners: [(own, 5269)])
        #expect(policy.objection(to: try endpoint("127.0.0.3"), own: []) == nil)
        #expect(policy.objection(to: try endpoint("127.0.0.2"), own: []) != nil)
        #expect(policy.objection(to: try endpoint("127.0.0.2", 5270), own: []) == nil)
        #expect(policy.objection(to: try endpoint("10.0.0.1"), own: []) != nil)
    }

    @Test("a listener on every address is this machine's own addresses too")
    func everyAddress() throws {
        let policy = AddressPolicy(allowed: [], listeners: [(try #require(IPAddress("::")), 5269)])
        let own = try #require(IPAddress("198.51.101.1"))
        #expect(policy.objection(to: try endpoint("198.51.101.1"), own: [own]) != nil)
        #expect(policy.objection(to: try endpoint("198.51.101.2"), own: [own]) == nil)
    }
}
