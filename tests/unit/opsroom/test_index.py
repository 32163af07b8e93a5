# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Index screen: what is believed as a sentence and bars, how the filter did, and the page of the API's answer."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI, HTTPException

from opsroom.asking import believed
from opsroom.believed import Belief, Believed, Night, Record, Said
from opsroom.notice import About
from opsroom.screens.frame import View, framed
from opsroom.screens.index import SCREEN, layout, link
from opsroom.seen import AlertSeen
from opsroom.views.index import ACTIONS, Stamp, bars, did, ended, errors, evidence, learned, said, why, words_said
from opsroom.views.usual import usual
from opsroom.words import LANGUAGES, catalogue, number

EN = catalogue("en")
SINCE = "2026-11-23T14:05:00.000Z"
STEP = {"kind": "step", "since": SINCE, "probability": 0.99, "size": 2.14, "sd": 0.3, "before": 24.1}
NONE = {"kind": "none", "probability": 0.01}
WORDS = {"steady": 990, "step": 10}
FACTS = {
    "sign": "pain", "change": "step", "unit": "W", "level": 26.2, "expected": 24.1, "lo": 22.6, "hi": 25.6, "size": 2.1,
    "since": SINCE, "clock_s": 300.0, "block_s": 180.0, "learned": 1_440, "sigma": 4.2, "sd": 0.3, "probability": 0.973,
}  # fmt: skip
ALERT = {
    "id": "a1", "class": "algedonic", "kind": "heater_effort_step", "place": "commons/mk4", "index": "heater_effort_w",
    "state": "raised", "raised_at": SINCE, "raised_to": "commons/mk4", "why": "Heater effort rose by 2.1 W.",
    "facts": FACTS,
}  # fmt: skip
HEATER = {"regime": 215.0, "by": "target", "now": True, "mean": 24.1, "sd": 0.5, "count": 1_440}
ANSWER: dict[str, Any] = {
    "place": "commons/mk4",
    "index": "heater_effort_w",
    "unit": "W",
    "at": "2026-11-23T15:00:00.000Z",
    "verdict": "step",
    "value": 26.3,
    "expected": {"at": SINCE, "mean": 26.0, "lo95": 25.0, "hi95": 27.0},
    "level": 26.2,
    "sigma": 0.5,
    "clock_s": 3_600.0,
    "believed": [STEP, NONE],
    "usual": [HEATER],
    "record": {
        "count": 1_000,
        "coverage": 0.95,
        "error": 0.4,
        "error_ratio": 0.7,
        "words": WORDS,
    },
    "alerts": {
        "raised": 2,
        "returned": 1,
        "closed": 1,
        "newest": [ALERT],
    },
    "interventions": [{"ts": SINCE, "action": "shift", "mean": 2.0, "sd": 0.5, "note": "new sock"}],
}
NIGHT = {"place": "commons/mk4", "at": SINCE, "outcome": "fitted", "clean": 940, "masked": 3, "adaptivity": 0.981}


def belief(**more: Any) -> Belief:
    return msgspec.convert(ANSWER | more, Belief)


def text(line: list[str | Stamp]) -> str:
    return "".join(f"<{part.at[11:16]}>" if isinstance(part, Stamp) else part for part in line)


