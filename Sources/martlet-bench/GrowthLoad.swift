/// The work by which one dimension of growth is measured, with the sites that it needs. Made for one run of that
/// dimension; all its points stand side by side, so that they can be measured in turns.
protocol GrowthLoad {
    /// Does some of the work at one point. What is not part of it (setting up, what is left over from other points) is
    /// done outside the cost that this gives back.
    mutating func measure(series: Int, point: Int) throws -> GrowthSample
}

/// What some work has cost.
struct GrowthSample {
    /// Nanoseconds of processor time.
    var processor: Int64 = 0
    /// How much work that was, in the unit of its series.
    var units = 0.0

    /// Both together.
    static func + (left: GrowthSample, right: GrowthSample) -> GrowthSample {
        GrowthSample(processor: left.processor + right.processor, units: left.units + right.units)
    }

    /// Microseconds for a unit.
    var cost: Double { Double(processor) / 1000 / max(units, 1e-9) }
}
