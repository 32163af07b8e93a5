# SPDX-License-Identifier: AGPL-3.0-or-later
"""F1 and covering of change points by hand, and how a birth becomes a change point."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ours import WORDS, Heard
from tcpd import CONFIRM, PEERS, YEAR, cover, f1, hits, points, read


def test_found_point_is_used_once() -> None:
    assert hits({10, 12}, {11}) == 1


def test_points_beyond_the_margin_do_not_count() -> None:
    assert (hits({10}, {15}), hits({10}, {16})) == (1, 0)


def test_nothing_found_where_nothing_is_has_it_all_right() -> None:
    assert (f1([[], []], []), cover([[], []], [], 100)) == (1.0, 1.0)


def test_f1_takes_precision_from_all_annotators_and_recall_from_each() -> None:
    # found 0, 50, 90: 0 and 50 are somebody's; the first saw 0 and 50, the second 0, 50 and 70
    precision, recall = 2 / 3, (2 / 2 + 2 / 3) / 2
    assert f1([[50], [50, 70]], [52, 90]) == pytest.approx(2 * precision * recall / (precision + recall))


def test_cover_weighs_the_best_overlap_of_each_segment_by_its_length() -> None:
    # true [0, 50) [50, 100) against found [0, 60) [60, 100)
    assert cover([[50]], [60], 100) == pytest.approx(0.5 * 50 / 60 + 0.5 * 40 / 50)


def heard(p_change: list[float], since: list[float], word: str = "step") -> Heard:
    rows = {field: np.zeros((1, len(since))) for field in Heard._fields}
    kind = np.full((1, len(since)), WORDS.index(word))
    return Heard(**rows | {"p_change": np.array([p_change]), "change_since": np.array([since]), "kind": kind})


def test_change_of_noise_is_no_change_point() -> None:
    told = heard([0.9] * CONFIRM, [30.0] * CONFIRM, "noise")
    assert points(told, 0, CONFIRM) == []


def test_birth_that_stays_is_a_change_point() -> None:
    told = heard([0.9] * CONFIRM, [30.0] * CONFIRM)
    assert points(told, 0, CONFIRM) == [30]


def test_birth_that_goes_too_soon_is_none() -> None:
    told = heard([0.9] * (CONFIRM - 1) + [0.1], [30.0] * CONFIRM)
    assert points(told, 0, CONFIRM) == []


def test_birth_that_moves_within_the_margin_is_the_same_change() -> None:
    told = heard([0.9] * 2 * CONFIRM, [30.0] * CONFIRM + [34.0] * CONFIRM)
    assert points(told, 0, 2 * CONFIRM) == [30]


@pytest.mark.parametrize(("form", "period"), [("%Y-%m", YEAR), ("%Y", 0), (None, 0)])
def test_a_series_of_months_may_have_a_pattern_of_a_year(tmp_path: Path, form: str | None, period: int) -> None:
    (tmp_path / "datasets").mkdir()
    told = {"series": [{"raw": [1.0, 2.0, None]}], "time": {"format": form} if form else {"index": [0, 1, 2]}}
    (tmp_path / "datasets/one.json").write_text(json.dumps(told), encoding="utf-8")
    (tmp_path / "annotations.json").write_text(json.dumps({"one": {"6": [1]}}), encoding="utf-8")
    head = ",".join(f"f1_{peer},cover_{peer}" for peer in PEERS)
    row = ",".join(["0.5"] * 2 * len(PEERS))
    (tmp_path / "published_scores_subset.csv").write_text(f"series,{head}\none,{row}\n", encoding="utf-8")
    (one,) = read(tmp_path)
    assert (one.period, one.seen) == (period, [[1]])
