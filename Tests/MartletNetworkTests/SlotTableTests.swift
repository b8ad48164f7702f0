import Testing

@testable import MartletNetwork

@Suite struct SlotTableTests {
    @Test("a number of an element that is gone finds nothing, also when its slot has a new tenant")
    func staleGeneration() {
        var table = SlotTable<String>()
        var first: (UInt32, UInt32) = (0, 0)
        table.insert { slot, generation in
            first = (slot, generation)
            return "first"
        }
        table.remove(slot: first.0, generation: first.1)
        #expect(table[first.0, first.1] == nil)
        var second: (UInt32, UInt32) = (0, 0)
        table.insert { slot, generation in
            second = (slot, generation)
            return "second"
        }
        #expect(second.0 == first.0)
        #expect(table[first.0, first.1] == nil)
        #expect(table[second.0, second.1] == "second")
    }

    @Test("removing twice, or a number that never was, harms nobody")
    func removeTwice() {
        var table = SlotTable<Int>()
        var numbers: [(UInt32, UInt32)] = []
        for value in 0..<3 {
            table.insert { slot, generation in
                numbers.append((slot, generation))
                return value
            }
        }
        table.remove(slot: numbers[1].0, generation: numbers[1].1)
        table.remove(slot: numbers[1].0, generation: numbers[1].1)
        table.remove(slot: 99, generation: 1)
        #expect(table.count == 2)
        #expect(table.elements == [0, 2])
    }
}
