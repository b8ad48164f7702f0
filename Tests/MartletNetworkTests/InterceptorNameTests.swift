import MartletBus
import MartletConfiguration
import Testing

@Suite struct InterceptorNameTests {
    @Test("the configuration file knows exactly the rules that the bus has, and names them in its default order")
    func names() {
        #expect(SiteConfiguration.knownInterceptors == InterceptorKind.allCases.map(\.rawValue))
    }
}
