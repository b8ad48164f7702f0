import MartletConfiguration
import Testing

@Suite("A site of several domains")
struct SeveralDomainsTests {
    @Test("The annotated file can be written for several domains, the first of which is the site's name")
    func annotatedDomains() throws {
        let text = SiteConfiguration.annotated(domain: "brno.example", moreDomains: ["plze\u{148}.example", "zlin.example"])
        let parsed = try SiteConfiguration.parse(text, fileName: "martlet.toml")
        #expect(parsed.domains == ["brno.example", "plze\u{148}.example", "zlin.example"])
    }

    @Test("A running site takes on new domains and keeps those it has, its name first")
    func keptDomains() {
        var running = SiteConfiguration.defaults(domain: "brno.example")
        running.moreDomains = ["zlin.example"]
        var wanted = SiteConfiguration.defaults(domain: "olomouc.example")
        wanted.moreDomains = ["brno.example"]
        wanted.threads = 2
        let kept = wanted.keepingDomains(of: running)
        #expect(kept.domains == ["brno.example", "zlin.example", "olomouc.example"])
        #expect(kept.threads == 2)
        #expect(running.keepingDomains(of: running) == running)
    }
}
