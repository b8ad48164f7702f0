import Glibc
import MartletLMDB
import MartletStore

/// Reads a store by processes of its own (`martlet store read`): one that meets what it cannot read ends, like a server would; the next one
/// goes on behind it.
struct StoreReading {
    /// What was found.
    struct Finding {
        var severity: StoreCheck.Severity
        var table: UInt8
        var words: String
    }

    let configurationPath: String
    let directory: String
    private(set) var findings: [Finding] = []
    private(set) var rows = 0
    private(set) var pages = LMDBEnvironment.Pages()

    /// Rows that cannot be read before the rest is left.
    private static let unreadableLimit = 50

    init(configurationPath: String, directory: String) {
        self.configurationPath = configurationPath
        self.directory = directory
    }

    /// A line for the process that asked: words between tabulators.
    static func say(_ words: String...) {
        print(words.map { $0.split(separator: "\t").joined(separator: " ") }.joined(separator: "\t"))
        fflush(nil)
    }

    mutating func run() throws {
        let place = try StorePlace()
        var arguments: [String] = []
        var unreadable = 0
        while true {
            place.note(Table(rawValue: 0), [])
            let (lines, end, isEndless) = try Self.child(
                ["--config", configurationPath] + arguments, noting: place, isWatched: true)
            take(lines)
            if lines.last == ["end"] { break }
            // It could not be opened; the words are those of a start.
            if let refusal = lines.first, refusal.count == 3, refusal[0] == "refused" {
                throw CommandFailure(
                    "the store cannot be read: \(refusal[1])", Int32(refusal[2]).flatMap(ExitStatus.init) ?? .storeUnusable)
            }
            unreadable += 1
            let at = place.read()
            guard !at.hex.isEmpty else {
                let what = arguments.isEmpty ? "the store cannot be opened" : "what is behind that row cannot be read"
                return add(.damaged, at.table, what + end)
            }
            if isEndless {
                return add(.damaged, at.table, "what is behind row \(at.hex) leads in a circle, and was not looked at")
            }
            add(.damaged, at.table, "row \(at.hex) cannot be read\(end)")
            guard unreadable < Self.unreadableLimit else {
                return add(.damaged, at.table, "what is behind it was not looked at")
            }
            arguments = ["--table", "\(at.table)", "--behind", at.hex]
        }
        guard unreadable == 0 else { return add(.damaged, 0, "what rows say of each other was not compared") }
        let (lines, end, _) = try Self.child(["--config", configurationPath, "--compares"], noting: place)
        take(lines)
        if lines.last != ["end"] { add(.damaged, 0, "what rows say of each other cannot be compared\(end)") }
    }

    private mutating func add(_ severity: StoreCheck.Severity, _ table: UInt8, _ words: String) {
        findings.append(Finding(severity: severity, table: table, words: words))
    }

    private mutating func take(_ lines: [[String]]) {
        var part = 0
        for line in lines {
            switch (line.first, line.count) {
            case ("found", 4): add(StoreCheck.Severity(rawValue: line[1]) ?? .damaged, UInt8(line[2]) ?? 0, line[3])
            case ("rows", 2): part = Int(line[1]) ?? 0
            case ("pages", 4):
                (pages.all, pages.used, pages.free) = (UInt64(line[1]) ?? 0, UInt64(line[2]) ?? 0, UInt64(line[3]) ?? 0)
            default: break
            }
        }
        rows += part
    }

    func summary(_ worst: StoreCheck.Severity?) -> String {
        let read = "\(rows) rows in \(pages.used) pages, \(pages.free) pages free, \(pages.lost) lost"
        return switch worst {
        case nil: "the store is sound: \(read)"
        case .untidy: "the store is sound but untidy, nobody loses anything by it: \(read)"
        case .damaged:
            "the store is damaged: \(read). Look at the disk, restore the last backup, start again: what other offices still have comes "
                + "back by itself"
        }
    }

    /// Milliseconds without a row after which a process has met pages that lead in a circle: a row takes microseconds.
    private static let patience: Int32 = 30_000

