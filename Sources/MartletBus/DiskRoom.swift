/// How much of what is to be kept the disk has room for.
public enum DiskRoom: Sendable, Equatable {
    /// Everything.
    case ample
    /// Only what is gone again as soon as somebody who is here has it: less than the reserve is free.
    case reserve
    /// Nothing: less than the floor is free.
    case none

    /// With so many bytes free.
    public init(freeBytes: Int64, _ limits: LimitsPolicy) {
        self = freeBytes >= limits.diskReserve ? .ample : freeBytes >= limits.diskFloor ? .reserve : .none
    }
}
