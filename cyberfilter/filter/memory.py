# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is remembered of a series: 65 numbers in one column (a filter may add its own), and the bytes of a checkpoint.

A checkpoint is a name, the length of a header (4 bytes), the header (JSON), the panels (panels.py: 65 or more rows of
numbers each) as they are, and the CRC-32 of all this: a copy and one pass. Numbers are little-endian. The same state
gives the same bytes.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from collector.contract.errors import Refusal
from cyberfilter.filter.collapse import Moments
from cyberfilter.filter.kernel import State
from cyberfilter.filter.model import Floats
from cyberfilter.filter.start import START_COUNT, Begin

_LAYOUT: Final = (
    ("moments", 24),  # m0, m1, c00, c01, c11, s of four states each
    ("p", 4),
    ("back", 16),
    ("n", 1),  # degrees of freedom of the noise; 0 before the filter has started
    ("s_least", 1),
    ("clock", 1),  # time of the last row, or of a later rest; -inf before there was one
    ("rows", 1),  # since the filter started; this, the sign and its time are the classic filter's
    ("values", 1),  # rows that were not missing, since ever
    ("time_1", 1),  # of the last row and of the one before, with what had been expected, in the value's own unit
    ("time_2", 1),
    ("value_1", 1),
    ("expected_1", 1),
    ("expected_2", 1),
    ("leaning", 1),  # sign of the slope: -1, 1, or 0 before there is one
    ("turned", 1),  # time since which it has been so
    ("kept", START_COUNT),
    ("ignored", 1),  # 1: a person said that the next value is not to be taken
)
_STARTS: Final = np.cumsum([0] + [width for _, width in _LAYOUT]).tolist()
ROW: Final = {name: slice(at, at + width) for (name, width), at in zip(_LAYOUT, _STARTS, strict=False)}
"""The rows of the block that hold each thing."""
AT: Final = {name: int(rows.start) for name, rows in ROW.items()}
"""The first of these rows: the only one of most."""
HEIGHT: Final[int] = _STARTS[-1]
VERSION: Final = 5
_NAME: Final = "cybersyn filter bank"
_MAGIC: Final = f"{_NAME}\n".encode()
_WORD: Final = 4
_S_SHARE_LEAST: Final = 1e-6
"""A learned noise variance stays above this share of the one that it started from."""


def fresh(count: int, height: int = HEIGHT) -> Floats:
    """Return the columns of series that have seen nothing; a filter may keep more than HEIGHT rows of its own."""
    block = np.zeros((height, count))
    block[ROW["clock"]] = -np.inf
    for name in ("time_1", "time_2", "value_1", "expected_1", "expected_2", "turned", "kept"):
        block[ROW[name]] = np.nan
    return block


def start(columns: Floats, begun: Begin, probability: tuple[float, ...], noise_least: float = 0.0) -> None:
    """Let the filter of these columns start from the prior, as if the row before had been any of the four states.

    A learned noise starts from, and stays above, `noise_least` (a variance).
    """
    count = columns.shape[1]
    noise = np.maximum(begun.noise, noise_least)
    moments = (begun.level, begun.slope, begun.level_variance, np.zeros(count), begun.slope_variance, noise)
    put_one(columns, moments, probability)
    columns[ROW["n"]] = begun.degrees
    columns[ROW["s_least"]] = np.maximum(_S_SHARE_LEAST * noise, noise_least)


def put_one(columns: Floats, moments: Sequence[Floats], probability: tuple[float, ...]) -> None:
    """Let one distribution, by its moments each (k), be all four states', as if any of them had been before."""
    columns[ROW["moments"]] = np.repeat(np.stack(moments), 4, axis=0)
    columns[ROW["p"]] = np.maximum(np.array(probability), np.finfo(np.float64).tiny)[:, None]
    columns[ROW["back"]] = 0.25


def state_of(columns: Floats) -> State:
    """Return the columns as the kernel wants them, as views."""
    k = columns.shape[1]
    return State(
        Moments(*columns[ROW["moments"]].reshape(6, 4, k)),
        p=columns[ROW["p"]],
        back=columns[ROW["back"]].reshape(4, 4, k),
        n=columns[AT["n"]],
        s_least=columns[AT["s_least"]],
    )


def put_state(columns: Floats, state: State) -> None:
    """Write what the kernel gave back into the columns."""
    k = columns.shape[1]
    views = columns[ROW["moments"]].reshape(6, 4, k)
    for view, value in zip(views, state.moments, strict=True):
        view[:] = value
    columns[ROW["p"]] = state.p
    columns[ROW["back"]] = state.back.reshape(16, k)
    columns[ROW["n"]] = state.n


def pack(header: dict[str, Any], panels: list[Floats]) -> bytes:
    """Return the checkpoint's bytes; `unpack` undoes it bit for bit."""
    shapes = [panel.shape for panel in panels]
    described = {"what": _NAME, "version": VERSION, "numpy": np.__version__, "shapes": shapes, **header}
    text = json.dumps(described, sort_keys=True).encode()
    parts: list[bytes | memoryview] = [_MAGIC, len(text).to_bytes(_WORD, "little"), text]
    parts += [np.ascontiguousarray(panel, dtype="<f8").data.cast("B") for panel in panels if panel.size]
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return b"".join([*parts, checksum.to_bytes(_WORD, "little")])


def unpack(blob: bytes, heights: Mapping[str, int]) -> tuple[dict[str, Any], list[Floats]]:
    """Return header and panels; a Refusal where the bytes are no checkpoint of this version. `heights`: by filter."""
    try:
        header, panels = _opened(blob)
    except (ValueError, KeyError) as error:
        raise Refusal("not_a_checkpoint", f"{len(blob)} bytes are no checkpoint of a filter bank: {error}") from None
    height = heights.get(header.get("filter", ""))
    tall: set[int | None] = {len(panel) for panel in panels} or {height}
    found, readable = (header.get("what"), header.get("version"), tall), (_NAME, VERSION, {height})
    if found != readable:
        raise Refusal("other_checkpoint", f"checkpoint is {found}, this program reads {readable}")
    return header, panels


def _opened(blob: bytes) -> tuple[dict[str, Any], list[Floats]]:
    """Return header and panels; a ValueError where a byte is missing or another."""
    whole = memoryview(blob)
    if not blob.startswith(_MAGIC):
        raise ValueError("they begin otherwise")
    if zlib.crc32(whole[:-_WORD]) != int.from_bytes(whole[-_WORD:], "little"):
        raise ValueError("its checksum is another one")
    start = len(_MAGIC) + _WORD
    end = start + int.from_bytes(whole[len(_MAGIC) : start], "little")
    header, numbers, panels = json.loads(blob[start:end]), np.frombuffer(whole[end:-_WORD], dtype="<f8"), []
    for height, width in header.get("shapes", ()):
        panels.append(numbers[: height * width].reshape(height, width).astype(np.float64))
        numbers = numbers[height * width :]
    return header, panels
