/// The end of a run.
public struct RunReport: Sendable {
    /// What was sent and what arrived.
    public let ledger: DeliveryLedger
    /// What sites let out, as one number.
    public let digest: Digest64
    /// What went against the promise; empty when it held.
    public let faults: [Fault]
    /// How often each trouble came.
    public let counts: [FaultName: Int]
    /// Stanzas and nonzas that sites wrote.
    public let stanzas: Int
    /// Acknowledgements that were held against the disk.
    public let acknowledgements: Int
    /// Lanes that stopped because a backup was restored.
    public let explainedStops: Int
    /// The virtual time of the run, in milliseconds.
    public let length: Int64
    /// How long everything took to come to rest after healing, in milliseconds.
    public let drainTime: Int64
    /// The last lines of the run, if they were kept.
    public let trace: [String]
    /// Figures for a chart, if they were collected.
    public let chart: Chart?
}
