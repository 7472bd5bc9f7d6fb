"""Pictures reach the server as what their bytes say they are, and what is none is refused by its place."""

from __future__ import annotations

import base64
import copy
import importlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import plays
from llm import ConfigurationError
from llm.testing import says, scripted_llm
from llm_async import Message
from llm_async.models.message import Text
from plays import Play

every_face = pytest.mark.parametrize("play", plays.ALL.values(), ids=plays.ALL)


def picture(kind: str, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (2, 3)).save(file, format=kind)
    return file.getvalue()


def data_url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def asked(part: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}]


def sent(part: Any, play: Play = plays.play_blocking) -> Any:
    """Return the part that goes to the server."""
    llm = scripted_llm(says("A cat."))
    messages = asked(part)
    before = copy.copy(messages[0]["content"][1])

    scene = play(llm, messages)

    assert scene.error is None, scene.error
    assert messages[0]["content"][1] == before
    content = llm.requests[0]["messages"][0]["content"]
    assert content[0] == {"type": "text", "text": "What is it?"}
    return content[1]


def opened(part: Any) -> Image.Image:
    head, _, text = part["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(text)))


@every_face
@pytest.mark.parametrize(("kind", "type"), [("PNG", "png"), ("JPEG", "jpeg"), ("GIF", "gif"), ("WEBP", "webp")])
@pytest.mark.parametrize("given", ["path", "Path", "base64", "data URL", "wrapped base64"])
def test_a_picture_goes_out_as_it_is(play: Play, kind: str, type: str, given: str, tmp_path: Path) -> None:
    data = picture(kind)
    file = tmp_path / "picture.txt"  # the name says nothing
    file.write_bytes(data)
    part: dict[str, Any] = {"type": "image"} | {
        "path": {"image_path": str(file)},
        "Path": {"image_path": file},
        "base64": {"image_base64": base64.b64encode(data).decode()},
        "data URL": {"image_base64": data_url(data, "unknown")},
        "wrapped base64": {"image_base64": base64.encodebytes(data).decode()},
    }[given]

    assert sent(part, play) == {"type": "image_url", "image_url": {"url": data_url(data, type)}}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("https://example.com/a.jpg", {"url": "https://example.com/a.jpg"}),
        ({"url": "HTTP://example.com/a", "detail": "low"}, {"url": "HTTP://example.com/a", "detail": "low"}),
        ("data:image/png;base64,AAAA", {"url": "data:image/png;base64,AAAA"}),
    ],
)
def test_an_address_is_sent_and_never_fetched(given: Any, told: Any) -> None:
    assert sent({"type": "image", "image_url": given}) == {"type": "image_url", "image_url": told}


def test_a_picture_keeps_what_else_its_part_says() -> None:
    mark = {"type": "ephemeral"}

    assert sent({"type": "image", "image_url": "https://a/b", "cache_control": mark})["cache_control"] == mark
    assert sent({"type": "image", "image_pil": Image.new("L", (1, 1)), "cache_control": mark})["cache_control"] == mark


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "F", "I"])
def test_a_pil_image_of_any_mode_goes_out_as_png(mode: str) -> None:
    assert opened(sent({"type": "image", "image_pil": Image.new(mode, (2, 3))})).size == (2, 3)


def test_a_photo_stays_a_jpeg() -> None:
    photo = Image.open(io.BytesIO(picture("JPEG")))

    assert sent({"type": "image", "image_pil": photo})["image_url"]["url"].startswith("data:image/jpeg;base64,/9j/")


@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
def test_other_formats_are_converted(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(picture(kind))

    assert opened(sent({"type": "image", "image_path": tmp_path / "a"})).size == (2, 3)


def test_a_home_directory_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.gif").write_bytes(picture("GIF"))

    assert "image/gif" in sent({"type": "image", "image_path": "~/a.gif"})["image_url"]["url"]


class Unwritable:
    mode = "RGB"

    def save(self, file: Any, format: str) -> None:
        raise OSError("no room")


@every_face
@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "exactly one"),
        ({"image_path": "a", "image_url": "https://a"}, "exactly one"),
        ({"image_path": "/nowhere/a.png"}, "cannot read.*nowhere"),
        ({"image_path": "/"}, "cannot read"),
        ({"image_path": "a\0b"}, "cannot read"),
        ({"image_path": b"a"}, "image_path must be a path"),
        ({"image_path": __file__}, "no picture"),
        ({"image_base64": "%%%"}, "not base64"),
        ({"image_base64": "caf\u00e9"}, "not base64"),
        ({"image_base64": b"AAAA"}, "image_base64 must be text"),
        ({"image_base64": ""}, "no picture"),
        ({"image_base64": base64.b64encode(b"hello").decode()}, "no picture"),
        ({"image_base64": base64.b64encode(b"RIFF....WAVE").decode()}, "no picture"),
        ({"image_base64": base64.b64encode(picture("BMP")[:40]).decode()}, "no picture"),
        ({"image_pil": "photo.jpg"}, "PIL image"),
        ({"image_pil": Unwritable()}, "no room"),
        ({"image_url": "file:///etc/passwd"}, "web address"),
        ({"image_url": {"url": "File:///etc/passwd"}}, "web address"),
        ({"image_url": "/etc/passwd"}, "web address"),
        ({"image_url": {"detail": "low"}}, "web address"),
        ({"image_url": 3}, "web address"),
        ({"image_url": "data:text/html,x"}, "web address"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_place(play: Play, given: dict[str, Any], named: str) -> None:
    llm = scripted_llm(says("never"))

    error = play(llm, asked({"type": "image"} | given)).error

    assert isinstance(error, ConfigurationError)
    assert re.search(rf"messages\[0\]\.content\[1\].*(?:{named})", str(error)), error
    assert llm.requests == []


def test_without_pillow_a_picture_that_needs_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = importlib.import_module

    def absent(name: str, *rest: Any) -> Any:
        if name.startswith("PIL"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", absent)
    (tmp_path / "a").write_bytes(picture("PNG"))
    assert sent({"type": "image", "image_path": tmp_path / "a"})["type"] == "image_url"
    (tmp_path / "b").write_bytes(picture("BMP"))

    with pytest.raises(ConfigurationError, match=r"dragoman\[images\]"):
        scripted_llm(says("x")).response(asked({"type": "image", "image_path": tmp_path / "b"}))


def test_a_message_object_may_hold_pictures() -> None:
    llm = scripted_llm(says("A cat."))
    part = {"type": "image", "image_url": "https://a/b"}

    llm.response([Message("system", "Look."), Message("user", [Text("What is it?"), part])])

    assert llm.requests[0]["messages"][0] == {"role": "system", "content": "Look."}
    content = llm.requests[0]["messages"][1]["content"]
    assert content[0]["text"] == "What is it?"
    assert None not in content[0].values()
    assert content[1] == {"type": "image_url", "image_url": {"url": "https://a/b"}}
