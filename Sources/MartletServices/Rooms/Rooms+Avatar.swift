// XEP-0486: MUC Avatars, version 0.1.0, complete
import MartletBus
import MartletStore
import XMPPAddress
import XMPPStanzas
import XMPPXML

/// The profile of a room, of which its picture is what matters: its owner sets it, and everybody reads it.
extension Rooms {
    mutating func answerProfile(_ request: Request, _ from: JID, at place: Int, _ turn: Turn) -> Answer {
        let number = rooms[place].number
        let standing = affiliation(of: from, at: place, turn)
        guard request.type == .set else {
            guard standing != .outcast else { return .error(StanzaError(.forbidden)) }
            let text = VCardTable.vCard(of: number, in: turn.store)
            let vCard = text.flatMap { ContentReader.elements(in: $0).first }
            return .result(vCard ?? Element("vCard", Namespaces.vCardTemp))
        }
        guard standing == .owner else {
            return .error(StanzaError(.forbidden, text: "Only owners may set the picture of a room"))
        }
        if request.payload.children.isEmpty {
            VCardTable.remove(number, in: turn.store)
            AvatarTable.set(number, nil, in: turn.store)
            announce([104], at: place, request.envelope.origin.party, turn)
            return .result(nil)
        }
        let vCard = request.payload.serialized(within: "")
        guard vCard.count <= RoomLimits.profileBytes else {
            return .error(StanzaError(.notAcceptable, text: "The profile of a room may have \(RoomLimits.profileBytes) bytes"))
        }
        let picture: Picture?
        do throws(Picture.Fault) {
            picture = try request.payload.first("PHOTO", Namespaces.vCardTemp).flatMap { photo throws(Picture.Fault) in
                try Picture(photo)
            }
        } catch {
            return .error(StanzaError(.badRequest, text: error.words))
        }
        guard turn.admits(.state, bytes: vCard.count) else { return .error(.diskNearlyFull) }
        VCardTable.put(number, vCard, in: turn.store)
        AvatarTable.set(number, picture?.hash, in: turn.store)
        announce([104], at: place, request.envelope.origin.party, turn)
        return .result(nil)
    }
}
