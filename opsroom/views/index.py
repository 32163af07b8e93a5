# SPDX-License-Identifier: AGPL-3.0-or-later
"""One index as people read it: what the filter believes, in one sentence and as bars, and how it did."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from opsroom.believed import Belief, Believed, Night, Said
from opsroom.seen import AlertSeen
from opsroom.views.alerts import figures, pleases, says
from opsroom.words import Words, number

SURE: Final = 0.5
"""From this probability on a change is what is told; below it, that nothing has changed."""
ELSE: Final = 0.1
"""From this probability on the next likely thing is told, too."""
FAINT: Final = 0.005
"""Beliefs below this probability are not shown."""
COVERAGE: Final = (0.93, 0.97)
"""A band of 95 % that holds this share of values is as it should be."""
ALIKE: Final = 0.03
"""Errors that differ by less than this share are alike."""
ACTIONS: Final = ("ignore", "shift", "level", "uncertain")
"""What a person may tell."""
CHANGES: Final = ("step", "slope", "noise")
KINDS: Final = ("none", *CHANGES, "other")
"""What may be believed."""
SECONDS: Final = (("d", 86_400.0, 129_600.0), ("h", 3_600.0, 5_400.0), ("min", 60.0, 90.0))
"""Units of a duration: its seconds, and from how many seconds on it is told in it."""
_QUIET: Final = ("steady", "unsure", "missing")
_MARK: Final = "\0"


class Stamp(NamedTuple):
    """A time (RFC 3339) that the browser writes in its own zone."""

    at: str


Line = list[str | Stamp]
"""A sentence, with the times in it."""


def amount(value: float | None, unit: str, words: Words) -> str:
    """Return a figure with its unit; a ratio has none.

    >>> from opsroom.words import catalogue
    >>> amount(24.12, "W", catalogue("en")), amount(0.9, "1", catalogue("es")), amount(None, "W", catalogue("en"))
    ('24.1 W', '0,90', '–')
    """
    if value is None:
        return "–"
    return number(value, words.language) if unit == "1" else f"{number(value, words.language)} {unit}"


def percent(share: float) -> str:
    """Return a probability in whole percent; nothing is ever certain.

    >>> percent(0.9999), percent(0.501), percent(0.0)
    ('99', '50', '1')
    """
    return str(min(max(round(100 * share), 1), 99))


def why(found: Belief, words: Words) -> Line:
    """Return what the filter believes, as one sentence."""
    told = _change(found)
    if told is None:
        return []
    line = _sentence(told, found.unit, words)
    second = next((one for one in found.believed if told.kind == "none" and one.kind in CHANGES), None)
    if second is None or (second.probability or 0.0) < ELSE:
        return line
    return [*line, " ", words.say("belief.or_else"), " ", *_sentence(second, found.unit, words)]


def _sentence(one: Believed, unit: str, words: Words) -> Line:
    line = about(one, unit, words)
    if one.probability is not None:
        line += [", ", words.say("belief.chance", percent=percent(one.probability))]
    if one.before is not None:
        line += [", ", words.say("belief.before", before=amount(one.before, unit, words))]
    return [*line, "."]


def _change(found: Belief) -> Believed | None:
    """Return the change that is told, or that nothing has changed; None where nothing is known of either."""
    told = [found.change] if found.change is not None else []
    sure = (one for one in (*told, *found.believed) if one.kind in CHANGES and (one.probability or 0.0) > SURE)
    return next(sure, None) or next((one for one in found.believed if one.kind == "none"), None)


def about(one: Believed, unit: str, words: Words) -> Line:
    """Return what may be so, with its size and since when."""
    line: Line = [words.say(f"belief.kind.{one.kind}", much=_much(one, unit, words))]
    return [*line, " ", *stamped(words, "belief.since", "since", one.since)] if one.since else line


def _much(one: Believed, unit: str, words: Words) -> str:
    if one.size is None:
        return "–"
    sign = "+" if one.size > 0 else ""
    if one.sd is None:
        return sign + amount(one.size, unit, words)
    return words.say("belief.much", size=sign + number(one.size, words.language), sd=amount(one.sd, unit, words))


def stamped(words: Words, key: str, name: str, at: str, **facts: float | str) -> Line:
    """Return the sentence of a key whose fact `name` is a time."""
    before, _, after = words.say(key, **facts, **{name: _MARK}).partition(_MARK)
    return [part for part in (before, Stamp(at), after) if part]


class Bar(NamedTuple):
    """One figure as a bar: its words, its share 0..1, how much it is."""

    says: Line
    share: float
    is_change: bool
    much: str


def bars(found: Belief, words: Words) -> list[Bar]:
    """Return the beliefs worth a bar, the likeliest first."""
    return [
        Bar(
            _bar(one, found.unit, words),
            one.probability,
            one.kind != "none",
            words.say("belief.chance", percent=percent(one.probability)),
        )
        for one in found.believed
        if one.probability is not None and one.probability >= FAINT and one.kind in KINDS
    ]


def _bar(one: Believed, unit: str, words: Words) -> Line:
    line = about(one, unit, words)
    return (
        line
        if one.before is None
        else [*line, ", ", words.say("belief.before", before=amount(one.before, unit, words))]
    )


def did(found: Belief, words: Words) -> list[str]:
    """Return how the filter did, sentence by sentence."""
    record = found.record
    if not record.count:
        return [words.say("belief.no_record")]
    told = []
    if record.coverage is not None:
        low, high = COVERAGE
        judged = "well" if low <= record.coverage <= high else "narrow" if record.coverage < low else "wide"
        covered = words.say("belief.covered", percent=str(round(100 * record.coverage)))
        told.append(f"{covered} {words.say(f'belief.covered_{judged}')}")
    if record.error is not None and record.error_ratio is not None:
        less = 1.0 - record.error_ratio
        key = "alike" if abs(less) < ALIKE else "better" if less > 0 else "worse"
        facts = {"error": amount(record.error, found.unit, words)}
        facts |= {} if key == "alike" else {"percent": str(round(100 * abs(less)))}
        told.append(words.say(f"belief.{key}", **facts))
    return [*told, words.say("belief.words", count=record.count)]


def words_said(found: Belief, words: Words) -> list[Bar]:
    """Return how often each verdict was said, the commonest first."""
    record = found.record
    counted = sorted(record.words.items(), key=lambda known: -known[1])
    return [
        Bar([words.say(f"verdict.{word}")], times / record.count, word not in _QUIET, number(times, words.language))
        for word, times in counted
    ]


def errors(found: Belief, words: Words) -> list[Bar]:
    """Return the forecasts' mean error beside that of "as last time"; nothing where one of them is not known."""
    error, ratio = found.record.error, found.record.error_ratio
    if error is None or not ratio:
        return []
    both = (("own", error), ("last", error / ratio))
    longest = max(much for _, much in both)
    return [
        Bar([words.say(f"belief.error_{name}")], much / longest, False, amount(much, found.unit, words))
        for name, much in both
    ]


