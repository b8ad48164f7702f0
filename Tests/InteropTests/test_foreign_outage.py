"""Foreign servers are killed and cut off (relay protocol §6): nothing is lost that they have not proven to have taken over.

One test for each rung of the ladder that a server of today can reach. `make faults` measures more of it, slowly.
"""

import asyncio

import pytest

import faults
from harness.processes import eventually
from harness.strikes import FAULTS

COUNT, STRIKE, RATE = 20, 8, 20
#: Timeouts of a third of those that are shipped.
QUICK = {"retry_maximum": "10s", "ack_timeout": "10s"}


@pytest.mark.martlet
@pytest.mark.parametrize(
    ("pair", "rung"),
    [
        ("martlet-prosody", "stream management"),
        ("martlet-prosody-dialback", "ping fence"),
        ("martlet-ejabberd", "ping fence"),
    ],
)
async def test_what_was_not_proven_arrives(tmp_path, pair, rung):
    cell = faults.Cell(pair, None, tmp_path, broken=12, down=2, federation=QUICK)
    cell.world.start()
    try:
        await cell.come()
        await cell.warm_up()
        alice, bob = cell.alice, cell.bob
        assert await cell.rung() == rung
        for fault in ("black-hole", "half-open", "receiver-killed"):
            for number in range(COUNT):
                cell.ids.append(alice.send(bob.bare, f"{fault} {number}"))
                if number + 1 == STRIKE:
                    strike = asyncio.create_task(FAULTS[fault].strike(cell))
                await asyncio.sleep(1 / RATE)
            await strike
            # What a server loses that said it had it is its own: only the killed one may.
            own = cell.proven or 0

            def rest_has_arrived():
                return all(cell.ledger.has_arrived(id) for number, id in enumerate(cell.ids) if number >= own)

            try:
                await eventually(rest_has_arrived, "soon", 60)
            except TimeoutError:
                await cell.fetch()
                await bob.login()
            await bob.until(
                rest_has_arrived, lambda: f"{fault}: everything else: {cell.ledger.report(stamps=False)}", 240
            )
            if cell.proven is None:
                assert cell.ledger.is_complete(), cell.ledger.report(stamps=False)
        assert cell.ledger.report(stamps=False).bounced == []
        await alice.go_away()
        await bob.go_away()
    finally:
        cell.world.close()
