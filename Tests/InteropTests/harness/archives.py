"""Archives as clients read them (XEP-0313)."""

import collections

from .clients import Client


class Reader(Client):
    """Asks for its archive as slixmpp does."""

    def _make_stream(self):
        super()._make_stream()
        self.stream.register_plugin("xep_0313")
        self.stream.register_plugin("xep_0441")

    async def archived(self, page=10, **query):
        """Everything, page by page: (archive id, message)."""
        found = []
        pages = self.stream.plugin["xep_0313"].iterate(rsm={"max": page}, **query)
        async for message in pages:
            result = message["mam_result"]
            found.append((result["id"], result["forwarded"]["stanza"]))
        return found

    async def history(self, page=10, **query):
        """Everything, page by page: (archive id, body, sender)."""
        return [(id, inner["body"], str(inner["from"])) for id, inner in await self.archived(page, **query)]

    async def audit(self, ledger):
        """What the ledger knows of this account and its archive does not have, and what stands there more than once."""
        counts = collections.Counter(inner["id"] for _, inner in await self.archived(page=100))
        missing = [id for id in ledger.ids_of(self.bare) if not counts[id]]
        repeated = [id for id, count in counts.items() if count > 1 and ledger.knows(id)]
        return missing, repeated
