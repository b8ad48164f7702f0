import Glibc

/// The same runs in another process, at the same time: dictionaries are hashed with another seed there, so that code whose
/// result depends on their order gives itself away.
struct SimulationTwin {
    private let process: pid_t
    private let output: UnsafeMutablePointer<FILE>

    /// Starts this program with other arguments; what it prints goes to a file without a name.
    init(arguments: [String]) throws {
        guard let file = tmpfile() else { throw CommandFailure("no temporary file: \(Files.words(errno))") }
        output = file
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, fileno(file), STDOUT_FILENO)
        let words = Self.list(["martlet"] + arguments)
        // All that the dynamic linker may need.
        let environment = Self.list(
            (["PATH", "LD_LIBRARY_PATH"] as [String]).compactMap { name in getenv(name).map { "\(name)=\(String(cString: $0))" }
            })
        defer { for word in words + environment { free(word) } }
        var process: pid_t = 0
        let result = posix_spawn(&process, "/proc/self/exe", &actions, nil, words, environment)
        guard result == 0 else { throw CommandFailure("the second process cannot be started: \(Files.words(result))") }
        self.process = process
    }

    private static func list(_ words: [String]) -> [UnsafeMutablePointer<CChar>?] { words.map { strdup($0) } + [nil] }

    /// Waits for the other process; its lines.
    func digests() throws -> [String] {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else { throw CommandFailure("the second process is gone: \(Files.words(errno))") }
        }
        guard status == 0 else { throw CommandFailure("the second process failed with status \(status)") }
        defer { fclose(output) }
        rewind(output)
        var lines: [String] = []
        var buffer = [CChar](repeating: 0, count: 256)
        while fgets(&buffer, Int32(buffer.count), output) != nil {
            lines.append(String(decoding: buffer.prefix { $0 != 10 && $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
        return lines
    }
}
