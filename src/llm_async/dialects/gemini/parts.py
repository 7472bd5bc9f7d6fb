"""Parts of a neutral message as Gemini's parts: text, pictures, sound and files."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from llm_async.errors import ConfigurationError
from llm_async.models.message import Image, Native, Text, as_content

Part = dict[str, Any]

_OWN = frozenset(
    {
        "text",
        "inlineData",
        "inline_data",
        "fileData",
        "file_data",
        "functionCall",
        "function_call",
        "functionResponse",
        "function_response",
        "executableCode",
        "codeExecutionResult",
        "toolCall",
        "toolResponse",
    }
)
"""What makes a dict a part of the format's own, each in itself."""

_FILES = "https://generativelanguage.googleapis.com/v1beta/"
"""Where uploaded files are, which are named `files/…`."""

_MEDIA_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "xml": "text/xml",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "mpeg": "video/mpeg",
}


def encode_parts(content: Any, lost: list[str]) -> list[Part]:
    """Return a message's content as parts; what cannot be said is left out and added to `lost`."""
    if isinstance(content, str):
        return [{"text": content}] if content else []
    parts = (_encode_part(part, lost) for part in as_content(list(content), "content"))
    return [part for part in parts if part is not None]


def tell_of_marks(lost: list[str]) -> None:
    """Add that marks were left out."""
    lost.append("marks for the prompt cache were left out (cache_control): Gemini caches by itself")


def _encode_part(part: object, lost: list[str]) -> Part | None:
    if isinstance(part, (Text, Image)) and part.cache_control is not None:
        tell_of_marks(lost)
    match part:
        case Text(text):
            return {"text": text}
        case Image(url, detail=detail):
            if detail not in (None, "auto"):
                lost.append("how closely to look at a picture was left out (detail); Gemini has mediaResolution")
            return encode_media(url, "image/jpeg")
        case Native(value) if isinstance(value, Mapping):
            return _encode_native(value, lost)
        case _:  # pragma: no cover - there are no others
            raise AssertionError(part)


def _encode_native(value: Mapping[str, Any], lost: list[str]) -> Part | None:
    kind = value.get("type")
    inner = value.get(kind) if isinstance(kind, str) else None
    if value.get("cache_control") is not None:
        tell_of_marks(lost)
    if isinstance(inner, Mapping):
        if kind == "input_audio" and isinstance(data := inner.get("data"), str):
            return {"inlineData": {"mimeType": _audio_type(inner.get("format")), "data": data}}
        if kind in ("video_url", "audio_url") and isinstance(url := inner.get("url"), str):
            return encode_media(url, "video/mp4" if kind == "video_url" else "audio/mpeg")
        if kind == "file" and (part := _encode_file(inner)) is not None:
            return part
    if kind is None and not _OWN.isdisjoint(value):
        return dict(value)
    lost.append(f"a part of type {kind!r} was left out, which Gemini does not take as it is")
    return None


def _audio_type(format: object) -> str:
    return _MEDIA_TYPES.get(str(format).lower(), f"audio/{format or 'wav'}")


def _encode_file(file: Mapping[str, Any]) -> Part | None:
    name = file.get("filename")
    guessed = media_type(name if isinstance(name, str) else "") or "application/pdf"
    address = file.get("file_url") or file.get("file_id")
    data = file.get("file_data")
    if isinstance(data, str) and data:
        is_address = data[:5].lower() == "data:" or "://" in data[:12]
        return encode_media(data, guessed) if is_address else {"inlineData": {"mimeType": guessed, "data": data}}
    if not isinstance(address, str):
        return None
    if address.startswith("files/"):
        address = _FILES + address
    # Another provider's uploaded files have names that mean nothing here.
    return encode_media(address, guessed) if "://" in address else None


def encode_media(url: str, otherwise: str) -> Part:
    """Return the part with what is at an address, or in a `data:` URL.

    Args:
        otherwise: its type where the address does not tell.

    Raises:
        ConfigurationError: a `data:` URL has no data.
    """
    if url[:5].lower() != "data:":
        kind = "video/mp4" if "youtu" in (urlsplit(url).hostname or "") else media_type(url)
        return {"fileData": {"mimeType": kind or otherwise, "fileUri": url}}
    head, comma, data = url[5:].partition(",")
    if not comma:
        raise ConfigurationError("a data: URL in the messages has no comma, and so no data")
    kind, *parameters = (word.strip() for word in head.split(";"))
    if "base64" not in (word.lower() for word in parameters):
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return {"inlineData": {"mimeType": kind.lower() or otherwise, "data": data}}


def media_type(address: str) -> str:
    """Return the type of what an address or a file's name leads to, "" where its ending does not tell.

    >>> media_type("https://example.com/a.png?size=2")
    'image/png'
    """
    _, dot, ending = address.partition("?")[0].partition("#")[0].rpartition(".")
    return _MEDIA_TYPES.get(ending.lower(), "") if dot else ""
