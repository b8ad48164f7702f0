/// What a copy has of each line, as it tells another copy: by that each learns what it lacks (`Docs/shared-rooms.md` §5).
public struct RoomMark: Sendable, Equatable {
    /// What there is of a line.
    public struct Line: Sendable, Equatable {
        /// Which.
        public var line: RecordLine
        /// Whose.
        public var office: String
        /// Up to which number.
        public var have: UInt64
        /// The digest of that record.
        public var digest: UInt64
        /// Numbers up to here are not there (any more).
        public var floor: UInt64
    }

    /// By line.
    public var lines: [Line]
    /// Drawn by the process that says this.
    public var process: UInt64
    /// What the addressee's process that was heard here last had drawn: a mark that names another was written before it started, and
    /// came late.
    public var answers: UInt64

    /// A copy that has that.
    public init(lines: [Line], process: UInt64 = 0, answers: UInt64 = 0) {
        self.lines = lines
        self.process = process
        self.answers = answers
    }
}

/// A request for records of a line.
public struct RoomWant: Sendable, Equatable {
    /// Of which line.
    public var line: RecordLine
    /// From this number on, or with `isBackwards` from this one down.
    public var from: UInt64
    /// Older ones, the newest of them first.
    public var isBackwards: Bool

    /// That request.
    public init(line: RecordLine, from: UInt64, isBackwards: Bool = false) {
        self.line = line
        self.from = from
        self.isBackwards = isBackwards
    }
}

/// What a copy wants done. All of it leaves after the transaction that wrote what is kept.
public enum RoomAction: Sendable, Equatable {
    /// Write this row, at the end of the archive's arrivals where it is a message.
    case keep(SharedRecord)
    /// Send it through the lanes, once to each office.
    case send(SharedRecord, to: [String])
    /// Tell an office what is here, through the lane: it comes after all that was sent before.
    case mark(RoomMark, to: String)
    /// Ask an office.
    case want([RoomWant], to: String)
    /// Read up to so many rows and send them to an office, in the order of the request.
    case sendAgain(RoomWant, count: UInt64, to: String)
    /// Show it to the occupants here.
    case show(SharedRecord, isLate: Bool)
    /// The room is not what it was: compare, and tell the occupants here.
    case stateChanged
    /// Tell the author of a change what became of it: that it was lost, or that it stands after all.
    case tell(author: String, RecordID, ChangeOutcome)
    /// For the log.
    case note(RoomDiagnostic)
}

/// What an operator should hear.
public enum RoomDiagnostic: Sendable, Equatable {
    /// What an office sent is not taken, with the reason.
    case refused(RecordID, from: String, RoomRefusal)
    /// Two copies differ in what stands at one number: an office wrote two things, or a store is damaged. Nothing behind it is taken.
    case forked(RecordLine, office: String)
    /// An office's clock is ahead by so many milliseconds.
    case clockAhead(office: String, Int64)
    /// Our own clock was, and was set back.
    case clockWasAhead(Int64)
    /// Others have more of what we wrote than we do: our store is older than it was.
    case wentBack(RecordLine, to: UInt64, others: UInt64)
    /// Some changes knew others that no office has any more, since its store was replaced: they count without them.
    case changesAreGone
    /// What an office was asked for does not come.
    case stuck(office: String)
}

/// Why something is not written or not taken.
public enum RoomRefusal: Sendable, Equatable {
    /// The room is no more.
    case destroyed
    /// That office is not one of the room's.
    case notAnOffice
    /// The author is not allowed to, for the reason that is known now.
    case lost(ChangeOutcome.Loss)
    /// There are as many changes as a room may have.
    case full
    /// It breaks a rule that every office keeps.
    case malformed
    /// It is a change of a third office, and nothing proves that it is.
    case unproven
}
