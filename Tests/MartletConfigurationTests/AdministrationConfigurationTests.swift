import Testing

@testable import MartletConfiguration

@Suite("[admin], and what is beside it")
struct AdministrationConfigurationTests {
    private func parse(_ text: String) throws -> SiteConfiguration {
        try SiteConfiguration.parse("[site]\ndomain = \"pilsen.example\"\n\(text)", fileName: "martlet.toml")
    }

    private func problems(_ text: String) -> [String] {
        do throws(ConfigurationErrors) {
            _ = try SiteConfiguration.parse("[site]\ndomain = \"pilsen.example\"\n\(text)", fileName: "martlet.toml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test("nobody administers the site unless the file says so; accounts are prepared, and are of this site")
    func accounts() throws {
        #expect(try parse("").administration.accounts.isEmpty)
        #expect(try parse("").administration.takesAnnouncements)
        let configuration = try parse("[admin]\naccounts = [\"Alice@Pilsen.example\"]\nannouncements_from_offices = false")
        #expect(configuration.administration.accounts.map(\.description) == ["alice@pilsen.example"])
        #expect(!configuration.administration.takesAnnouncements)
        for wrong in ["alice@brno.example", "pilsen.example", "alice@pilsen.example/desk", "@@"] {
            #expect(problems("[admin]\naccounts = [\"\(wrong)\"]").count == 1, "\(wrong)")
        }
    }

    @Test("XEP-0455: addresses of the web; XEP-0033: how many addresses at a time")
    func others() throws {
        #expect(try parse("").contacts.outageStatus.isEmpty)
        let status = "https://status.pilsen.example/xmpp.json"
        #expect(try parse("[contact]\noutage_status = [\"\(status)\"]").contacts.outageStatus == [status])
        for wrong in ["", "https://", "mailto:a@b.example", "https://a b"] {
            #expect(problems("[contact]\noutage_status = [\"\(wrong)\"]").count == 1, "\(wrong)")
        }
        #expect(try parse("").limits.multicastAddresses == 50)
        #expect(try parse("[limits]\nmulticast_addresses = 0").limits.multicastAddresses == 0)
        #expect(problems("[limits]\nmulticast_addresses = 101").count == 1)
    }
}
