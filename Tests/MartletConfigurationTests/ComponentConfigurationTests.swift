import Testing

@testable import MartletConfiguration

@Suite("Components in the site's configuration file")
struct ComponentConfigurationTests {
    private static let site = "[site]\ndomain = \"pilsen.example\"\nmore_domains = [\"brno.example\"]\n"

    private func parse(_ text: String) throws -> SiteConfiguration {
        try SiteConfiguration.parse(Self.site + text, fileName: "martlet.toml")
    }

    private func problems(_ text: String) -> [String] {
        do throws(ConfigurationErrors) {
            _ = try SiteConfiguration.parse(Self.site + text, fileName: "martlet.toml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    private func component(_ domain: String, _ secret: String = "0123456789abcdef") -> String {
        "[[components]]\ndomain = \"\(domain)\"\nsecret = \"\(secret)\"\n"
    }

    @Test("they and their listeners are taken from the text; without one there is the loopback address")
    func values() throws {
        #expect(try parse("").componentListeners == [.init(port: 5347)])
        #expect(try parse("").componentListeners.first?.address.description == "127.0.0.1")
        let configuration = try parse(
            component("IRC.Pilsen.example") + component("sms.pilsen.example")
                + "[[listeners.component]]\naddress = \"::1\"\nport = 15347\n")
        #expect(
            configuration.components == [
                .init(domain: "irc.pilsen.example", secret: "0123456789abcdef"),
                .init(domain: "sms.pilsen.example", secret: "0123456789abcdef"),
            ])
        #expect(configuration.componentListeners == [.init(address: try #require(IPAddress("::1")), port: 15347)])
        let rooms = ["rooms.pilsen.example", "rooms.brno.example"]
        #expect(
            configuration.allDomains
                == ["pilsen.example", "brno.example"] + rooms + ["irc.pilsen.example", "sms.pilsen.example"])
    }

    @Test(
        "a domain has one owner",
        arguments: [
            ("pilsen.example", ""), ("brno.example", ""), ("x.example", "[publishing]\nhost = \"x.example\"\n"),
            ("y.example", "[[federation.sites]]\ndomain = \"y.example\"\n"),
            ("w.example", "[federation]\nblocked_domains = [\"w.example\"]\n"),
            ("z.example", "[[components]]\ndomain = \"z.example\"\nsecret = \"0123456789abcdef\"\n"),
        ])
    func oneOwner(domain: String, other: String) {
        let found = problems(component(domain) + other)
        #expect(found.count == 1 && found[0].contains(domain), "\(found)")
    }

    @Test("a secret that can be guessed is refused, and so is a component without one")
    func secrets() {
        #expect(problems(component("a.example", "0123456789abcde")).count == 1)
        #expect(problems("[[components]]\ndomain = \"a.example\"\n").count == 1)
        #expect(problems("[[components]]\nsecret = \"0123456789abcdef\"\n").count == 1)
        #expect(problems("[[listeners.component]]\naddress = \"127.0.0.1\"\n").count == 1)
        #expect(problems("[[listeners.component]]\nport = 5222\naddress = \"::\"\n").count == 1)
    }

    @Test("a reload takes components in and out; a domain that is served already stays what it is")
    func reload() throws {
        let running = try parse(component("a.example"))
        #expect(try parse(component("b.example")).keepingDomains(of: running).components.map(\.domain) == ["b.example"])
        let other = try SiteConfiguration.parse(
            "[site]\ndomain = \"pilsen.example\"\n" + component("brno.example"), fileName: "martlet.toml")
        #expect(other.keepingDomains(of: running).components.isEmpty)
    }
}
