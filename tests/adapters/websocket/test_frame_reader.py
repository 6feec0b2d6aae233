"""The reader of frames against wsproto, which is right by definition: whatever is sent, however it is cut."""

from __future__ import annotations

import itertools
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from sharedstate_anyio.websocket.deflate import Deflate, compressed_text_frame
from sharedstate_anyio.websocket.frame_reader import (
    Compressed,
    FrameReader,
    Heard,
    Plain,
    Reader,
    Violation,
    WsprotoReader,
)
from tests.support import frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Said = tuple[str, object]
"""What a peer said, the same however it was cut: texts and bytes are whole messages."""


def inflated(events: Iterable[Heard]) -> Iterator[str | Plain]:
    for heard in events:
        if isinstance(heard, Compressed):
            yield from heard.events
        else:
            yield heard


def said(reader: Reader, pieces: Iterable[bytes]) -> list[Said]:
    """Return what a reader makes of these bytes, up to the end of the connection; parts joined, pongs left out."""
    found: list[Said] = []
    part: str | bytes = ""
    for piece in pieces:
        for heard in inflated(reader.feed(piece)):
            match heard:
                case str():
                    found.append(("text", heard))
                case TextMessage() | BytesMessage():
                    data = heard.data if isinstance(heard.data, str) else bytes(heard.data)
                    part = part + data if part else data  # type: ignore[operator]
                    if heard.message_finished:
                        found.append(("text" if isinstance(data, str) else "bytes", part))
                        part = ""
                case Ping():
                    found.append(("ping", bytes(heard.payload)))
                case CloseConnection():
                    return [*found, ("close", (heard.code, heard.reason or ""))]
                case Violation():
                    return [*found, ("violation", heard.code)]
                case Pong():
                    pass
    return found


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut bytes into pieces at these places, modulo their length."""
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(ends)] or [b""]


payloads = st.one_of(
    st.text(max_size=300).map(str.encode),
    st.binary(max_size=8),
    st.sampled_from([b"", b"x" * 125, b"x" * 126, b"\xc3\xa4" * 200, b"y" * 66_000]),
)
any_frame = st.builds(
    frames.encode,
    st.sampled_from([1, 1, 1, 1, 0, 2, 9, 10, 8, 3, 11]),
    payloads,
    fin=st.sampled_from([True, True, True, False]),
    rsv=st.sampled_from([0, 0, 0, 0, 4, 1]),
    masked=st.sampled_from([True] * 9 + [False]),
)
crooked = st.sampled_from(
    [
        b"\x81\xfe\x00\x05" + bytes(4) + b"short",  # its length is not said in the shortest way
        b"\x81\xff" + (300).to_bytes(8, "big") + bytes(4) + b"x" * 300,
        b"\x81\xff" + b"\xff" * 8 + bytes(4),  # 2**64 - 1 bytes
        b"\x8a\xfe\x00\x80" + bytes(4) + b"x" * 128,  # a pong that is too long
    ]
)


@given(
    st.lists(st.one_of(any_frame, any_frame, any_frame, crooked), max_size=6),
    st.lists(st.integers(0, 1 << 20), max_size=8),
    st.integers(0, 40),
)
def test_it_hears_what_wsproto_hears(sent: list[bytes], places: list[int], missing: int) -> None:
    data = b"".join(sent)
    data = data[: len(data) - missing] if missing < 20 else data
    assert said(FrameReader(), cut(data, places)) == said(WsprotoReader(), [data])


def flip(data: bytes, at: int, bits: int) -> bytes:
    """Return the bytes with some bits of one of them turned over."""
    changed = bytearray(data)
    changed[at % len(data)] ^= bits
    return bytes(changed)


noise = st.one_of(
    st.binary(max_size=40),
    any_frame,
    st.builds(
        flip,
        any_frame,
        st.integers(0, 400),
        st.integers(1, 255),
    ),
)


@given(st.lists(noise, max_size=8), st.lists(st.integers(0, 1 << 20), max_size=8))
def test_noise_is_heard_as_wsproto_hears_it(sent: list[bytes], places: list[int]) -> None:
    """Random bytes, and frames with a fault in one byte: the same messages, and the same close code.

    Zeros follow: the head of a frame is judged when all of it is there, by wsproto sometimes earlier.
    """
    data = b"".join([*sent, bytes(14)])
    assert said(FrameReader(), cut(data, places)) == said(WsprotoReader(), [data])


@given(
    st.lists(st.tuples(st.text(max_size=400), st.booleans()), max_size=5),
    st.lists(st.integers(0, 4000)),
)
def test_with_compression(messages: list[tuple[str, bool]], places: list[int]) -> None:
    def readers() -> Deflate:
        deflate = Deflate(lambda: 1 << 20)
        assert deflate.accept("permessage-deflate") is not None
        return deflate

    data = b""
    for text, compressed in messages:
        payload = text.encode()
        if compressed:
            whole = compressed_text_frame(payload)
            size = whole[1]
            payload = whole[2 if size < 126 else 4 :]
        data += frames.encode(frames.TEXT, payload, rsv=4 if compressed else 0)
    heard = said(FrameReader([readers()]), cut(data, places))
    assert heard == [("text", text) for text, _ in messages]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 125, 126, 127, 65_535, 65_536, 100_000])
def test_every_length_byte_by_byte_and_at_once(size: int) -> None:
    text = ("äöü€𝄞" * size)[:size]
    data = frames.encode_text(text) * 2
    for pieces in ([data], cut(data, range(0, len(data), 1 + len(data) // 1000))):
        assert said(FrameReader(), pieces) == [("text", text)] * 2


def test_an_idle_connection_holds_no_parser() -> None:
    reader = FrameReader()
    text, ping = frames.encode_text("hello"), frames.encode(frames.PING, b"?")
    parts = frames.encode(frames.TEXT, b"hel", fin=False), frames.encode(frames.CONTINUATION, b"lo")
    for pieces in ([text], [text[:3], text[3:]], [ping], parts, [parts[0], ping, parts[1]]):
        assert said(reader, pieces)
        assert reader._wsproto is None
    assert said(reader, [parts[0]]) == []
    assert reader._wsproto is not None  # what has come is kept there
    assert said(reader, [text]) == [("violation", 1002)]  # a new message amid another


def test_whole_texts_come_without_wsproto(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("sharedstate_anyio.websocket.frame_reader.WsprotoReader", refuse)
    data = frames.encode_text("a") + frames.encode(frames.PONG) + frames.encode_text("ü" * 500)
    assert said(FrameReader(), [data]) == [("text", "a"), ("text", "ü" * 500)]
    with pytest.raises(AssertionError):
        said(FrameReader(), [frames.encode(frames.PING)])


def test_what_is_found_late_is_found_once_it_is_asked_for() -> None:
    """Reading is paused amid what has arrived, and goes on from there."""
    heard = FrameReader().feed(frames.encode_text("one") + frames.encode_text("two"))
    assert next(heard) == "one"
    assert next(heard) == "two"
    assert next(heard, None) is None


def negotiated(limit: int = 1 << 16) -> Deflate:
    deflate = Deflate(lambda: limit)
    assert deflate.accept("permessage-deflate") is not None
    return deflate


def packed(data: bytes) -> bytes:
    """Return the payload of a compressed message."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


