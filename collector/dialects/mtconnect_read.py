# SPDX-License-Identifier: AGPL-3.0-or-later
"""MTConnect documents to observations: XML, JSON of versions 1 and 2, and one observation a message.

In every form an observation is what has a `dataItemId`, a data item what has an id, a type and a category; the name
around it is its type. XML has no DOCTYPE here: whoever sends one is refused, so no entity is ever expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from xml.parsers import expat

from collector.contract.codec import check_size, decode_object, parse_time
from collector.contract.errors import Refusal
from collector.contract.limits import JSON_DEPTH_MAX

OBSERVATIONS_MAX: Final = 4_096
"""Observations, or data items, of one document."""
PARTS_MAX: Final = 16_384
"""Elements or objects of one document: with an observation's attributes, 256 KiB hold a quarter of it."""
_LEVELS: Final = frozenset({"NORMAL", "WARNING", "FAULT", "UNAVAILABLE"})
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_TEXT_CHARS_MAX: Final = 1_024


class Observation(NamedTuple):
    """One observation: `kind` is its type in capitals, of a condition CONDITION; `component` where it was seen.

    `value` is None where it is UNAVAILABLE; of a condition it is the level, and `text` what is told of it.
    """

    item: str
    kind: str
    sub: str
    component: str
    value: str | None
    text: str
    stamp: float | None
    sequence: int


class DataItem(NamedTuple):
    """What a probe says of a data item."""

    item: str
    kind: str
    sub: str
    component: str


class Document(NamedTuple):
    """A document: its agent's instance and clock, where it tells them, and what it holds."""

    instance: int | None
    created: float | None
    observations: tuple[Observation, ...]
    items: tuple[DataItem, ...]


class _Found(NamedTuple):
    """Something with attributes, in whatever form: the names around it, the innermost last, and its text."""

    around: tuple[str, ...]
    component: str
    attributes: Mapping[str, Any]
    text: str


def read(payload: bytes) -> Document:
    """Return the document. Raises Refusal where it is too large, broken, or neither XML nor a JSON object."""
    check_size(payload)
    is_xml = payload.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<")
    found = _xml(payload) if is_xml else _json((), "", decode_object(payload))
    header: Mapping[str, Any] = {}
    observations: list[Observation] = []
    items: list[DataItem] = []
    for count, one in enumerate(found):
        if count >= PARTS_MAX:
            raise Refusal("too_many", f"document has more than {PARTS_MAX} parts")
        if one.around[-1:] == ("Header",):
            header = one.attributes
        elif isinstance(one.attributes.get("dataItemId"), str):
            observations.append(_observation(one))
        elif all(isinstance(one.attributes.get(name), str) for name in ("id", "type", "category")):
            kind, sub = _type(str(one.attributes["type"])), _text(one.attributes.get("subType"))
            items.append(DataItem(str(one.attributes["id"]), kind, sub.upper(), one.component))
        if len(observations) + len(items) > OBSERVATIONS_MAX:
            raise Refusal("too_many", f"document has more than {OBSERVATIONS_MAX} observations or data items")
    # A program is named before the execution that it starts, though a sequence may say otherwise.
    observations.sort(key=lambda one: (one.stamp or 0.0, one.kind != "PROGRAM", one.sequence))
    return Document(
        _whole(header.get("instanceId")), _time(header.get("creationTime")), tuple(observations), tuple(items)
    )


def _observation(found: _Found) -> Observation:
    told, name = found.attributes, found.around[-1] if found.around else ""
    value = told.get("value", told.get("result", found.text or None))
    kind = _type(str(told["type"])) if isinstance(told.get("type"), str) else _type(name)
    level = next((word for word in (_text(told.get("level")), _type(name)) if word in _LEVELS), None)
    text = ""
    if told.get("category") == "CONDITION" or level is not None:
        text = (
            _text(told.get("message"))
            or _text(value)
            or " ".join(word for word in (kind if kind not in _LEVELS else "", _text(told.get("nativeCode"))) if word)
        )
        kind, value = "CONDITION", level
    return Observation(
        str(told["dataItemId"]),
        kind,
        _text(told.get("subType")).upper(),
        found.component,
        None if value is None or value == "UNAVAILABLE" else _text(value),
        text,
        _time(told.get("timestamp")),
        _whole(told.get("sequence")) or 0,
    )


def _type(name: str) -> str:
    """Return a type as a data item has it: SpindleSpeed and SPINDLE_SPEED are one; what stands before a colon goes."""
    return _CAMEL.sub("_", name[:_TEXT_CHARS_MAX].rpartition(":")[2]).upper()


def _text(found: object) -> str:
    return str(found).strip()[:_TEXT_CHARS_MAX] if isinstance(found, str | int | float) else ""


def _whole(found: object) -> int | None:
    text = _text(found)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 20 else None  # noqa: PLR2004 - 64 bits


def _time(found: object) -> float | None:
    try:
        return parse_time(found) if isinstance(found, str) else None
    except Refusal:
        return None


def _json(around: tuple[str, ...], component: str, told: Any) -> Iterator[_Found]:
    """Yield every object within, the outer ones first; how deep it goes was bounded before it was parsed."""
    if isinstance(told, list):
        for one in told:
            yield from _json(around, component, one)
    elif isinstance(told, dict):
        seen = told.get("component")
        component = seen if isinstance(seen, str) else _component(around, component)
        yield _Found(around, component, told, "")
        for name, inner in told.items():
            if isinstance(inner, dict | list):
                yield from _json((*around, name), component, inner)


def _component(around: tuple[str, ...], component: str) -> str:
    """Return the component of a probe: it is what stands among Components or Devices, by its name."""
    return around[-1] if around[-2:-1] in {("Components",), ("Devices",)} else component


def _xml(payload: bytes) -> list[_Found]:
    parser = expat.ParserCreate("utf-8", " ")  # whatever it declares: of other encodings Python knows too many
    stack: list[tuple[_Found, list[str]]] = []
    found: list[_Found] = []

    def opens(tag: str, attributes: dict[str, str]) -> None:
        if len(stack) >= JSON_DEPTH_MAX or len(found) >= PARTS_MAX:
            raise Refusal("too_deep", f"elements are nested deeper than {JSON_DEPTH_MAX}, or more than {PARTS_MAX}")
        outer = stack[-1][0] if stack else _Found((), "", {}, "")
        around = (*outer.around, tag.rpartition(" ")[2])
        component = attributes.get("component") or _component(around, outer.component)
        stack.append((_Found(around, component, attributes, ""), []))

    def speaks(text: str) -> None:
        stack[-1][1].append(text)

    def closes(_: str) -> None:
        one, texts = stack.pop()
        found.append(one._replace(text="".join(texts).strip()))

    def declares(*_: object) -> None:
        raise Refusal("wrong_shape", "XML with a DOCTYPE is not read")

    parser.StartElementHandler, parser.EndElementHandler = opens, closes
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = speaks, declares
    try:
        parser.Parse(payload, True)
    except expat.ExpatError as error:
        raise Refusal("not_xml", str(error)[:200]) from None
    return found
