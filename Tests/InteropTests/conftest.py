"""Fixtures of the interoperation tests.

`--office prosody` (or ejabberd) puts a foreign server where Martlet stands, to check the harness itself: tests that
only Martlet can pass are then skipped.
"""

import asyncio
import inspect
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import hostile, martlet, peers, world  # noqa: E402

KINDS = {"martlet": martlet.Martlet, "prosody": peers.Prosody, "ejabberd": peers.Ejabberd}


def pytest_addoption(parser):
    parser.addoption("--office", choices=KINDS, default="martlet", help="what stands where Martlet is tested")
    parser.addoption("--anyway", action="store_true", help="do not skip: see the checks fail with a foreign server")


def pytest_configure(config):
    config.addinivalue_line("markers", "martlet: only Martlet can pass this")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--office") != "martlet" and not config.getoption("--anyway"):
        for item in items:
            if item.get_closest_marker("martlet"):
                item.add_marker(pytest.mark.skip(reason="only Martlet can pass this"))


def pytest_sessionstart(session):
    absent = peers.missing()
    if absent:
        pytest.exit(f"missing commands: {', '.join(absent)}; run Tests/setup/install test", returncode=1)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Runs `async def` tests."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), timeout=600))
    return True


@pytest.fixture(scope="session")
def office_kind(pytestconfig):
    """The class of server under test."""
    return KINDS[pytestconfig.getoption("--office")]


@pytest.fixture(scope="module")
def make_world(tmp_path_factory):
    """Makes worlds that end with the module."""
    worlds = []

    def make():
        worlds.append(world.World(tmp_path_factory.mktemp("world")))
        return worlds[-1]

    yield make
    for made in worlds:
        made.close()


@pytest.fixture(scope="session")
def _stage(tmp_path_factory):
    with (
        hostile.Group("martlet-hostile", hostile.MEMORY) as group,
        world.World(tmp_path_factory.mktemp("hostile")) as made,
    ):
        stage = hostile.Stage(made, hostile.PEOPLE_IN_TESTS, group=group)
        try:
            stage.start()
            yield stage
        finally:
            stage.close()


@pytest.fixture
def hostile_stage(_stage):
    """One office for all attacks, in a control group where this machine has them; started again only after it has died."""
    if not _stage.lives:
        _stage.restart()
    return _stage