def ended(found: Belief, words: Words) -> str:
    """Return how many alerts there were, and how they ended."""
    alerts = found.alerts
    if not alerts.raised:
        return words.say("belief.no_alerts")
    return words.say("belief.alerts", raised=alerts.raised, returned=alerts.returned, closed=alerts.closed)


def evidence(alert: AlertSeen, words: Words) -> Line:
    """Return what an alert of an index was raised for: how much, since when, how sure, how soon, against how much."""
    facts = figures(alert)
    unit = str(facts.get("unit", "1"))
    known = {name: float(fact) for name, fact in facts.items() if not isinstance(fact, str)}
    if "size" not in known:
        return []
    change = Believed("", None, None, known["size"], known.get("sd"))
    line: Line = [words.say("belief.alert.size", much=_much(change, unit, words))]
    if "since" in facts:
        line += [" ", *stamped(words, "belief.since", "since", str(facts["since"]))]
    told = {
        "spreads": number(known["sigma"], words.language) if "sigma" in known else "",
        "sure": percent(known["probability"]) if "probability" in known else "",
        "seen": duration(known["block_s"], words) if "block_s" in known else "",
        "learned": number(known["learned"], words.language) if "learned" in known else "",
    }
    parts = [words.say(f"belief.alert.{name}", much=much) for name, much in told.items() if much]
    return [*line, *(f", {part}" for part in parts), "."]


def sentence_of(alert: AlertSeen) -> dict[str, Any]:
    """Return what the browser needs to say an alert as it does everywhere else."""
    return {
        "class": alert.alert_class,
        "kind": alert.kind,
        "says": says(alert),
        "facts": figures(alert),
        "name": alert.place.rpartition("/")[2],
        "index": alert.index,
        "why": alert.why,
        "pleases": pleases(alert),
    }


def learned(found: Belief, night: Night | None, words: Words) -> list[Line]:
    """Return how far it has learned, and what the last night found."""
    learning = found.learning
    told: list[Line] = [[words.say("belief.ready")]]
    if learning is not None:
        key = "learning.like" if learning.like else "learning.own"
        text = words.say(
            key, have=learning.have, need=learning.need, **({"like": learning.like} if learning.like else {})
        )
        told = [[f"{text[:1].upper()}{text[1:]}."]]
    return [*told, _night(night, words)]


def _night(night: Night | None, words: Words) -> Line:
    if night is None:
        return [words.say("belief.night.none")]
    facts: dict[str, float | str] = {"clean": night.clean}
    if night.outcome == "fitted":
        facts |= {"masked": night.masked, "adaptivity": number(100 * (night.adaptivity or 0.0), words.language)}
    return stamped(words, f"belief.night.{night.outcome}", "at", night.at, **facts)


def said(one: Said, unit: str, words: Words) -> Line:
    """Return what a person told the filter, and when."""
    told = words.say(f"tell.actions.{one.action}") if one.action in ACTIONS else one.action
    much = [] if one.mean is None else [amount(one.mean, unit, words)]
    much += [] if one.sd is None else [f"± {amount(one.sd, unit, words)}"]
    figures = " ".join(much)
    return [Stamp(one.ts), " · ", " · ".join(part for part in (told, figures, one.note) if part)]


def duration(seconds: float, words: Words) -> str:
    """Return a duration in its largest unit.

    >>> from opsroom.words import catalogue
    >>> duration(3_600.0, catalogue("en")), duration(7_200.0, catalogue("en")), duration(30.0, catalogue("en"))
    ('60 min', '2 h', '30 s')
    """
    name, unit_s = next(((name, unit_s) for name, unit_s, least in SECONDS if seconds >= least), ("s", 1.0))
    return words.say(f"span.{name}", n=round(seconds / unit_s, 1))
