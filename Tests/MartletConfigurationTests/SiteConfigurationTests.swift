import Testing

@testable import MartletConfiguration

@Suite("The site's configuration file")
struct SiteConfigurationTests {
    private static let minimal = "[site]\ndomain = \"pilsen.example\"\n"

    private func problems(_ text: String) -> [String] {
        do throws(ConfigurationErrors) {
            _ = try SiteConfiguration.parse(text, fileName: "martlet.toml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test("Config/martlet.toml is the annotated text for pilsen.example")
    func annotatedFile() throws {
        #expect(try repositoryFile("Config/martlet.toml") == SiteConfiguration.annotated(domain: "pilsen.example"))
    }

    @Test("The annotated file states exactly the defaults: leaving a key out means the same as leaving it as it is")
    func annotatedDefaults() throws {
        let annotated = try SiteConfiguration.parse(
            SiteConfiguration.annotated(domain: "brno.example"), fileName: "martlet.toml")
        #expect(annotated == .defaults(domain: "brno.example"))
        #expect(try SiteConfiguration.parse(Self.minimal, fileName: "martlet.toml") == .defaults(domain: "pilsen.example"))
    }

    @Test("Every key that can be written is in the annotated file, and each but the first of a group has a comment above it")
    func everyKeyIsAnnotated() {
        let text = SiteConfiguration.annotated(domain: "pilsen.example")
        // An unknown key makes each section list its keys.
        let unknown = [
            "", "site", "tls", "client", "federation", "federation.strangers", "limits", "log", "control", "listeners",
        ]
        for section in unknown {
            let found = problems(
                section.isEmpty
                    ? "x = 1\n" + Self.minimal : Self.minimal + "[\(section == "site" ? "site.x" : section)]\nx = 1\n")
            guard let list = found.first(where: { $0.contains("unknown key") })?.split(separator: "one of: ").last else {
                Issue.record("no list of keys for [\(section)]")
                continue
            }
            for key in list.split(separator: ", ") {
                let path = section.isEmpty ? String(key) : section + "." + key
                #expect(
                    text.contains("\n\(key) = ") || text.contains("\n[\(path)]\n") || text.contains("[[\(path)]]\n")
                        || text.contains("[[\(path)."), "\(path)")
            }
        }
    }

    @Test("All ports of the defaults are above 1024: the server needs no privilege")
    func ports() {
        let configuration = SiteConfiguration.defaults(domain: "pilsen.example")
        let ports =
            configuration.clientListeners.map(\.port) + configuration.serverListeners.map(\.port)
            + configuration.componentListeners.map(\.port) + configuration.webListeners.map(\.port)
        #expect(ports == [5222, 5223, 5269, 5270, 5347, 5443])
        #expect(ports.allSatisfy { $0 > 1024 })
    }

    @Test("Every value is taken from the text")
    func values() throws {
        let text = """
            [site]
            domain = "Plzeň.Example."
            more_domains = ["Brno.example", "ostrava.example"]
            interceptors = []
            data_directory = "data"
            admin_contact = "mailto:admin@pilsen.example"
            threads = 3
            [tls]
            certificate = "/etc/ssl/site.pem"
            key = "site.key"
            peer_ca = "company.pem"
            minimum_version = "1.3"
            [[listeners.client]]
            address = "127.0.0.2"
            port = 15222
            security = "plain"
            allow_plain_auth_without_tls = true
            [[listeners.server]]
            address = "::1"
            port = 15269
            [[listeners.web]]
            address = "127.0.0.4"
            port = 15443
            [web]
            external_url = "https://Chat.Pilsen.example/"
            proxies = ["127.0.0.5"]
            origins = ["https://www.pilsen.example"]
            bosh = false
            bosh_inactivity = "30s"
            [client]
            in_band_registration = true
            sasl_mechanisms = ["SCRAM-SHA-256"]
            resumption_timeout = "0s"
            [federation]
            dns_servers = ["127.0.0.1@5353", "::1"]
            source_address = "127.0.0.2"
            allow_networks = ["127.0.0.0/8", "::1/128"]
            blocked_domains = ["SPAM.example"]
            retry_maximum = "250ms"
            retry_minimum = "100ms"
            rollback = "continue"
            strangers.timeout = "1h"
            [[federation.sites]]
            domain = "zlin.example"
            addresses = ["127.0.0.3:15269", "[::1]:15269", "brno.example:5269"]
            [contact]
            abuse = ["mailto:abuse@pilsen.example"]
            admin = ["mailto:admin@pilsen.example", "xmpp:anna@pilsen.example"]
            [[external_services]]
            type = "turn"
            host = "turn.pilsen.example"
            port = 3478
            transport = "udp"
            secret = "north"
            lifetime = "1h"
            [[external_services]]
            type = "stun"
            host = "192.0.2.1"
            [limits]
            map_size = "1GiB"
            [log]
            level = "debug"
            [control]
            socket = "control.sock"
            """
        let configuration = try SiteConfiguration.parse(text, fileName: "/srv/martlet/martlet.toml")
        #expect(configuration.domain == "plze\u{148}.example")
        #expect(configuration.moreDomains == ["brno.example", "ostrava.example"])
        #expect(configuration.domains == ["plze\u{148}.example", "brno.example", "ostrava.example"])
        #expect(configuration.interceptors == [])
        #expect(configuration.dataDirectory == "/srv/martlet/data")
        #expect(configuration.adminContact == "mailto:admin@pilsen.example")
        #expect(configuration.webListeners == [.init(address: try #require(IPAddress("127.0.0.4")), port: 15443)])
        #expect(configuration.web.externalURL == "https://chat.pilsen.example")
        #expect(configuration.web.origins == ["https://www.pilsen.example"])
        #expect(configuration.web.proxies == [try #require(IPAddress("127.0.0.5"))])
        #expect(!configuration.web.offersBOSH && configuration.web.offersWebSocket)
        #expect(configuration.webAddress(for: "brno.example") == "https://chat.pilsen.example")
        #expect(configuration.threads == 3)
        #expect(configuration.published.map(\.name) == ["admin", "abuse"])
        #expect(configuration.published.first?.addresses == ["mailto:admin@pilsen.example", "xmpp:anna@pilsen.example"])
        #expect(configuration.externalServices.map(\.host) == ["turn.pilsen.example", "192.0.2.1"])
        #expect(configuration.externalServices.map(\.port) == [3478, 0])
        #expect(configuration.externalServices.first?.lifetime == .seconds(3600))
        #expect(configuration.tls.certificate == "/etc/ssl/site.pem")
        #expect(configuration.tls.key == "/srv/martlet/site.key")
        #expect(configuration.tls.peerCA == "/srv/martlet/company.pem")
        #expect(configuration.tls.minimumVersion == .v1_3)
        let address = try #require(IPAddress("127.0.0.2"))
        #expect(
            configuration.clientListeners == [
                .init(address: address, port: 15222, security: .plain, allowsPlainAuthenticationWithoutTLS: true)
            ])
        #expect(
            configuration.serverListeners == [.init(address: try #require(IPAddress("::1")), port: 15269, security: .starttls)])
        #expect(configuration.client.allowsInBandRegistration)
        #expect(configuration.client.saslMechanisms == ["SCRAM-SHA-256"])
        #expect(configuration.client.resumptionTimeout == .zero)
        #expect(configuration.federation.dnsServers.map(\.description) == ["127.0.0.1@5353", "::1@53"])
        #expect(configuration.federation.sourceAddress == address)
        #expect(configuration.federation.allowedNetworks.map(\.description) == ["127.0.0.0/8", "::1/128"])
        #expect(configuration.federation.blockedDomains == ["spam.example"])
        #expect(configuration.federation.retryMinimum.milliseconds == 100)
        #expect(configuration.federation.retryMaximum.milliseconds == 250)
        #expect(configuration.federation.rollback == .continue)
        #expect(configuration.federation.strangers.timeout == .seconds(3600))
        #expect(
            configuration.federation.sites == [
                .init(
                    domain: "zlin.example",
                    addresses: [
                        Endpoint(host: "127.0.0.3", port: 15269), Endpoint(host: "::1", port: 15269),
                        Endpoint(host: "brno.example", port: 5269),
                    ])
            ])
        #expect(configuration.limits.mapSize == 1 << 30)
        #expect(configuration.logLevel == .debug)
        #expect(configuration.controlSocket == "/srv/martlet/data/control.sock")
    }

    @Test("All problems are reported at once, each with file, line, path, what was expected and what was found")
    func allProblems() {
        let text = """
            [site]
            domain = "a b"
            colour = "red"
            [tls]
            minimum_version = 1.2
            [[listeners.client]]
            port = 5222
            [[listeners.client]]
            port = 99999
            security = "none"
            [client]
            resumption_timeout = "5 minutes"
            sasl_mechanisms = [
                "PLAIN",
                "CRAM-MD5",
            ]
            [federation]
            enabled = "yes"
            retry_minimum = "2m"
            allow_networks = ["127.0.0.1/8"]
            [limits]
            client_stanza_bytes = "9KiB"
            stanza_depth = 5
            """
        let found = problems(text)
        let expected = [
            "martlet.toml:2: site.domain: expected a domain such as \"pilsen.example\"; found \"a b\"",
            "martlet.toml:3: site.colour: unknown key; expected one of: data_directory, admin_contact, "
                + "interceptors, threads, core_dumps, more_domains, domain",
            "martlet.toml:5: tls.minimum_version: expected one of \"1.2\", \"1.3\"; found a floating-point number",
            "martlet.toml:9: listeners.client[1].port: expected a port from 1 to 65535; found 99999",
            "martlet.toml:10: listeners.client[1].security: expected one of \"starttls\", \"direct\", \"plain\"; found \"none\"",
            "martlet.toml:12: client.resumption_timeout: expected a duration such as \"30s\" (units ms, s, m, h, d), from \"0s\" to "
                + "\"1d\"; found \"5 minutes\"",
            "martlet.toml:15: client.sasl_mechanisms[1]: expected one of "
                + "\"SCRAM-SHA-512-PLUS\", \"SCRAM-SHA-256-PLUS\", \"SCRAM-SHA-1-PLUS\", \"SCRAM-SHA-512\", "
                + "\"SCRAM-SHA-256\", \"SCRAM-SHA-1\", \"PLAIN\"; "
                + "found \"CRAM-MD5\"",
            "martlet.toml:18: federation.enabled: expected true or false; found \"yes\"",
            "martlet.toml:17: federation.retry_maximum: expected no less than retry_minimum",
            "martlet.toml:20: federation.allow_networks[0]: expected a network such as \"127.0.0.0/8\", no bit set beyond its "
                + "prefix; found \"127.0.0.1/8\"",
            "martlet.toml:22: limits.client_stanza_bytes: expected a size such as \"64KiB\" (units B, KiB, MiB, GiB, TiB), from "
                + "\"10000B\" to \"16MiB\"; found \"9KiB\"",
            "martlet.toml:23: limits.stanza_depth: expected an integer from 8 to 250; found 5",
        ]
        for problem in expected { #expect(found.contains(problem), "\(problem)") }
        #expect(found.count == expected.count, "\(found)")
    }

    @Test(
        "What is wrong is refused at its line",
        arguments: [
            ("", "1: site.domain: missing"),
            ("\n[site]\n", "2: site.domain: missing"),
            ("site = 1\n", "1: site: expected a table; found 1"),
            ("[site]\ndomain = \"a.example\"\nlisteners = 1\n", "3: site.listeners: unknown key"),
            ("[site]\ndomain = \"a.example\"\n[sight]\nx = 1\n", "3: sight: unknown key"),
            ("[site]\ndomain = \"a.example\"\n\"a b\" = 1\n", "3: site.\"a b\": unknown key"),
            ("[site]\ndomain = \"a\\u0000.example\"\n", "2: U+0000 is not allowed"),
            ("[site]\ndomain = \"a.example\n", "2: "),
            ("[site\n", "1: "), ("\u{FEFF}[#\n", "1: expected the name of a table"),
            ("[site]\n[=]\n", "2: expected the name of a table"), ("x = [\n1, }", "2: expected a value"),
            ("x = [\u{2028}]", "1: expected a value"), ("[[\n]]\n", "1: "), ("[ [a]]\n", "1: "),
            ("[", "1: "),
            ("x = 'a\n[=]\n", "1: "),
            ("[site]\ndomain = 'a.example'\n[[listeners.client]]\n", "3: listeners.client[0].port: missing"),
            ("[site]\ndomain = 'a.example'\n[listeners]\nclient = 5\n", "4: listeners.client: expected an array of tables"),
            ("[site]\ndomain = 'a.example'\n[listeners]\nserver = [\n1,\n]\n", "5: listeners.server[0]: expected a table"),
            (
                "[site]\ndomain = 'a.example'\n[[listeners.client]]\nport = 5269\n", "3: listeners: two listeners on [::]:5269"
            ),
            (
                "[site]\ndomain = 'a.example'\n[[listeners.client]]\nport = 5223\nsecurity = \"direct\"\nallow_plain_auth_without_tls = true\n",
                "6: listeners.client[0].allow_plain_auth_without_tls: expected false"
            ),
            (
                "[site]\ndomain = 'a.example'\n[client]\nsasl_mechanisms = []\n",
                "4: client.sasl_mechanisms: expected one mechanism"
            ),
            (
                "[site]\ndomain = 'a.example'\n[[federation.sites]]\ndomain = 'A.example'\n",
                "3: federation.sites: a.example is the site itself"
            ),
            (
                "[site]\ndomain = 'a.example'\nmore_domains = ['b.example']\n[[federation.sites]]\ndomain = 'B.example'\n",
                "4: federation.sites: b.example is the site itself"
            ),
            (
                "[site]\ndomain = 'a.example'\nmore_domains = ['b.example']\n[federation]\nblocked_domains = ['B.example']\n",
                "5: federation.blocked_domains: b.example is the site itself"
            ),
            (
                "[site]\ndomain = 'a.example'\nmore_domains = ['b.example', 'A.example']\n",
                "3: site.more_domains: a.example is the site's domain already"
            ),
            (
                "[site]\ndomain = 'a.example'\nmore_domains = ['b.example', 'B.example']\n",
                "3: site.more_domains: b.example twice"
            ),
            (
                "[site]\ndomain = 'a.example'\nmore_domains = [\n'b.example',\n'-']\n",
                "5: site.more_domains[1]: expected a domain such as"
            ),
            (
                "[site]\ndomain = 'a.example'\ninterceptors = ['repeated-messages', 'repeated-messages']\n",
                "3: site.interceptors: repeated-messages twice"
            ),
            (
                "[site]\ndomain = 'a.example'\ninterceptors = ['greylisting']\n",
                "3: site.interceptors[0]: expected one of \"repeated-messages\"; found \"greylisting\""
            ),
            (
                "[site]\ndomain = 'a.example'\n[tls]\npeer_ca = 1\n",
                "4: tls.peer_ca: expected a path, or \"\" for none; found 1"
            ),
            (
                "[site]\ndomain = 'a.example'\n[federation]\nsource_address = \"lo\"\n",
                "4: federation.source_address: expected an IPv4"
            ),
            (
                "[site]\ndomain = 'a.example'\n[federation]\ndns_servers = \"::1\"\n",
                "4: federation.dns_servers: expected an array"
            ),
            ("[site]\ndomain = 1979-05-27\n", "2: site.domain: expected a domain"),
        ])
    func refused(text: String, start: String) {
        let found = problems(text)
        #expect(found.contains { $0.hasPrefix("martlet.toml:" + start) }, "\(found)")
    }
}