def page(answer: dict[str, Any] | int, language: str = "en", nights: list[dict[str, Any]] | None = None) -> str:
    """Return the page as text; the API in it gives this answer, or this status."""
    api = FastAPI()

    @api.get("/api/v1/belief")
    def one(place: str, index: str) -> dict[str, Any]:
        if isinstance(answer, int):
            raise HTTPException(answer, detail=f"{index} at {place}")
        return answer

    @api.get("/api/v1/commissioning")
    def found(place: str, index: str) -> dict[str, Any]:
        return {"items": nights or [], "total": 0, "next": None, "asked": [place, index]}

    async def ask() -> Any:
        transport = httpx.ASGITransport(app=api, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://room") as client:
            asked = {"place": "commons/mk4", "index": "heater_effort_w"}
            return await believed(client, asked, View(catalogue(language), "grey", asked))

    return str(asyncio.run(ask()))


def test_why_is_one_sentence_with_size_time_chance_and_what_was_before() -> None:
    assert text(why(belief(), EN)) == "A step of +2.14 ± 0.30 W since <14:05>, 99 %, against 24.1 W before."


def test_what_the_filter_names_comes_before_what_is_only_likely() -> None:
    slope = {"kind": "slope", "since": None, "probability": 0.93, "size": -0.02, "sd": 0.01, "before": 0.0}
    assert text(why(belief(change=slope), EN)) == "A drift of -0.02 ± 0.01 W a value, 93 %, against 0 W before."
    stuck = {"kind": "stuck", "since": SINCE, "probability": 0.99}
    assert text(why(belief(change=stuck), EN)).startswith("A step of")


def test_a_change_that_is_less_likely_than_not_is_no_news() -> None:
    faint = [Believed("none", None, 0.92), Believed("step", SINCE, 0.08, 1.0, 0.5, 24.0)]
    assert text(why(belief(believed=faint, change=STEP | {"probability": 0.08}), EN)) == "Nothing has changed, 92 %."


def test_what_is_nearly_as_likely_is_told_beside_it() -> None:
    doubt = [Believed("none", None, 0.6), Believed("step", SINCE, 0.4, 1.0, 0.5, 24.0)]
    told = text(why(belief(believed=doubt), EN))
    assert told == "Nothing has changed, 60 %. Or else: A step of +1 ± 0.50 W since <14:05>, 40 %, against 24 W before."


def test_a_filter_that_keeps_no_beliefs_says_nothing_of_why() -> None:
    assert why(belief(believed=[]), EN) == []
    assert EN.say("belief.silent") in page(ANSWER | {"believed": []})


def test_bars_are_shares_and_what_is_faint_has_none() -> None:
    faint = {"kind": "noise", "probability": 0.004}
    drawn = bars(belief(believed=[STEP, NONE, faint]), EN)
    assert [(bar.share, bar.is_change) for bar in drawn] == [(0.99, True), (0.01, False)]
    assert [bar.much for bar in drawn] == ["99 %", "1 %"]
    assert text(drawn[0].says) == "A step of +2.14 ± 0.30 W since <14:05>, against 24.1 W before"


@pytest.mark.parametrize(
    ("coverage", "judged"), [(0.95, "covered_well"), (0.90, "covered_narrow"), (0.99, "covered_wide")]
)
def test_the_band_is_judged_by_what_it_covered(coverage: float, judged: str) -> None:
    assert EN.say(f"belief.{judged}") in did(belief(record=Record(100, coverage)), EN)[0]


@pytest.mark.parametrize(
    ("ratio", "told"), [(0.7, "30 % less than"), (1.01, "about as much as"), (1.2, "20 % more than")]
)
def test_errors_are_compared_with_as_last_time(ratio: float, told: str) -> None:
    assert told in did(belief(record=Record(100, None, 0.4, ratio)), EN)[0]


def test_words_are_counted_the_commonest_first() -> None:
    assert did(belief(), EN)[-1] == "Said of 1,000 values:"
    told = [(text(bar.says), bar.much, bar.share, bar.is_change) for bar in words_said(belief(), EN)]
    assert told == [("Steady", "990", 0.99, False), ("Has jumped", "10", 0.01, True)]


def test_errors_stand_beside_as_last_time_on_one_scale() -> None:
    worse = errors(belief(record=Record(100, None, 0.4, 2.0)), EN)
    assert [(text(bar.says), bar.much, bar.share) for bar in worse] == [
        (EN.say("belief.error_own"), "0.40 W", 1.0),
        (EN.say("belief.error_last"), "0.20 W", 0.5),
    ]
    assert errors(belief(record=Record(100, None, 0.4, None)), EN) == []


def test_an_alert_tells_what_it_was_raised_for() -> None:
    told = text(evidence(msgspec.convert(ALERT, AlertSeen), EN))
    assert told == (
        "A difference of +2.10 ± 0.30 W since <14:05>, 4.20 times the usual spread, 97 % sure, "
        "seen in 3 min of running, what is usual was learned from 1,440 values."
    )


def test_an_alert_without_figures_tells_no_evidence() -> None:
    assert evidence(msgspec.convert(ALERT | {"facts": {"sign": "pain"}}, AlertSeen), EN) == []


def test_files_are_called_by_their_names_and_targets_by_their_degrees() -> None:
    file = {**HEATER, "by": "file"}
    rows = [
        {**file, "regime": 9.0e14, "now": False},
        {**file, "regime": 7.0e14, "file": "lid.gcode"},
        {**file, "regime": 8.0e14, "now": False},
        {**file, "regime": 1.0, "by": "unnamed", "now": False},
    ]
    names = [row.name for row in usual(belief(usual=rows), EN)]
    assert names == [
        "file no. 2, its name is not kept",
        "lid.gcode (now)",
        "file no. 1, its name is not kept",
        "jobs without a name",
    ]
    assert [row.name for row in usual(belief(), catalogue("es"))] == ["215 °C (ahora)"]


@pytest.mark.parametrize("by", ["nothing", "target", "file", "unnamed", "no_job"])
def test_every_sort_of_regime_has_a_page(by: str) -> None:
    assert EN.say("belief.table.level") in page(ANSWER | {"usual": [HEATER | {"by": by}]})


def test_usual_levels_are_drawn_on_one_scale_with_the_present_level() -> None:
    low = {**HEATER, "regime": 200.0, "now": False, "mean": 20.5, "count": 39, "ripe": False}
    here, other = usual(belief(usual=[HEATER, low], level=26.0), EN)
    assert (here.lo, here.hi, here.here) == (pytest.approx(4.6 / 7), pytest.approx(5.6 / 7), 1.0)
    assert (other.lo, other.hi, other.here) == (pytest.approx(1 / 7), pytest.approx(2 / 7), None)
    assert (here.known, other.known) == ("1,440", "39 (too few)")


def test_an_index_without_a_record_or_alerts_says_so() -> None:
    bare = belief(record=Record(), alerts={})
    assert did(bare, EN) == [EN.say("belief.no_record")]
    assert ended(bare, EN) == EN.say("belief.no_alerts")


def test_it_says_how_far_it_has_learned_and_what_the_night_found() -> None:
    like = {"have": 20, "need": 250, "from": "like machines", "like": 3}
    night = msgspec.convert(NIGHT, Night)
    told = [text(line) for line in learned(belief(learning=like), night, EN)]
    assert told[0] == "Learning, 20 of 250; goes by like machines (3)."
    assert told[1].startswith("Last fitted <14:05>, from 940 values; outliers left out: 3.")
    assert text(learned(belief(), None, EN)[1]) == EN.say("belief.night.none")


@pytest.mark.parametrize("outcome", ["fitted", "too_few", "not_converged"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_outcome_of_a_night_has_a_sentence(language: str, outcome: str) -> None:
    night = msgspec.convert(NIGHT | {"outcome": outcome, "adaptivity": None}, Night)
    assert "<14:05>" in text(learned(belief(), night, catalogue(language))[1])


@pytest.mark.parametrize("action", ACTIONS)
def test_what_a_person_told_is_listed(action: str) -> None:
    told = text(said(Said(SINCE, action, 2.0, 0.5, "new sock"), "W", EN))
    assert told == f"<14:05> · {EN.say(f'tell.actions.{action}')} · 2 W ± 0.50 W · new sock"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_tells_all_of_it(language: str) -> None:
    words, told = catalogue(language), page(ANSWER, language, [NIGHT])
    for key in ("now", "believed", "usual", "did", "learned", "said", "covered_well"):
        assert words.say(f"belief.{key}") in told
    assert words.say("belief.clock", span=words.say("span.min", n=60)) in told
    assert words.say("belief.here", regime="215 °C") in told
    assert SINCE in told
    for said_of in (
        words.say("belief.alert.spreads", much=number(4.2, language)),
        '"says": ["alert.kind.heater_effort_step"',
    ):
        assert said_of in told


@pytest.mark.parametrize(("status", "key"), [(404, "unknown"), (503, "away")])
def test_no_answer_is_said_in_words(status: int, key: str) -> None:
    assert EN.say(f"belief.{key}") in page(status)


@pytest.mark.parametrize("query", [{}, {"place": "commons/mk4"}, {"index": "pace_ratio"}])
def test_without_a_place_or_an_index_the_page_says_how_to_get_here(query: dict[str, str]) -> None:
    assert EN.say("belief.how") in str(layout(View(EN, "grey", query)))


def test_another_language_keeps_place_and_index() -> None:
    view = View(EN, "grey", {"place": "commons/mk4", "index": "pace_ratio"})
    assert link("commons/mk4", "pace_ratio") == "/index?place=commons%2Fmk4&index=pace_ratio"
    assert "?place=commons%2Fmk4&index=pace_ratio&lang=es" in str(framed(SCREEN, [SCREEN], view, About("1")))
