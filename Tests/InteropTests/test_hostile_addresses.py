"""Attacks of 50 addresses without login, at full speed: what bystanders notice (harness/hostile.py), with a wide margin."""

import pytest
from harness import hostile

pytestmark = pytest.mark.martlet


@pytest.mark.parametrize("name", hostile.names("strangers"))
def test_bystanders_are_not_hurt(hostile_stage, name):
    figures = hostile_stage.measure(hostile.ATTACKS[name], hostile.SECONDS)
    print(hostile.row(figures))
    assert not hostile.faults(figures, hostile.WIDE), hostile.row(figures)
