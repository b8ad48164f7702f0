// The fuzz target for configuration files and topologies: whatever an operator writes, there is a configuration, or words that name a line.

import MartletConfiguration

private func expect(_ condition: Bool, _ rule: StaticString) {
    if !condition { fatalError("disagreement: \(rule)") }
}

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzConfiguration(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard let text = String(validating: UnsafeBufferPointer(start: data, count: count), as: UTF8.self) else { return 0 }
    do throws(ConfigurationErrors) {
        let configuration = try SiteConfiguration.parse(text, fileName: "/etc/martlet/martlet.toml")
        expect(!configuration.domain.isEmpty, "a site has a domain")
        expect(configuration.limits.diskReserve >= 0, "no limit is negative")
    } catch {
        expect(!error.description.isEmpty, "a refusal has words")
    }
    return 0
}