any_compressed = st.one_of(
    st.binary(max_size=300).map(packed),
    st.text(max_size=300).map(lambda text: packed(text.encode())),
    st.sampled_from([0, 1, 4095, 4096, 4097, 65_536, 65_537]).map(lambda n: packed(b" " * n)),
    st.binary(max_size=300).map(lambda data: zlib.compress(data, wbits=-15) + b"\0"),  # has an end
    st.binary(max_size=40),
)
compressed_frame = st.builds(
    frames.encode,
    st.sampled_from([1, 1, 1, 1, 0, 2, 9]),
    any_compressed,
    fin=st.sampled_from([True, True, True, False]),
    rsv=st.sampled_from([4, 4, 4, 0]),
)


@given(
    st.lists(st.one_of(compressed_frame, compressed_frame, any_frame), max_size=6),
    st.lists(st.integers(0, 1 << 20), max_size=8),
)
def test_it_inflates_what_wsproto_inflates(sent: list[bytes], places: list[int]) -> None:
    """Which of two rules that one frame breaks is found first depends on how much of it has come."""
    pieces = cut(b"".join(sent), places)
    heard = [said(FrameReader([negotiated()]), pieces), said(WsprotoReader([negotiated()]), pieces)]
    for found in heard:
        if found and found[-1] in {("violation", 1002), ("violation", 1007)}:
            found[-1] = ("violation", "1002 or 1007")
    assert heard[0] == heard[1]


@pytest.mark.parametrize("pieces", [1, 2])
def test_what_may_be_large_is_inflated_when_it_is_taken(pieces: int) -> None:
    deflate = negotiated()
    frame = frames.encode(frames.TEXT, packed(b" " * 60_000), rsv=4)
    reader = FrameReader([deflate])
    heard = [each for piece in cut(frame, [20] * (pieces - 1)) for each in reader.feed(piece)]
    assert len(heard) == pieces
    assert deflate._inflated == 0
    for each in heard:
        assert isinstance(each, Compressed)
        list(each.events)
    assert deflate._inflated == 60_000


@given(
    st.lists(any_frame, max_size=3),
    st.lists(st.one_of(compressed_frame, any_frame), max_size=3),
    st.lists(st.integers(0, 1 << 20), max_size=8),
)
def test_who_ignores_messages_hears_what_controls(
    pings: list[bytes], sent: list[bytes], places: list[int]
) -> None:
    """Also amid a message, whose remaining bytes are no frames."""
    deflate = negotiated()
    reader = FrameReader([deflate])
    first = frames.encode(frames.TEXT, packed(b" " * 60_000), rsv=4, fin=False)
    for heard in reader.feed(first[:-5]):
        assert isinstance(heard, Compressed)
        list(heard.events)
    assert deflate._inflater is not None
    reader.ignore_messages()
    controls = [each for each in pings if each[0] & 8]
    data = first[-5:] + b"".join([*controls, *(each for each in sent if not each[0] & 8)])
    found = said(reader, cut(data, places))
    assert [each for each in found if each[0] != "text"] == said(WsprotoReader(), controls)
    assert deflate._inflater is None


def test_a_short_compressed_message_is_read_at_once() -> None:
    frame = frames.encode(frames.TEXT, packed(b"[1,2,3]"), rsv=4)
    assert list(FrameReader([negotiated()]).feed(frame)) == ["[1,2,3]"]