    /// Runs one process and returns its lines, and how it ended where that was not good. One that goes on without coming to another
    /// place is ended.
    private static func child(
        _ arguments: [String], noting place: StorePlace, isWatched: Bool = false
    ) throws -> (lines: [[String]], end: String, isEndless: Bool) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw CommandFailure("no pipe: \(Files.words(errno))") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        posix_spawn_file_actions_addclose(&actions, ends[0])
        posix_spawn_file_actions_adddup2(&actions, place.descriptor, StorePlace.inherited)
        // What a process that ends by an error says of itself would be a page for each row.
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        var words: [UnsafeMutablePointer<CChar>?] = (["martlet", "store", "read"] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var process: pid_t = 0
        let code = posix_spawn(&process, "/proc/self/exe", &actions, nil, &words, environ)
        close(ends[1])
        defer { close(ends[0]) }
        guard code == 0 else { throw CommandFailure("the store cannot be read by another process: \(Files.words(code))") }
        let (lines, isEndless) = read(ends[0], watching: isWatched ? place : nil)
        if isEndless { kill(process, SIGKILL) }
        var status: Int32 = 0
        waitpid(process, &status, 0)
        let signal = status & 0x7f
        if signal == 0 { return (lines, "", false) }
        let how = signal == SIGBUS ? ": the file is shorter than it was" : " (\(String(cString: strsignal(signal))))"
        return (lines, how, isEndless)
    }

    private static func read(_ descriptor: Int32, watching place: StorePlace?) -> (lines: [[String]], isEndless: Bool) {
        var lines: [[String]] = []
        var rest: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let before = place?.read().hex
            var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if let place, poll(&ready, 1, patience) == 0 {
                if place.read().hex == before { return (lines, true) }
                continue
            }
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return (lines, false) }
            rest += chunk[..<count]
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: rest[..<end], as: UTF8.self).split(separator: "\t").map(String.init)
                rest.removeSubrange(...end)
                if line.count == 2, line[0] == "rows" { Terminal.mention("\(line[1]) rows read") }
                if line.count == 2, line[0] == "at" { Terminal.mention("\(line[1]) …") }
                lines.append(line)
            }
        }
    }
}

/// Where a reading stands, in a file that both processes have in their memory: it is there also when one of them is gone. It has no name,
/// so that nobody else can put something in its place.
struct StorePlace {
    /// What the memory is given to the other process by.
    let descriptor: Int32
    private let memory: UnsafeMutableRawPointer
    /// A table, the length of a key, and the longest key.
    private static let size = 3 + KeyValueLimits.keyBytes
    /// The descriptor by which the process that reads finds it: the first one behind input, output and errors.
    static let inherited: Int32 = 3

    /// For the process that asks; it keeps it to its end.
    init() throws {
        // A new file under a name that cannot be guessed, which it loses at once.
        var name = Array("/tmp/martlet-check-XXXXXX".utf8CString)
        let descriptor = mkstemp(&name)
        guard descriptor >= 0 else { throw CommandFailure("cannot write to /tmp: \(Files.words(errno))") }
        unlink(&name)
        guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0, ftruncate(descriptor, off_t(Self.size)) == 0 else {
            throw CommandFailure("cannot write to /tmp: \(Files.words(errno))")
        }
        try self.init(descriptor: descriptor)
    }

    /// For the process that reads.
    init(descriptor: Int32) throws {
        var status = stat()
        guard fstat(descriptor, &status) == 0, Int(status.st_size) == Self.size,
            let memory = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), memory != MAP_FAILED
        else { throw CommandFailure("no memory to note in where the reading stands: \(Files.words(errno))") }
        self.descriptor = descriptor
        self.memory = memory
    }

    // SAFETY: the memory is `size` bytes long and stays until the process ends; no more is noted than there is room for.
    func note(_ table: Table, _ key: [UInt8]) {
        let key = key.prefix(KeyValueLimits.keyBytes)
        memory.storeBytes(of: table.rawValue, as: UInt8.self)
        memory.storeBytes(of: UInt8(key.count >> 8), toByteOffset: 1, as: UInt8.self)
        memory.storeBytes(of: UInt8(key.count & 255), toByteOffset: 2, as: UInt8.self)
        key.withUnsafeBytes { if let start = $0.baseAddress { (memory + 3).copyMemory(from: start, byteCount: $0.count) } }
    }

    // SAFETY: as above.
    func read() -> (table: UInt8, hex: String) {
        let table = memory.load(as: UInt8.self)
        func byte(_ place: Int) -> UInt8 { memory.load(fromByteOffset: place, as: UInt8.self) }
        let count = Int(byte(1)) << 8 | Int(byte(2))
        let key = (0..<min(count, KeyValueLimits.keyBytes)).map { byte(3 + $0) }
        return (table, Self.hex(key))
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    static func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.compactMap { $0.hexDigitValue.map { UInt8($0) } }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
