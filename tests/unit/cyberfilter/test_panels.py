# SPDX-License-Identifier: AGPL-3.0-or-later
"""Columns in panels are the columns of one block, whatever is taken, and in any order."""

from __future__ import annotations

import numpy as np
import pytest

from cyberfilter.filter.panels import Panels


@pytest.fixture
def panels():
    """Ten columns of three numbers, four in a panel: 0, 1, … 9 in the first row, and 100 and 200 more."""
    found, start = Panels(3, 4), iter(range(0, 100, 4))
    found.join(10, lambda count: np.arange(count) + float(next(start)) + np.array([[0.0], [100.0], [200.0]]))
    return found


@pytest.mark.parametrize("index", [[], [3], [0, 1, 2, 3], [5, 6], [2, 3, 4, 5], [9, 0, 4], [8, 9], list(range(10))])
def test_what_is_put_is_what_is_taken_and_nothing_else_is_touched(panels, index):
    index = np.array(index, dtype=np.int64)
    columns = panels.take(index)
    np.testing.assert_array_equal(columns, np.array([[0.0], [100.0], [200.0]]) + index)
    columns += 1000.0
    panels.put(index, columns)
    expected = np.arange(10.0)
    expected[index] += 1000.0
    np.testing.assert_array_equal(np.concatenate(panels.used(), axis=1)[0], expected)


def test_a_whole_panel_is_not_copied(panels):
    assert panels.take(np.arange(4, 8)) is panels.used()[1].base
    assert panels.take(np.arange(4, 7)).base is None


def test_neighbours_are_cut_at_the_panels_ends_and_others_after_a_panels_width(panels):
    assert list(panels.spans(np.arange(2, 10))) == [slice(0, 2), slice(2, 6), slice(6, 8)]
    assert list(panels.spans(np.array([9, 7, 5, 3, 1]))) == [slice(0, 4), slice(4, 5)]


def test_a_row_is_read_and_written_across_panels(panels):
    index = np.array([9, 0, 4])
    panels.put_row(1, index, panels.row(1, index) + 0.5)
    np.testing.assert_array_equal(panels.row(1, np.array([0, 1, 4, 9])), [100.5, 101.0, 104.5, 109.5])


def test_newcomers_leave_the_old_columns_as_they_are(panels):
    panels.join(7, lambda count: np.full((3, count), -1.0))
    assert panels.count == 17
    assert [panel.shape[1] for panel in panels.used()] == [4, 4, 4, 4, 1]
    np.testing.assert_array_equal(panels.row(0, np.arange(17)), [*range(12 - 2), *[-1.0] * 7])
