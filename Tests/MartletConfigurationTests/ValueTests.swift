import Testing

@testable import MartletConfiguration

@Suite("Values of configuration files")
struct ValueTests {
    @Test(
        "Durations are a number and a unit",
        arguments: [("0s", 0), ("250ms", 250), ("30s", 30_000), ("10m", 600_000), ("12h", 43_200_000), ("5d", 432_000_000)])
    func durations(text: String, milliseconds: Int64) {
        #expect(DurationText.read(text)?.milliseconds == milliseconds)
        #expect(DurationText.write(.milliseconds(milliseconds)) == text)
    }

    @Test(
        "What is no duration and no size",
        arguments: [
            "", "s", "5", "5 s", " 5s", "5s ", "-5s", "+5s", "5.5s", "5S", "5min", "1234567890s", "\u{665}s", "5K", "5kB",
            "5KB", "5 KiB", "5kib",
            "1e3B", "999999999PiB",
        ])
    func noDurations(text: String) {
        #expect(DurationText.read(text) == nil)
        #expect(SizeText.read(text) == nil)
    }

    @Test(
        "Sizes are a number and a unit, and end where numbers end",
        arguments: [("10000B", 10_000), ("16KiB", 16_384), ("256GiB", 256 << 30)])
    func sizes(text: String, bytes: Int) {
        #expect(SizeText.read(text) == bytes)
        #expect(SizeText.write(bytes) == text)
        #expect(SizeText.read("999999999TiB") == nil)
    }

    @Test(
        "IP addresses are compared by value",
        arguments: [("127.0.0.1", "127.0.0.1"), ("[::]", "::"), ("0:0::1", "::1"), ("2001:DB8::1", "2001:db8::1")])
    func addresses(text: String, canonical: String) {
        #expect(IPAddress(text)?.description == canonical)
        #expect(IPAddress(canonical) == IPAddress(text))
    }

    @Test(
        "What is no IP address",
        arguments: [
            "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.+4", "a.b.c.d", "::1]", "[::1", "fe80::1%eth0",
            "[1.2.3.4]", ":", "1.2.3.\u{664}",
        ])
    func noAddresses(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test("A network holds the addresses that share its prefix")
    func networks() throws {
        let loopback = try #require(IPNetwork("127.0.0.0/8"))
        #expect(loopback.contains(try #require(IPAddress("127.255.0.1"))))
        #expect(!loopback.contains(try #require(IPAddress("128.0.0.1"))))
        #expect(!loopback.contains(try #require(IPAddress("::ffff:127.0.0.1"))))
        let odd = try #require(IPNetwork("2001:db8:8000::/33"))
        #expect(odd.contains(try #require(IPAddress("2001:db8:8001::1"))))
        #expect(!odd.contains(try #require(IPAddress("2001:db8:7fff::1"))))
        #expect(try #require(IPNetwork("0.0.0.0/0")).contains(try #require(IPAddress("8.8.8.8"))))
        for text in [
            "127.0.0.1/8", "127.0.0.0", "127.0.0.0/33", "127.0.0.0/-1", "127.0.0.0/+8", "::/129", "/8", "::/", "::/1/1",
        ] {
            #expect(IPNetwork(text) == nil, "\(text)")
        }
    }

    @Test("Endpoints are host and port, DNS servers address and port")
    func endpoints() {
        #expect(Endpoint("[2001:DB8::1]:5269") == Endpoint(host: "2001:db8::1", port: 5269))
        #expect(Endpoint("[2001:db8::1]:5269")?.description == "[2001:db8::1]:5269")
        #expect(Endpoint("Brno.Example:5269")?.description == "brno.example:5269")
        #expect(Endpoint("brno.example:5269")?.address == nil)
        #expect(Endpoint("127.0.0.1:1")?.address == IPAddress("127.0.0.1"))
        for text in ["", ":", "a:", ":1", "a:0", "a:65536", "a:+1", "::1:5269", "[::1]", "a b:1", "a:1:2"] {
            #expect(Endpoint(text) == nil, "\(text)")
        }
        #expect(DNSServer("127.0.0.1@5353")?.description == "127.0.0.1@5353")
        #expect(DNSServer("::1")?.port == 53)
        for text in ["", "@", "::1@", "dns.example", "::1@0", "::1@53@53"] { #expect(DNSServer(text) == nil, "\(text)") }
    }
}
