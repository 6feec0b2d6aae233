"""What a store's author declares: optional fixtures, without which cases are skipped, and attributes of the class."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pytest

from .checked import Checked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import TypeAlias

    from sharedstate_backends.contract import Backend

    Reopen: TypeAlias = Callable[[], Awaitable[Backend]]
    Wipe: TypeAlias = Callable[[], Awaitable[None]]
    PutBack: TypeAlias = Callable[[], Awaitable[None]]
    SetBack: TypeAlias = Callable[[], Awaitable[PutBack]]

SKIPPED: Final = {
    "reopen": "this case is for stores that keep their data: they add a fixture `reopen`",
    "forgetful": "this case is for stores that forget the oldest removals: they add a fixture `forgetful`",
    "set_back": "this case is for stores that notice when their data goes back: they add a fixture `set_back`",
    "wipe": "this case is for stores whose data may be deleted: they add a fixture `wipe`",
}
"""Why a case that uses the fixture is skipped."""


def fixture(request: pytest.FixtureRequest, name: str) -> Any:
    """Return the value of the author's fixture; skip the case if it does not exist."""
    try:
        return request.getfixturevalue(name)
    except pytest.FixtureLookupError as error:
        if error.argname != name:
            raise
        pytest.skip(SKIPPED[name])


@asynccontextmanager
async def opened(reopen: Reopen) -> AsyncIterator[Backend]:
    """Open a backend, and close it in any case."""
    backend = await reopen()
    try:
        yield backend
    finally:
        await backend.close()


class DeclaringCases:
    """Cases that depend on what the author declares."""

    keeps_epoch: ClassVar[bool] = True
    """Whether the store keeps its epoch when it is opened again; otherwise it draws a new one each time."""

    shares_storage: ClassVar[bool] = False
    """Whether several backends, even in several processes, may use the same data at once."""

    @pytest.fixture
    def backend(self, backend: Backend) -> Backend:
        """Return the author's backend, with its results checked."""
        return Checked(backend)

    @pytest.fixture
    def reopening(self, request: pytest.FixtureRequest) -> Reopen:
        """Return a function that opens another backend on the same data."""
        reopen: Reopen = fixture(request, "reopen")

        async def reopened() -> Backend:
            return Checked(await reopen())

        return reopened

    @pytest.fixture
    def forgetting(self, request: pytest.FixtureRequest) -> Backend:
        """Return an open and empty backend that remembers only a few removals."""
        return Checked(fixture(request, "forgetful"))

    @pytest.fixture
    def setting_back(self, request: pytest.FixtureRequest) -> SetBack:
        """Return a function that copies the data and returns a function that puts it back, both under open backends."""
        set_back: SetBack = fixture(request, "set_back")
        return set_back

    @pytest.fixture
    def wiping(self, request: pytest.FixtureRequest) -> Wipe:
        """Return a function that deletes all data while no backend is open."""
        wipe: Wipe = fixture(request, "wipe")
        return wipe
