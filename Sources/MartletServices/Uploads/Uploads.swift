// XEP-0363: HTTP File Upload, version 1.2.0, complete but for the purposes profile and permanent
import Collections
import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// The files that people upload and send one another's addresses of, with what is fetched of those of our other offices.
///
/// Owned by the site and lives as long as it. A slot is in memory alone: it is good for some minutes, and whoever loses it in a restart
/// asks for another. A file has a row from when it is safe on the disk; whoever sent it hears so after the commit of that row. Content is
/// never here: whoever stores and shows files asks with ``UploadCommand``, and what is to be done on the disk is ``Work``.
public struct Uploads {
    /// Addresses that were given out and that nobody has brought a file to. Look-up only.
    var slots: [UploadToken: UploadSlot] = [:]
    /// The same in the order in which they were given out; those that are used stay until their time is over.
    var slotOrder: Deque<UploadToken> = []
    /// How many slots accounts have, and their bytes. Look-up only.
    var slotsOf: [AddressNumber: UploadUse] = [:]
    /// Bytes of the files that are being sent, or are to be.
    var expected: UInt64 = 0
    /// Owners whose files are being removed, in order.
    var removals: [AddressNumber] = []
    /// Going through all files, to find what is too old: the next number.
    var sweep: UInt64?
    /// Files whose rows are gone, and which the disk still has.
    var unneeded: [UploadToken] = []
    /// The same, handed over. Look-up only.
    var removing: [WorkID: [UploadToken]] = [:]
    /// Parts of files that offices have asked for and that are being read. Look-up only.
    var reading: [WorkID: PartRequest] = [:]
    /// What is fetched from each office. Look-up only.
    var fetches: [JID: OfficeFetch] = [:]
    /// The office whose copy a piece of work belongs to. Look-up only.
    var writing: [WorkID: JID] = [:]
    /// What accounts have uploaded in the last minutes, for messages that do not show what they send. Look-up only.
    var recent: [AddressNumber: [RecentUpload]] = [:]
    /// Counts pieces of work and requests from 1.
    var counter: UInt64 = 0
    var hasWorkTimer = false
    var hasSlotTimer = false
    var hasSweepTimer = false

    /// For the hosts of files, and between offices for their people's domains.
    public static let declaration = ServiceDeclaration(
        "Uploads",
        features: [
            Namespaces.upload, "\(Namespaces.uploadPurpose)#message", "\(Namespaces.uploadPurpose)#ephemeral",
        ].map { .init($0, of: [.host(.upload)]) },
        forms: [
            .init(of: [.host(.upload)]) { policy in
                var form = DataForm(.result)
                form.fields = [
                    DataForm.Field("FORM_TYPE", type: "hidden", values: [Namespaces.upload]),
                    DataForm.Field("max-file-size", values: ["\(policy.uploads.fileBytes)"]),
                ]
                return form.element
            }
        ],
        requests: [
            .init("request", Namespaces.upload, [.get], to: .host, at: [.upload]),
            .init("part", Namespaces.files, [.get], to: .host),
        ])

    /// No files; ``boot(_:)`` follows.
    public init() {}

    /// After a start: what was being removed or fetched goes on.
    public mutating func boot(_ turn: Turn) {
        var next = AddressNumber(1)
        while let found = UploadTable.firstUse(from: next, in: turn.store) {
            if found.use.removed > 0 { removals.append(found.owner) }
            next = AddressNumber(found.owner.value + 1)
        }
        findWanted(turn)
        if UploadTable.first(from: 0, in: turn.store) != nil { scheduleSweep(after: UploadLimits.firstSweep, turn) }
        scheduleWork(turn)
    }

    /// Where there is nothing, nothing becomes too old.
    mutating func scheduleSweep(after pause: Int64 = UploadLimits.sweepPause, _ turn: Turn) {
        guard !hasSweepTimer else { return }
        hasSweepTimer = true
        turn.schedule(.uploads(.sweep), after: pause)
    }

    /// One of our timers fired.
    public mutating func timerFired(_ timer: UploadTimer, _ turn: Turn) {
        switch timer {
        case .slots:
            hasSlotTimer = false
            expireSlots(turn)
        case .work:
            hasWorkTimer = false
            work(turn)
        case .sweep:
            hasSweepTimer = false
            guard UploadTable.first(from: 0, in: turn.store) != nil else { return }
            if sweep == nil { sweep = 0 }
            scheduleWork(turn)
            scheduleSweep(turn)
        case .copies(let office): fetchNext(from: office, turn)
        }
    }

    /// A request: an address for a file, or a part of a file for another office.
    public mutating func answer(_ request: Request, _ turn: Turn) -> Answer {
        request.payload.name == "part" ? answerPart(request, turn) : answerSlot(request, turn)
    }

    /// Whether a piece of work is ours.
    public static func owns(_ id: WorkID) -> Bool { id.isOfFiles }

    /// A name for a piece of work.
    mutating func nextWork() -> WorkID {
        counter += 1
        return .files(counter)
    }

    /// A piece of work of ours has ended.
    public mutating func workDone(_ id: WorkID, _ result: WorkResult, _ turn: Turn) {
        if let tokens = removing.removeValue(forKey: id) {
            guard result != .done else { return }
            // The disk was busy; what it cannot do at all is found at the next start.
            if result == .refused { unneeded += tokens }
            return scheduleWork(turn)
        }
        if let request = reading.removeValue(forKey: id) { return partRead(request, result, turn) }
        if let office = writing.removeValue(forKey: id) { copyWritten(from: office, result, turn) }
    }
}

/// The bounds of uploads that no operator needs to change, each with the reason for its number.
enum UploadLimits {
    /// How long an address is good for a file to come, milliseconds (XEP-0363 §8: around 300 seconds).
    static let slotLifetime: Int64 = 300_000
    /// A file that has begun to come is waited for so long, milliseconds; slow senders are sent away long before.
    static let longestUpload: Int64 = 86_400_000
    /// Addresses of one account that nobody has used: more than anybody sends at once.
    static let slotsPerAccount: UInt64 = 64
    /// The same of everybody: some megabytes of memory.
    static let slots = 16_384
    /// Rows that one slice of a removal or a sweep looks at: a millisecond.
    static let slice = 128
    /// Milliseconds between two slices.
    static let pause: Int64 = 20
    /// Milliseconds after which what is too old is looked for, after a start and then again.
    static let firstSweep: Int64 = 60_000
    static let sweepPause: Int64 = 3_600_000
    /// Files in one piece of work that removes them: a disk does so many in a tenth of a second.
    static let removedAtOnce = 64
    /// Files in a part of a list.
    static let listed = 128
    /// Tokens that are asked about at once.
    static let asked = 256
}
