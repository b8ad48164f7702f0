"""All the attacks of the files beside this one, which ran before: one process has survived them, in 512 MiB."""

import pytest
from harness import hostile

pytestmark = pytest.mark.martlet


def test_one_process_has_survived_all_attacks_in_its_control_group(hostile_stage):
    assert hostile_stage.lives and hostile_stage.restarts == 0, hostile_stage.office.process.tail()
    if hostile_stage.group.kind:
        assert hostile_stage.group.peak() <= hostile.MEMORY
    print(hostile.table(hostile_stage.measured))
