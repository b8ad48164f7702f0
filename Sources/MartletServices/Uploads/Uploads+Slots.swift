import MartletBus
import MartletPrimitives
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// An address to which somebody may bring one file.
struct UploadSlot {
    /// Whose file it will be.
    var owner: AddressNumber
    /// What was asked for.
    var row: UploadRow
    /// The type was named, so that the file has to come with it.
    var hasType: Bool
    /// Somebody is bringing it.
    var isUnderWay = false
    /// The address, for whoever is told of it later.
    var address: String
}

/// Giving out addresses (XEP-0363 §4 to §6).
extension Uploads {
    mutating func answerSlot(_ request: Request, _ turn: Turn) -> Answer {
        guard let session = request.session, let host = request.host?.domain.domainpart else {
            return .error(StanzaError(.forbidden, text: "Only people of this site upload files here"))
        }
        let policy = turn.policy.uploads
        guard let base = policy.base(of: host) else { return .error(StanzaError(.serviceUnavailable)) }
        let asked = request.payload
        guard let size = asked["size"].flatMap({ UInt64($0) }), size > 0,
            let name = asked["filename"].flatMap({ UploadName.prepare($0) })
        else { return .error(StanzaError(.badRequest)) }
        guard size <= policy.fileBytes else { return Self.tooLarge(policy.fileBytes) }
        let hasType = asked["content-type"] != nil
        guard let type = MediaType.prepare(asked["content-type"] ?? MediaType.unknown) else {
            return .error(StanzaError(.badRequest, text: "That is no media type"))
        }
        guard !MediaType.isOneOf(policy.refusedTypes, type) else {
            return .error(StanzaError(.notAcceptable, text: "Files of that type are not taken here"))
        }
        let end: Int64
        switch Self.end(asked, turn) {
        case .some(let found): end = found
        case .none: return .error(StanzaError(.badRequest, text: "expire-before is no time to come"))
        }
        if let refusal = objection(to: size, of: session.account, turn) { return refusal }
        let token = UploadToken(high: turn.random.next(), low: turn.random.next())
        var row = UploadRow(
            token: token, owner: session.account, size: size, type: type, name: name, created: turn.wall, accepted: turn.now)
        row.end = end
        let address = base + "\(token)/" + UploadName.encode(name)
        add(UploadSlot(owner: session.account, row: row, hasType: hasType, address: address), turn)
        return .result(
            Element(
                "slot", Namespaces.upload,
                elements: [
                    Element("put", Namespaces.upload, [("url", address)]),
                    Element("get", Namespaces.upload, [("url", address)]),
                ]))
    }

    /// §6: why somebody gets no address now.
    private func objection(to size: UInt64, of account: AddressNumber, _ turn: Turn) -> Answer? {
        let policy = turn.policy.uploads
        let slots = slotsOf[account] ?? UploadUse()
        if slots.files >= UploadLimits.slotsPerAccount || self.slots.count >= UploadLimits.slots {
            return Self.later(
                "Too many files were announced that have not come", turn.wall.milliseconds + UploadLimits.slotLifetime)
        }
        let use = UploadTable.use(of: account, in: turn.store)
        if use.bytes + slots.bytes + size > policy.bytesPerAccount || use.files + slots.files >= policy.filesPerAccount {
            let oldest = UploadTable.first(of: account, from: use.removed + 1, in: turn.store)?.row.created.milliseconds
            let retry = policy.retention > 0 ? oldest.map { max($0 + policy.retention, turn.wall.milliseconds) } : nil
            return Self.later("Your files have all the room that there is for one account", retry)
        }
        let all = UploadTable.use(of: UploadTable.site, in: turn.store)
        if all.bytes + expected + size > policy.bytesPerSite || all.files >= policy.filesPerSite {
            return Self.later("The files here have all the room that there is for them", nil)
        }
        guard turn.admitsFile(bytes: size, beside: expected) else { return .error(.diskNearlyFull) }
        return nil
    }

    private static func tooLarge(_ limit: UInt64) -> Answer {
        .error(
            StanzaError(.notAcceptable, text: "File too large. The maximum file size is \(limit) bytes"),
            Element(
                "file-too-large", Namespaces.upload, elements: [Element("max-file-size", Namespaces.upload, text: "\(limit)")]))
    }

    private static func later(_ words: String, _ retry: Int64?) -> Answer {
        .error(
            StanzaError(.resourceConstraint, text: words),
            retry.map { Element("retry", Namespaces.upload, [("stamp", WallTime(milliseconds: $0).description)]) })
    }

    /// §5.3: when the file has to go, 0 where nothing is said; nil where it cannot be.
    private static func end(_ asked: Element, _ turn: Turn) -> Int64? {
        guard let ephemeral = asked.first("ephemeral", Namespaces.uploadPurpose) else { return 0 }
        guard let time = ephemeral["expire-before"].flatMap({ WallTime($0) }), time > turn.wall else { return nil }
        return time.milliseconds
    }

    private mutating func add(_ slot: UploadSlot, _ turn: Turn) {
        slots[slot.row.token] = slot
        slotOrder.append(slot.row.token)
        var use = slotsOf[slot.owner] ?? UploadUse()
        use.files += 1
        use.bytes += slot.row.size
        slotsOf[slot.owner] = use
        expected += slot.row.size
        scheduleSlots(turn)
    }

    /// A slot is used, or not any more.
    mutating func removeSlot(_ token: UploadToken) -> UploadSlot? {
        guard let slot = slots.removeValue(forKey: token) else { return nil }
        var use = slotsOf[slot.owner] ?? UploadUse()
        use.files -= min(use.files, 1)
        use.bytes -= min(use.bytes, slot.row.size)
        slotsOf[slot.owner] = use.isEmpty ? nil : use
        expected -= min(expected, slot.row.size)
        return slot
    }

    mutating func expireSlots(_ turn: Turn) {
        while let token = slotOrder.first {
            guard let slot = slots[token] else {
                slotOrder.removeFirst()
                continue
            }
            let age = turn.now - slot.row.accepted
            guard age >= UploadLimits.slotLifetime else { break }
            slotOrder.removeFirst()
            if slot.isUnderWay, age < UploadLimits.longestUpload {
                // Looked at again when those that were given out since then are.
                slotOrder.append(token)
                break
            }
            _ = removeSlot(token)
        }
        expireRecent(turn)
        scheduleSlots(turn)
    }

    private mutating func scheduleSlots(_ turn: Turn) {
        guard !hasSlotTimer, !slotOrder.isEmpty || !recent.isEmpty else { return }
        hasSlotTimer = true
        turn.schedule(.uploads(.slots), after: UploadLimits.slotLifetime / 4)
    }
}
