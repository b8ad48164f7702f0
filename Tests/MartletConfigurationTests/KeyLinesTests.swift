import Testing

@testable import MartletConfiguration

@Suite("Lines of keys in TOML texts")
struct KeyLinesTests {
    private static let text = #"""
        # a comment with [brackets] and = signs
        top = "a # no comment"  # a comment

        [a.b]  # header
        c = [
            1, [2,
            3], # ]
            { x = 1, y.z = "}" },
        ]
        d = """
        [not.a.table]
        e = 1"""
        f = '''x
        '''
        "quoted key" = 1
        'literal.key' = 2
        g . h = { i = "\"}", j = [ ] }

        [[list]]
        k = 1
        [[list]]
        k = 2
        [list.sub]
        l = 1979-05-27T07:32:00Z
        [[list.deep]]
        [[list.deep]]
        m = -1.5e3
        """#

    @Test(
        "Every kind of value and table is found at its line",
        arguments: [
            (["top"], 2), (["a"], 4), (["a", "b"], 4), (["a", "b", "c"], 5), (["a", "b", "c", 0], 6), (["a", "b", "c", 1], 6),
            (["a", "b", "c", 1, 0], 6), (["a", "b", "c", 1, 1], 7), (["a", "b", "c", 2], 8), (["a", "b", "c", 2, "y", "z"], 8),
            (["a", "b", "d"], 10), (["a", "b", "f"], 13), (["a", "b", "quoted key"], 15), (["a", "b", "literal.key"], 16),
            (["a", "b", "g", "h", "i"], 17), (["a", "b", "g", "h", "j"], 17), (["list"], 19), (["list", 0, "k"], 20),
            (["list", 1], 21), (["list", 1, "k"], 22), (["list", 1, "sub"], 23), (["list", 1, "sub", "l"], 24),
            (["list", 1, "deep", 0], 25), (["list", 1, "deep", 1], 26), (["list", 1, "deep", 1, "m"], 27),
            // What is absent has the line of what is around it.
            (["absent"], 1), (["a", "b", "absent"], 4), (["list", 1, "sub", "absent", 3], 23), (["a", "b", "e"], 4),
        ] as [([any Sendable], Int)])
    func lines(components: [any Sendable], line: Int) {
        var path = ConfigurationPath.root
        for component in components {
            if let key = component as? String { path = path.appending(key) }
            if let index = component as? Int { path = path.appending(index) }
        }
        #expect(KeyLines(Self.text).line(of: path) == line, "\(path)")
    }

    @Test("Texts that are no TOML make nothing crash, and do not go deeper than the parser would")
    func hostile() {
        for piece in ["[", "{", "a=[", "a={b=", "\"", "'''", "\"\"\"\\", "a.", "[[", "=", "a=\"\\", "\r", "#", ",", "]", "}"] {
            for count in [1, 2, 3, 300, 5_000] {
                #expect(KeyLines(String(repeating: piece, count: count)).line(of: .root) == 1)
            }
        }
    }
}
