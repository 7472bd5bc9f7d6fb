"""Pictures for a model: a file, a PIL image, an address or base64 becomes the neutral `image_url` part.

The media type is what the bytes' leading signature says. PNG, JPEG, GIF and WebP go out as they are; anything else
that Pillow reads is sent as PNG. A web address is sent as an address and never fetched.
"""

from __future__ import annotations

import base64
import binascii
import importlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from llm_async import ConfigurationError, Message
from llm_async.models import ModelRequest
from llm_async.models.message import Native, as_content

_PNG_MODES = ("1", "L", "LA", "I;16", "P", "RGB", "RGBA")

KINDS = ("image_path", "image_pil", "image_url", "image_base64")


def has_pictures(request: ModelRequest) -> bool:
    """Return whether there is a part of type `image`, which no provider takes as it is."""
    return any(isinstance(message, Message) and _pictures_in(message) for message in request.messages)


def with_pictures(request: ModelRequest) -> ModelRequest:
    """Return the request with its pictures as providers take them. Reads files.

    Raises:
        ConfigurationError: a picture can never work; the text names it, for example `messages[0].content[1]`.
    """
    messages = tuple(
        _with_pictures(message, f"messages[{index}]")
        if isinstance(message, Message) and _pictures_in(message)
        else message
        for index, message in enumerate(request.messages)
    )
    return replace(request, messages=messages)


def media_type(data: bytes) -> str | None:
    """Return the media type of a picture that providers take as it is, by its leading bytes.

    >>> media_type(b"GIF89a...")
    'image/gif'
    >>> media_type(b"BM...") is None
    True
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def _pictures_in(message: Message) -> bool:
    content = message.content
    return not isinstance(content, str) and any(_is_picture(part) for part in content)


def _is_picture(part: object) -> bool:
    value = part.value if isinstance(part, Native) else part
    return isinstance(value, Mapping) and value.get("type") == "image" and "source" not in value


def _with_pictures(message: Message, where: str) -> Message:
    # The dict that the caller gave is what goes out; it is copied, never changed.
    given = message.original if isinstance(message.original, Mapping) else None
    content: list[Any] = []
    for index, part in enumerate(message.content if given is None else given["content"]):
        value: Any = part.value if isinstance(part, Native) else part
        content.append(_as_part(value, f"{where}.content[{index}]") if _is_picture(part) else part)
    if given is None:
        return replace(message, content=as_content(content, where))
    return replace(message, content=as_content(content, where), original={**given, "content": content})


def _as_part(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    kinds = [kind for kind in KINDS if part.get(kind) is not None]
    if len(kinds) != 1:
        raise ConfigurationError(
            f"{where}: a picture needs exactly one of {', '.join(KINDS)}; it has {kinds or 'none'}"
        )
    value = part[kinds[0]]
    further = {key: each for key, each in part.items() if key not in KINDS}  # such as cache_control
    if kinds[0] == "image_url":
        return further | {"type": "image_url", "image_url": _address(value, where)}
    read = {"image_path": _from_path, "image_pil": _from_pil, "image_base64": _from_base64}[kinds[0]]
    data = read(value, where)
    kind = media_type(data)
    if kind is None:
        data, kind = _converted(data, where), "image/png"
    address = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return further | {"type": "image_url", "image_url": {"url": address}}


def _address(value: object, where: str) -> dict[str, Any]:
    told = dict(value) if isinstance(value, Mapping) else {"url": value}
    url = told.get("url")
    if not isinstance(url, str) or not url.lower().startswith(("http://", "https://", "data:image/")):
        raise ConfigurationError(f"{where}.image_url must be a web address or a data:image/ URL; files have image_path")
    return told


def _from_path(value: object, where: str) -> bytes:
    if not isinstance(value, (str, Path)):
        raise ConfigurationError(f"{where}.image_path must be a path; it is a {type(value).__name__}")
    try:
        return Path(value).expanduser().read_bytes()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{where}: cannot read the picture {str(value)!r} ({error})") from error


def _from_base64(value: object, where: str) -> bytes:
    if not isinstance(value, str):
        raise ConfigurationError(f"{where}.image_base64 must be text; it is a {type(value).__name__}")
    text = value.partition(",")[2] if value[:5].lower() == "data:" else value
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError(f"{where}.image_base64 is not base64 ({error})") from error


def _from_pil(value: Any, where: str) -> bytes:
    save = getattr(value, "save", None)
    if save is None or not hasattr(value, "mode"):
        raise ConfigurationError(f"{where}.image_pil must be a PIL image; it is a {type(value).__name__}")
    file = io.BytesIO()
    # JPEG stays JPEG, for a photo is ten times as large as PNG; PNG can say everything else.
    kind = "JPEG" if getattr(value, "format", None) == "JPEG" and value.mode in ("RGB", "L", "CMYK") else "PNG"
    try:
        if kind == "PNG" and value.mode not in _PNG_MODES:
            value.convert("RGB").save(file, format=kind)
        else:
            save(file, format=kind)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{where}: the PIL image cannot be written as {kind} ({error})") from error
    return file.getvalue()


def _converted(data: bytes, where: str) -> bytes:
    """Return a picture of another format as PNG."""
    try:
        pillow: Any = importlib.import_module("PIL.Image")
    except ImportError as error:
        raise ConfigurationError(
            f"{where}: the picture is neither PNG, JPEG, GIF nor WebP, or none at all; "
            "to have others converted, pip install 'dragoman[images]'"
        ) from error
    try:
        with pillow.open(io.BytesIO(data)) as picture:
            return _from_pil(picture, where)
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(f"{where}: these bytes are no picture ({type(error).__name__})") from error
