import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress

/// What whoever stores and shows the files asks, and what an operator does with them.
extension Uploads {
    /// Carries out a command.
    public mutating func handle(_ command: UploadCommand, _ turn: Turn) -> CommandAnswer {
        switch command {
        case .list(nil, let after): return .upload(list(after: after ?? 0, turn))
        case .list(let owner?, let after):
            guard let number = AddressTable.number(of: owner, in: turn.store) else { return .refused("\(owner) has no files") }
            return .upload(list(of: number, after: after ?? 0, turn))
        case .purge(let owner):
            guard let number = AddressTable.number(of: owner, in: turn.store) else { return .refused("\(owner) has no files") }
            let count = removeAll(of: number, turn)
            return .done(
                "\(count) \(count == 1 ? "file" : "files") of \(owner) will not be shown any more and go from the disk")
        case .purgeFile(let token):
            guard let found = file(token, turn) else { return .refused("there is no file \(token)") }
            remove(found.number, found.row, turn)
            return .done("\(found.row.name) is gone")
        case .find(let token): return .upload(find(token, turn))
        case .begin(let token, let name, let length, let type): return .upload(begin(token, name, length, type, turn))
        case .finished(let token, let digest): return .upload(finish(token, digest, turn))
        case .abandoned(let token):
            slots[token]?.isUnderWay = false
            return .upload(.done)
        case .missing(let token):
            if let found = file(token, turn), found.row.state == .complete { remove(found.number, found.row, turn) }
            return .upload(.done)
        case .unknown(let tokens):
            return .upload(.unknown(tokens.prefix(UploadLimits.asked).filter { isUnknown($0, turn) }))
        case .kept(let after): return .upload(kept(after: after, turn))
        }
    }

    /// The file of that token, where it is there for anybody.
    func file(_ token: UploadToken, _ turn: Turn) -> (number: UInt64, row: UploadRow)? {
        guard let number = UploadTable.number(of: token, in: turn.store),
            let row = UploadTable.row(number, in: turn.store), !isOver(row, turn),
            removals.isEmpty || number > UploadTable.use(of: row.owner, in: turn.store).removed
        else { return nil }
        return (number, row)
    }

    private func find(_ token: UploadToken, _ turn: Turn) -> UploadAnswer {
        guard let row = file(token, turn)?.row else { return .nothing }
        switch row.state {
        case .complete: return .file(UploadedFile(row))
        case .wanted, .refused: return .elsewhere(row.original)
        }
    }

    /// XEP-0363 §7: length and type are those that were asked for.
    private mutating func begin(
        _ token: UploadToken, _ name: String, _ length: UInt64, _ type: String?, _ turn: Turn
    ) -> UploadAnswer {
        guard let slot = slots[token] else { return .refused(file(token, turn) == nil ? .unknown : .taken) }
        if slot.isUnderWay { return .refused(.taken) }
        // Also where no timer has looked yet.
        guard turn.now - slot.row.accepted < UploadLimits.slotLifetime else { return .refused(.unknown) }
        let isType = !slot.hasType || type.flatMap(MediaType.prepare).map { $0 == slot.row.type } ?? true
        guard slot.row.size == length, slot.row.name == name, isType else { return .refused(.different) }
        guard turn.admitsFile(bytes: 0, beside: expected) else { return .refused(.noRoom) }
        slots[token]?.isUnderWay = true
        return .welcome(UploadedFile(slot.row), owner: AddressTable.address(slot.owner, in: turn.store))
    }

    private mutating func finish(_ token: UploadToken, _ digest: [UInt8], _ turn: Turn) -> UploadAnswer {
        guard let slot = slots[token], slot.isUnderWay else { return .refused(.unknown) }
        guard turn.admits(.state, bytes: 1024) else { return .refused(.noRoom) }
        var row = slot.row
        (row.digest, row.created, row.accepted) = (digest, turn.wall, turn.now)
        UploadTable.add(row, in: turn.store)
        scheduleSweep(turn)
        _ = removeSlot(token)
        noteRecent(slot, turn)
        return .done
    }

    /// Neither a row nor on its way: its file is nobody's.
    private func isUnknown(_ token: UploadToken, _ turn: Turn) -> Bool {
        slots[token] == nil && UploadTable.number(of: token, in: turn.store) == nil
    }

    private func kept(after: UInt64, _ turn: Turn) -> UploadAnswer {
        var tokens: [UploadToken] = []
        var next = after + 1
        for _ in 0..<UploadLimits.asked {
            guard let found = UploadTable.first(from: next, in: turn.store) else { return .kept(tokens, next: nil) }
            if found.row.state == .complete { tokens.append(found.row.token) }
            next = found.number + 1
        }
        return .kept(tokens, next: next - 1)
    }

    private func list(after: UInt64, _ turn: Turn) -> UploadAnswer {
        var rows: [UploadStatus] = []
        var next = after + 1
        while let found = UploadTable.first(from: next, in: turn.store) {
            if rows.count == UploadLimits.listed { return .list(rows, next: next - 1) }
            rows.append(status(found.row, turn))
            next = found.number + 1
        }
        return .list(rows, next: nil)
    }

    private func list(of owner: AddressNumber, after: UInt64, _ turn: Turn) -> UploadAnswer {
        var rows: [UploadStatus] = []
        var next = max(after, UploadTable.use(of: owner, in: turn.store).removed) + 1
        while let found = UploadTable.first(of: owner, from: next, in: turn.store) {
            if rows.count == UploadLimits.listed { return .list(rows, next: next - 1) }
            rows.append(status(found.row, turn))
            next = found.number + 1
        }
        return .list(rows, next: nil)
    }

    private func status(_ row: UploadRow, _ turn: Turn) -> UploadStatus {
        let state =
            switch row.state {
            case .complete: "stored"
            case .wanted: "wanted"
            case .refused: "refused"
            }
        return UploadStatus(
            owner: AddressTable.address(row.owner, in: turn.store).description, token: row.token.description, name: row.name,
            size: row.size, created: row.created.description, state: state)
    }
}
