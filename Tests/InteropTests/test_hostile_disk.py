"""Everything that writes, at full speed, against a store that has room for little: the process lives, and starts again."""

import pytest
from harness import hostile

pytestmark = pytest.mark.martlet

#: A store of 160 MiB, of which 96 are the reserve.
LIMITS = {"map_size": "160MiB", "disk_reserve": "96MiB", "disk_floor": "48MiB"}
WRITERS = (
    "account/mailbox-filling", "account/roster-sets", "account/subscriptions", "account/messages-to-the-office",
    "domain/mailbox-filling", "domain/subscriptions", "domain/large-subscriptions", "domain/bounces", "domain/probes",
)  # fmt: skip


@pytest.fixture(scope="module")
def small(make_world):
    stage = hostile.Stage(make_world(), people=3, roster=10, limits=LIMITS)
    try:
        stage.start()
        yield stage
    finally:
        stage.close()


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_store_ends_nothing(small, name):
    if not small.lives:
        small.restart()
    figures = small.measure(hostile.ATTACKS[name], hostile.SECONDS)
    assert figures["lives"], small.office.process.tail()
    assert not figures["bystanders"]["ping"]["lost"], hostile.row(figures)


def test_it_starts_again_with_a_full_store(small):
    small.office.kill()
    small.restart()
    assert small.quiet["ping"]["lost"] == 0 and small.quiet["login"]["lost"] == 0, small.quiet
