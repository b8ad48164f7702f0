// swift-tools-version:6.2
// Martlet: an XMPP server for companies with several offices.
//
// Layers point downwards only; `Tests/TidyTests` holds every import against the table in `Docs/architecture.md`.
// With MARTLET_CORES=1 in the environment only the layers without sockets are described (no SwiftNIO in the build
// graph): that is what `make quick` builds.

import Foundation
import PackageDescription

let coresOnly = ProcessInfo.processInfo.environment["MARTLET_CORES"] != nil

// That no two accesses to a field overlap is checked while running in debug builds, where every test runs. A release build would pay a
// thirtieth of a message for it: all our classes are confined to one thread.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .treatAllWarnings(as: .error),
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

func target(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

func system(_ name: String, _ libraries: [String], flags: [String] = []) -> Target {
    .target(
        name: name, cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"] + flags)],
        linkerSettings: libraries.map { .linkedLibrary($0) })
}

let collections: Target.Dependency = .product(name: "Collections", package: "swift-collections")

var targets: [Target] = [
    // Layer 0: system libraries
    system("CLibXML2", ["xml2"], flags: ["-I/usr/include/libxml2"]),
    system("COpenSSL", ["ssl", "crypto"]),
    system("CUnicode", ["unistring", "idn2"]),
    // In front of the C library's allocator, for martlet-bench and for tests of what a turn costs
    system("CAllocations", []),

    // Layer 1: values
    target("MartletPrimitives"),
    target("XMPPAddress", ["CUnicode"]),
    target("XMPPXML", ["CLibXML2"]),
    target("MartletCrypto", ["COpenSSL", "MartletPrimitives"]),
    target("XMPPStanzas", ["MartletPrimitives", "XMPPAddress", "XMPPXML"]),

    // Layer 2: protocol and storage cores
    target("XMPPStreams", ["MartletPrimitives", "MartletCrypto", "XMPPAddress", "XMPPXML", "XMPPStanzas"]),
    target("MartletTLS", ["COpenSSL", "MartletCrypto", "MartletPrimitives", "XMPPAddress"]),
    target("MartletStore", ["MartletPrimitives", "MartletCrypto", "XMPPAddress", "XMPPXML", "XMPPStanzas"]),
    target(
        "MartletConfiguration",
        ["MartletPrimitives", "XMPPAddress", .product(name: "TOMLKit", package: "TOMLKit")]),

    // Layer 3: the site
    target(
        "MartletBus",
        ["MartletPrimitives", "MartletCrypto", "XMPPAddress", "XMPPXML", "XMPPStanzas", "XMPPStreams", "MartletStore"]),
    target(
        "MartletSessions",
        [
            "MartletPrimitives", "MartletCrypto", "XMPPAddress", "XMPPXML", "XMPPStanzas", "MartletStore", "MartletBus",
            collections,
        ]),
    target(
        "MartletFederation",
        [
            "MartletPrimitives", "MartletCrypto", "XMPPAddress", "XMPPXML", "XMPPStanzas", "MartletStore", "MartletBus",
            collections,
        ]),
    target(
        "MartletServices",
        [
            "MartletPrimitives", "MartletCrypto", "XMPPAddress", "XMPPXML", "XMPPStanzas", "XMPPStreams", "MartletStore",
            "MartletBus",
            collections,
        ]),
    target(
        "MartletSite",
        [
            "MartletPrimitives", "MartletCrypto", "XMPPAddress", "XMPPXML", "XMPPStanzas", "MartletStore", "MartletBus",
            "MartletSessions", "MartletFederation", "MartletServices", collections,
        ]),

    // Testing: virtual time
    target(
        "MartletSimulation",
        [
            "MartletPrimitives", "MartletCrypto", "XMPPAddress", "XMPPXML", "XMPPStanzas", "XMPPStreams", "MartletStore",
            "MartletBus", "MartletSite", "MartletConfiguration", collections,
        ]),
]

var dependencies: [Package.Dependency] = [
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
]

targets += [
    tests("MartletPrimitivesTests", ["MartletPrimitives"]),
    tests("XMPPAddressTests", ["XMPPAddress", "MartletPrimitives"]),
    tests("XMPPXMLTests", ["XMPPXML", "MartletPrimitives"]),
    tests("MartletCryptoTests", ["MartletCrypto", "MartletPrimitives"]),
    tests("XMPPStanzasTests", ["XMPPStanzas", "XMPPXML", "XMPPAddress", "MartletPrimitives"]),
    tests("XMPPStreamsTests", ["XMPPStreams", "XMPPStanzas", "XMPPXML", "XMPPAddress", "MartletCrypto", "MartletPrimitives"]),
    tests("MartletTLSTests", ["MartletTLS", "MartletCrypto", "XMPPAddress", "MartletPrimitives"]),
    tests("MartletStoreTests", ["MartletStore", "MartletPrimitives", "XMPPAddress", "XMPPStanzas"]),
    tests("MartletConfigurationTests", ["MartletConfiguration"]),
    tests(
        "MartletSiteTests",
        [
            "MartletSite", "MartletSessions", "MartletFederation", "MartletServices", "MartletBus", "MartletStore",
            "XMPPStreams",
            "XMPPStanzas", "XMPPXML", "XMPPAddress", "MartletCrypto", "MartletPrimitives", "CAllocations",
        ]),
    tests("SharedRoomTests", ["MartletServices", "MartletCrypto", "MartletPrimitives"]),
    tests("SimulationTests", ["MartletSimulation", "MartletBus", "MartletConfiguration"]),
    tests("TidyTests", []),
]

if !coresOnly {
    dependencies += [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // Without what it can bring besides its core: readers of configuration files, all of Foundation.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    ]
    let nio: [Target.Dependency] = [
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
    ]
    let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
    targets += [
        system("CLMDB", ["lmdb"]),
        system("CUnbound", ["unbound"]),
        // Layer 4: the world
        target(
            "MartletRuntime",
            [
                "MartletPrimitives", "MartletCrypto", "XMPPAddress", "XMPPStanzas", "XMPPStreams", "MartletStore", "MartletBus",
                "MartletSite", collections, logging,
            ]),
        target(
            "MartletFiles", ["MartletPrimitives", "MartletCrypto", "XMPPAddress", "MartletStore", "MartletBus"]),
        target("MartletLMDB", ["CLMDB", "MartletStore", "MartletPrimitives"]),
        target("MartletUnbound", ["CUnbound", "XMPPStreams", "MartletPrimitives"]),
        target(
            "MartletNetwork",
            [
                "MartletPrimitives", "MartletCrypto", "MartletTLS", "XMPPAddress", "XMPPXML", "XMPPStanzas", "XMPPStreams",
                "MartletBus", "MartletRuntime", "MartletUnbound", "MartletConfiguration", logging,
            ] + nio),
        target(
            "MartletAdmin",
            ["MartletPrimitives", "XMPPAddress", "MartletBus", "MartletRuntime", "MartletConfiguration", logging] + nio),

        target(
            "MartletWeb",
            [
                "MartletPrimitives", "MartletCrypto", "XMPPAddress", "XMPPXML", "XMPPStanzas", "XMPPStreams", "MartletBus",
                "MartletStore", "MartletFiles", "MartletRuntime", "MartletNetwork", "MartletConfiguration", logging,
                .product(name: "HummingbirdCore", package: "hummingbird"),
            ] + nio),

        // Layer 5: the command
        .executableTarget(
            name: "martlet",
            dependencies: [
                "MartletRuntime", "MartletNetwork", "MartletAdmin", "MartletWeb", "MartletFiles", "MartletLMDB",
                "MartletUnbound",
                "MartletConfiguration",
                "MartletTLS", "MartletCrypto", "MartletSimulation", "MartletSite", "MartletSessions", "MartletFederation",
                "MartletBus", "MartletStore", "XMPPAddress", "XMPPStanzas", "XMPPXML", "XMPPStreams", "MartletPrimitives",
                logging, .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ] + nio,
            swiftSettings: strict),
        // Layer 5: what a site costs, measured
        .executableTarget(
            name: "martlet-bench",
            dependencies: [
                "MartletSite", "MartletFederation", "MartletLMDB", "MartletNetwork", "MartletRuntime", "MartletConfiguration",
                "MartletBus",
                "MartletStore", "MartletTLS", "MartletCrypto", "XMPPStreams", "XMPPStanzas", "XMPPXML", "XMPPAddress",
                "MartletPrimitives", "CAllocations", logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        tests("MartletLMDBTests", ["MartletLMDB", "MartletStore", "MartletPrimitives"]),
        tests("MartletFilesTests", ["MartletFiles", "MartletBus", "MartletStore", "MartletCrypto", "MartletPrimitives"]),
        tests("MartletUnboundTests", ["MartletUnbound", "XMPPStreams"]),
        tests(
            "MartletNetworkTests",
            [
                "MartletNetwork", "MartletAdmin", "MartletRuntime", "MartletConfiguration", "MartletLMDB", "MartletSite",
                "MartletStore", "MartletBus", "MartletTLS", "MartletSessions", "XMPPStreams", "XMPPAddress",
                "MartletPrimitives", "MartletWeb",
                logging,
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ] + nio),
    ]
}

let package = Package(
    name: "martlet",
    platforms: [.macOS(.v15)],
    products: coresOnly
        ? []
        : [
            .executable(name: "martlet", targets: ["martlet"]),
            .executable(name: "martlet-bench", targets: ["martlet-bench"]),
        ],
    dependencies: dependencies,
    targets: targets,
    cLanguageStandard: .c11
)
