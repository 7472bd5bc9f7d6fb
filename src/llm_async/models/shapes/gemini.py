"""Gemini's contents, read into the neutral shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from llm_async.models.message import Image, Item, Message, Native, Part, Text
from llm_async.models.response import made_up_id
from llm_async.models.tool_call import ToolCall, ToolResult

_ROLES = {"model": "assistant", "function": "user", "": "user"}
_DESCRIBING = frozenset({"thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"})


def read(message: Mapping[str, Any]) -> tuple[list[Item], list[str]]:
    """Return what a message means, and what of it only its issuer can read."""
    role = str(message.get("role") or "")
    reading = _Reading(_ROLES.get(role, role))
    parts = message.get("parts")
    for part in parts if isinstance(parts, (list, tuple)) else ():
        if isinstance(part, Mapping):
            # The service takes both ways of writing names.
            reading.add({_camel(name): value for name, value in part.items()})
    return list(reading.items()), reading.lost


def with_ids_matched(items: Iterable[Item]) -> list[Item]:
    """Return a conversation in which results have the ids that were made up here for calls that Gemini gave none.

    The user knows such a call by another id, which was made up when the reply came.
    """
    matched: list[Item] = []
    waiting: list[ToolCall] = []
    for item in items:
        if isinstance(item, Message):
            if item.role == "assistant":
                names = [call.name for call in item.tool_calls]
                numbered = [(call, names[:place].count(call.name)) for place, call in enumerate(item.tool_calls)]
                waiting = [call for call, number in numbered if call.id == _made_up(call.name, number)]
        elif waiting:
            known = [call for call in waiting if call.id == item.id]
            named = [call for call in waiting if item.name in ("", call.name)]
            for call in (known or named)[:1]:
                waiting.remove(call)
                item = replace(item, id=call.id, name=item.name or call.name)
        matched.append(item)
    return matched


class _Reading:
    """One message, as far as its parts have been read."""

    def __init__(self, role: str) -> None:
        self.lost: list[str] = []
        self._role = role
        self._content: list[Part] = []
        self._thoughts: list[str] = []
        self._calls: list[ToolCall] = []
        self._results: list[ToolResult] = []

    def add(self, part: Mapping[str, Any]) -> None:
        """Take in the next part."""
        if part.get("thoughtSignature"):
            self.lost.append("signatures of another provider were left out (thoughtSignature)")
        text, call, result = part.get("text"), part.get("functionCall"), part.get("functionResponse")
        if isinstance(text, str):
            if part.get("thought"):
                self._thoughts.append(text)
            elif text:
                self._content.append(Text(text))
        elif isinstance(call, Mapping):
            self._add_call(call)
        elif isinstance(result, Mapping):
            self._add_result(result)
        elif (media := _media(part)) is not None and self._role != "assistant":
            self._content.append(media)
        else:
            kind = next((name for name in part if name not in _DESCRIBING), "part")
            self.lost.append(f"what only its issuer understands was left out ({kind})")

    def items(self) -> Iterator[Item]:
        """Return what the message amounts to: results, and what is said beside them."""
        yield from self._results
        if not (self._content or self._calls or self._thoughts) and (self._results or self._role == "assistant"):
            return
        content: str | list[Part] = self._content
        if all(isinstance(part, Text) for part in self._content):
            content = "".join(part.text for part in self._content if isinstance(part, Text))
        yield Message(self._role, content, "".join(self._thoughts), self._calls)

    def _add_call(self, call: Mapping[str, Any]) -> None:
        name = str(call.get("name") or "")
        number = sum(known.name == name for known in self._calls)
        id = str(call.get("id") or "") or _made_up(name, number)
        text = msgspec.json.encode(call.get("args") or {}).decode()
        self._calls.append(ToolCall.parse(id, name, text))

    def _add_result(self, result: Mapping[str, Any]) -> None:
        name = str(result.get("name") or "")
        number = sum(known.name == name for known in self._results)
        id = str(result.get("id") or "") or _made_up(name, number)
        text, is_error = _response(result.get("response"))
        shown = [media for part in result.get("parts") or () if (media := _media(part)) is not None]
        self._results.append(ToolResult(id, text, name, is_error, [Text(text), *shown] if shown else ()))


def _made_up(name: str, number: int) -> str:
    """Return an id for the `number`th call of a function, or its result, where Gemini has none."""
    return made_up_id(f"{name}/{number}")


def _response(response: Any) -> tuple[str, bool]:
    """Return a function's result as text, and whether it is an error."""
    if isinstance(response, Mapping) and len(response) == 1:
        ((field, value),) = response.items()
        if field in ("result", "output", "error"):
            return _as_text(value), field == "error"
    return _as_text(response if response is not None else {}), False


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _media(part: Any) -> Part | None:
    """Return the picture, sound or file in a part; None if there is none that others could take."""
    if not isinstance(part, Mapping):
        return None
    blob, file = (part.get(name, part.get(other)) for name, other in _MEDIA)
    if isinstance(blob, Mapping) and isinstance(data := blob.get("data"), str):
        return _inline(str(_type_of(blob) or "application/octet-stream"), data)
    if isinstance(file, Mapping) and isinstance(uri := file.get("fileUri", file.get("file_uri")), str):
        kind = str(_type_of(file) or "")
        if not uri.startswith(("https:", "http:")) or "generativelanguage.googleapis.com" in uri:
            return None  # lies with Google, for Google alone
        return Image(uri) if kind.startswith("image/") else Native({"type": "file", "file": {"file_url": uri}})
    return None


_MEDIA = (("inlineData", "inline_data"), ("fileData", "file_data"))


def _inline(kind: str, data: str) -> Part:
    data = data.replace("-", "+").replace("_", "/")  # Gemini takes both alphabets of base64
    if kind.startswith("image/"):
        return Image(f"data:{kind};base64,{data}")
    format = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}.get(kind)
    if format is not None:
        return Native({"type": "input_audio", "input_audio": {"data": data, "format": format}})
    return Native({"type": "file", "file": {"file_data": f"data:{kind};base64,{data}"}})


def _type_of(value: Mapping[str, Any]) -> Any:
    return value.get("mimeType", value.get("mime_type"))


def _camel(name: Any) -> str:
    first, *rest = str(name).split("_")
    return first + "".join(word.capitalize() for word in rest)
