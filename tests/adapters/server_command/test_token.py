"""`sharedstate-anyio token`: what it prints is valid for that configuration, and it prints nothing else."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_anyio import parse_config
from sharedstate_anyio.auth import Authenticator, AuthRequest
from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
from tests.support.services.command import one_line, started
from tests.support.services.servers import document, write_config
from tests.support.tokens import SECRET, Signer

if TYPE_CHECKING:
    from sharedstate_anyio.auth import Identity

DAY = 86_400


def run(folder: Path, auth: object, *options: str) -> tuple[int, str, str]:
    """Return status, output and errors; without a user, one is given."""
    content = {**document(), "auth": auth} if auth is not None else document()
    user = () if "--user" in options else ("--user", "ann")
    name = write_config(folder, content)
    with started("token", name, *user, *options, folder=folder) as command:
        return command.finish(), command.output, command.errors


async def who(folder: Path, auth: dict[str, Any], *options: str) -> Identity:
    status, output, errors = run(folder, auth, *options)
    assert (status, errors) == (0, "")
    (token,) = output.splitlines()
    config = parse_config({**document(), "auth": auth}).auth
    assert config is not None
    found = await Authenticator(config, RepeatedErrors()).authenticate(AuthRequest(token))
    assert found is not None
    return found


def refused(folder: Path, auth: object, *options: str) -> str:
    status, output, errors = run(folder, auth, *options)
    assert (status, output) == (2, "")
    assert SECRET not in errors
    return errors


async def test_it_is_valid(tmp_path: Path) -> None:
    before = time.time()
    found = await who(tmp_path, {"jwt": {"secret": SECRET}}, "--claim", "role=editor")
    assert found.user == {"id": "ann", "role": "editor"}
    assert found.expires is not None
    assert before + 30 * DAY - 1 <= found.expires - 10 <= time.time() + 30 * DAY


async def test_the_example_of_the_guide(tmp_path: Path) -> None:
    guide = Path(__file__).parents[3] / "docs/configuration.md"
    (line,) = re.findall("(?m)^sharedstate-anyio token config.json (.*)$", guide.read_text("utf-8"))
    found = await who(tmp_path, {"jwt": {"secret": SECRET}}, *shlex.split(line))
    assert found.user == {"id": "ann", "role": "editor", "rooms": ["r1", "r2"]}


async def test_values_are_json_if_they_can_be(tmp_path: Path) -> None:
    values = {"a": "1", "b": '["x"]', "c": "tru", "d": "NaN", "e": "", "f": "a=b", "g": "1e999"}
    claims = [word for pair in values.items() for word in ("--claim", "=".join(pair))]
    found = await who(tmp_path, {"jwt": {"secret": SECRET}}, *claims)
    json = {"a": 1, "b": ["x"], "c": "tru", "d": "NaN", "e": "", "f": "a=b", "g": "1e999"}
    assert found.user == {"id": "ann", **json}


async def test_it_says_what_the_configuration_asks_for(tmp_path: Path) -> None:
    auth = {
        "jwt": {
            "secrets": [SECRET, "o" * 40],
            "issuer": ["https://a.b", "c"],
            "audience": ["sharedstate", "x"],
            "user": "email",
            "algorithms": ["HS256", "ES256"],
        },
        "keys": [{"sha256": "0" * 64, "user": {"id": "x"}}],
    }
    found = await who(tmp_path, auth, "--user", "a@b.c", "--days", "0.5")
    assert found.user == {"email": "a@b.c", "id": "a@b.c"}


async def test_the_secret_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    auth = {"jwt": {"secret_file": str(tmp_path / "secret")}}
    assert (await who(tmp_path, auth)).user == {"id": "ann"}


def test_what_has_no_secret(tmp_path: Path) -> None:
    (tmp_path / "public.pem").write_text(Signer("ES256").pem)
    for auth, said in (
        (None, "auth.jwt: is missing: there is no secret to sign with; add"),
        ({"python": "m:f"}, "auth.jwt: is missing: there is no secret to sign with; add"),
        (
            {"jwt": {"key": str(tmp_path / "public.pem")}},
            'auth.jwt: has no "secret", and other keys',
        ),
        ({"jwt": {"secret_file": "absent"}}, "auth.jwt.secret_file: cannot be read"),
        (
            {"jwt": {"secret": SECRET, "algorithms": ["ES256"]}},
            "auth.jwt.secret: is made for HS256",
        ),
        ({"jwt": {"secret": "short"}}, "auth.jwt.secret: has 5 characters"),
    ):
        assert f"sharedstate-anyio: {said}" in one_line(refused(tmp_path, auth))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--claim", "role"), "--claim: expected name=value, found 'role'"),
        (("--claim", "=x"), "--claim: expected name=value, found '=x'"),
        (("--claim", "exp=0"), "--claim: exp is not for you to set; leave it out"),
        (("--claim", "a=1", "--claim", "a=2"), "--claim: a is there twice; a list is a='[1, 2]'"),
        (("--claim", f"a={'x' * 9000}"), "bytes, of which 8,192 are allowed"),
        (
            ("--claim", f"a={'[' * 40}{']' * 40}"),
            "would refuse it: the content of the token is nested",
        ),
        (("--user", ""), "--user: the server would refuse it: the token names no user"),
        (("--user", "x" * 256), "--user: the server would refuse it: the token names no user"),
        (("--days", "0"), "expected a number of days, more than 0 and up to 36,500, found '0'"),
        (("--days", "nan"), "expected a number of days, more than 0 and up to 36,500, found 'nan'"),
        (("--days", "ever"), "expected a number of days"),
    ],
)
def test_what_makes_no_token(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    errors = refused(tmp_path, {"jwt": {"secret": SECRET}}, *options)
    assert said in errors
    assert len(errors.splitlines()) == 1
