# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every sentence shown, in each language: one TOML file per language under `languages/`, same keys in all."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

LANGUAGES: Final = ("en", "es")
FALLBACK: Final = "en"
_FOLDER: Final = Path(__file__).parent / "languages"
_SEPARATORS: Final = {"en": (",", "."), "es": (".", ",")}


class Words(NamedTuple):
    """The catalogue of one language: sentences by dotted key."""

    language: str
    texts: Mapping[str, str]

    def say(self, key: str, **facts: float | str) -> str:
        """Return the sentence with its facts filled in; numbers are written as the language writes them.

        A key that the catalogue lacks is our own mistake, and raises KeyError.
        """
        return self.texts[key].format(**{name: _told(fact, self.language) for name, fact in facts.items()})

    def known(self, *keys: str) -> str:
        """Return the first of these keys that the catalogue has; the last one is taken for granted."""
        return next((key for key in keys if key in self.texts), keys[-1])


def _told(fact: float | str, language: str) -> str:
    return fact if isinstance(fact, str) else number(fact, language)


def number(value: float, language: str) -> str:
    """Return about three significant digits in the language's own separators.

    >>> number(1234.5, "en"), number(12.34, "es"), number(0.123, "en")
    ('1,234', '12,3', '0.12')
    """
    size = abs(value)
    decimals = 0 if float(value).is_integer() or size >= 100 else 1 if size >= 10 else 2  # noqa: PLR2004
    thousands, point = _SEPARATORS[language]
    return f"{value:,.{decimals}f}".replace(",", "\0").replace(".", point).replace("\0", thousands)


@cache
def catalogue(language: str) -> Words:
    """Return the catalogue of a language; an unknown language is our own mistake."""
    assert language in LANGUAGES, language
    with (_FOLDER / f"{language}.toml").open("rb") as file:
        return Words(language, dict(_flat(tomllib.load(file))))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, entry in table.items():
        if isinstance(entry, dict):
            yield from _flat(entry, f"{prefix}{key}.")
        else:
            yield prefix + key, entry


def pick(*wishes: str | None, accept: str = "", otherwise: str = FALLBACK) -> str:
    """Return the first wish that is a language of ours, else the first of the browser's, else `otherwise`.

    >>> pick(None, "es"), pick("xx", accept="fr;q=0.9, es-CL"), pick()
    ('es', 'es', 'en')
    """
    browsers = [part.partition(";")[0].strip().partition("-")[0] for part in accept.split(",")]
    return next((wish for wish in (*wishes, *browsers) if wish in LANGUAGES), otherwise)
