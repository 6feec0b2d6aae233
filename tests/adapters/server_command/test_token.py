"""`sharedstate-anyio token`: what it prints is valid for that configuration, and it prints nothing else."""

from __future__ import annotations

import re
import shlex
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sharedstate_anyio import parse_config
from sharedstate_anyio.auth import Authenticator, AuthRequest
from sharedstate_anyio.logs.repeated_errors import RepeatedErrors
from tests.support.services.command import one_line, started
from tests.support.services.servers import document, write_config
from tests.support.tokens import SECRET, Signer, claims, key_set

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
    (line,) = re.findall(
        "(?m)^sharedstate-anyio token config.json (--user .*)$", guide.read_text("utf-8")
    )
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


@pytest.mark.parametrize(
    ("option", "seconds"), [("--days", DAY), ("--minutes", 60), ("--seconds", 1)]
)
async def test_how_long_it_is_valid(option: str, seconds: int, tmp_path: Path) -> None:
    before = time.time()
    found = await who(tmp_path, {"jwt": {"secret": SECRET}}, option, "90")
    assert found.expires is not None
    assert before + 90 * seconds - 1 <= found.expires - 10 <= time.time() + 90 * seconds


# Verifying


def verified(folder: Path, shown: str, *, status: int, **auth: Any) -> str:
    """Return what is said of a token."""
    (folder / "token").write_text(f"{shown}\n")
    name = write_config(folder, {**document(), "auth": {"jwt": {"secret": SECRET}, **auth}})
    with started("token", name, "--verify", str(folder / "token"), folder=folder) as command:
        assert command.finish() == status
        assert (command.errors == "") is (status != 2)
        return command.output or command.errors


def test_whose_a_token_is(tmp_path: Path) -> None:
    shown = Signer("HS256").token(claims(exp=4_000_000_000, role="\x1b[2J"))
    said = verified(tmp_path, shown, status=0)
    assert said.startswith("valid until 2096-10-02 07:06:50 UTC: {")
    assert said.removesuffix("\n").isprintable()
    static = {"keys": [{"sha256": sha256(b"a script's").hexdigest(), "user": {"id": "bot"}}]}
    assert verified(tmp_path, "a script's", status=0, **static) == 'valid for ever: {"id":"bot"}\n'


def test_why_a_token_is_refused(tmp_path: Path) -> None:
    shown = Signer("HS256", "k7").token(claims(aud="other", exp=4_000_000_000))
    jwt = {"secret": SECRET, "audience": "sharedstate"}
    other = "the token was issued for somebody else: its claim aud names none of auth.jwt.audience"
    assert verified(tmp_path, shown, status=1, jwt=jwt).splitlines() == [
        f"refused (invalid): {other}",
        '  its head says: alg "HS256", kid "k7"',
        '  its claims are: {"sub":"ann","exp":4000000000,"aud":"other"}',
    ]
    said = verified(tmp_path, "nonsense", status=1)
    assert said == "refused (invalid): the token is no JSON Web Token\n"
    assert "refused (expired): " in verified(
        tmp_path, Signer("HS256").token(claims(exp=1)), status=1
    )


def test_the_key_set_is_fetched_to_verify(tmp_path: Path) -> None:
    rsa, other = Signer("RS256", "a"), Signer("RS256", "b")
    (tmp_path / "keys.json").write_bytes(key_set(rsa))
    jwt = {"jwks": str(tmp_path / "keys.json"), "audience": "sharedstate"}
    assert "valid until" in verified(tmp_path, rsa.token(), status=0, jwt=jwt)
    said = verified(tmp_path, other.token(), status=1, jwt=jwt)
    assert said.startswith("refused (invalid): the key that has signed the token is not known\n")


def test_what_cannot_be_verified(tmp_path: Path) -> None:
    name = write_config(tmp_path, document())
    for options, said in (
        (("--verify", "absent"), "auth: is missing: no token is valid"),
        ((), "one of the arguments --user --verify is required"),
        (("--user", "ann", "--verify", "-"), "not allowed with argument --user"),
    ):
        with started("token", name, *options, folder=tmp_path) as command:
            assert command.finish() == 2
            assert said in command.errors
    auth = {"jwt": {"secret": SECRET}}
    name = write_config(tmp_path, {**document(), "auth": auth})
    with started("token", name, "--verify", "absent", folder=tmp_path) as command:
        assert command.finish() == 2
        assert "--verify: cannot be read: No such file or directory" in command.errors


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
        (("--minutes", "0"), "a number of minutes, more than 0 and up to 52,560,000, found '0'"),
        (("--seconds", "1", "--days", "1"), "--days: not allowed with argument --seconds"),
    ],
)
def test_what_makes_no_token(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    errors = refused(tmp_path, {"jwt": {"secret": SECRET}}, *options)
    assert said in errors
    assert len(errors.splitlines()) == 1
