# SPDX-License-Identifier: AGPL-3.0-or-later
"""`cybersyn filter`: one line of strict JSON a row, and errors in one line that name the word."""

from __future__ import annotations

import argparse
import json

import pytest

from collector.contract.errors import CybersynError, Misconfigured, Refusal
from deploy.commands.filter import COMMAND

KNOWN = ["--filter", "classic", "--profile", "hs1971"]
KNOWN += ["--prior-level", "100,4", "--prior-slope", "0,1", "--noise-variance", "1,inf"]
COLUMNS = [
    "t",
    "y",
    "forecast",
    "level",
    "slope",
    "p_slope_negative",
    "sigma",
    "log_evidence",
    "p_change",
    "p_outlier",
    "change",
    "score",
    "verdict",
    "p",
    "one_back",
    "two_back",
]


@pytest.fixture
def run(tmp_path, capsys):
    """Write the text to a file, run the command over it, return the rows; NaN and Infinity are no JSON."""

    def over(text, *options):
        file = tmp_path / "series.csv"
        file.write_text(text, encoding="utf-8")
        parser = argparse.ArgumentParser()
        COMMAND.add_arguments(parser)
        assert COMMAND.run(parser.parse_args([str(file), *options])) == 0
        return [json.loads(line, parse_constant=pytest.fail) for line in capsys.readouterr().out.splitlines()]

    return over


def table(*cells):
    return "n,value\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells))


def test_a_row_has_the_columns_of_the_contract(run):
    (row,) = run(table(110), "--value", "value", *KNOWN)
    assert list(row) == COLUMNS
    assert list(row["p"]) == ["steady", "outlier", "level", "slope"]
    assert (row["t"], row["y"], row["score"], row["one_back"], row["change"]) == (0, 110, None, None, None)
    assert row["p"]["outlier"] == pytest.approx(0.954585, abs=1e-6)


def test_hypotheses_have_no_four_states_but_say_since_when_the_step_is(run):
    cells = [100, 101, 100, 99, 100, 100, 104, 105, 105, 104]
    priors = ["--prior-level", "100,1", "--prior-slope", "0,0.0001", "--noise-variance", "1,inf"]
    rows = run(table(*cells), "--value", "value", "--filter", "hypotheses", *priors)
    assert list(rows[0]) == COLUMNS[:-3]
    assert (rows[-1]["verdict"], rows[-1]["change"]["kind"], rows[-1]["change"]["since"]) == ("step", "step", 6)
    assert rows[-1]["change"]["size"] == pytest.approx(4.5, abs=0.5)
    assert list(rows[-1]["change"]) == ["kind", "since", "size", "sd", "probability", "before"]
    assert rows[-1]["change"]["before"] == pytest.approx(100, abs=0.5)
    assert rows[-1]["change"]["sd"] == pytest.approx(0.7, abs=0.3)
    assert 0.9 < rows[-1]["change"]["probability"] <= rows[-1]["p_change"] + 1e-12
    assert rows[-1]["score"] == 0, "too little is known of its tail to be alarmed"


def test_an_empty_cell_is_a_missing_row(run):
    rows = run(table(100, 101, "", 102), "--value", "value", *KNOWN)
    assert [row["verdict"] for row in rows] == ["steady", "steady", "missing", "steady"]
    assert rows[2]["y"] is rows[2]["log_evidence"] is None


def test_a_change_says_since_when_in_the_words_of_the_file(run):
    stamps = [f"2026-11-23T10:0{minute}:00Z" for minute in range(6)]
    cells = zip(stamps, (100, 100, 120, 120, 120, 120), strict=True)
    rows = run("when,value\n" + "".join(f"{t},{y}\n" for t, y in cells), "--time", "when", *KNOWN)
    assert (rows[4]["verdict"], rows[4]["change"]["since"]) == ("step", "2026-11-23T10:02:00.000Z")
    assert rows[0]["t"] == "2026-11-23T10:00:00.000Z"


def test_the_only_numeric_column_needs_no_name(run):
    assert run("who,load\nana,1\nbea,2\n", *KNOWN)[1]["y"] == 2


def test_the_median_spacing_is_the_cadence(run):
    timed = "at,value\n" + "".join(f"{60 * n},{100 + n}\n" for n in range(5))
    counted = run(table(*(100 + n for n in range(5))), "--value", "value", *KNOWN)
    assert run(timed, "--time", "at", *KNOWN)[-1]["slope"] == counted[-1]["slope"]


def test_without_a_prior_unknown_figures_are_null(run):
    rows = run(table(*range(10)), "--value", "value")
    assert rows[0]["forecast"] == {"mean": None, "sd": None, "lo95": None, "hi95": None}
    assert rows[9]["forecast"]["mean"] is not None


def test_out_writes_the_same_lines_to_a_file(run, tmp_path):
    shown = run(table(100, 101), "--value", "value", *KNOWN)
    assert run(table(100, 101), "--value", "value", *KNOWN, "--out", str(tmp_path / "out.jsonl")) == []
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == shown


@pytest.mark.parametrize(
    ("text", "options", "error", "word"),
    [
        (table(1, "three"), ["--value", "value"], Refusal, "row 2: 'three'"),
        (table(1, "inf"), ["--value", "value"], Refusal, "row 2: 'inf'"),
        (table(1, 2), ["--value", "weight"], Refusal, "weight"),
        (table(1, 2), [], Misconfigured, r"numeric: n, value"),
        (table(1, 2), ["--value", "value", "--time", "value", "--cadence", "-1"], Misconfigured, "cadence_s = -1"),
        ("when,value\nyesterday,1\n", ["--time", "when"], Refusal, "row 1: 'yesterday'"),
        ("at,value\n5,1\n5,2\n", ["--time", "at"], Refusal, "row 2: time_s = 5.0 is not later"),
        ("1\n2\n", [], Refusal, "does not name columns"),
        ("", [], Refusal, "does not name columns"),
        ("2026-01-01T00:00:00Z,1\n2026-01-01T00:01:00Z,2\n", [], Refusal, "does not name columns: 1"),
        ("at;value\n1;3,5\n2;3,6\n", [], Misconfigured, "numeric: none; all, parted by commas: at;value"),
        (table(1), ["--profile", "hs1066"], Misconfigured, "hs1066"),
        (table(1), ["--transform", "cube"], Misconfigured, "cube"),
        (table(1), ["--filter", "arima"], Misconfigured, "neither 'classic' nor 'hypotheses'"),
        (table(1), ["--prior-level", "1"], Misconfigured, "--prior-level 1 is not two numbers"),
        (table(1), ["--noise-variance", "a,b"], Misconfigured, "--noise-variance a is not a number"),
        (table(1), ["--commission", "many"], Misconfigured, "--commission many"),
        (table(1), ["--variance-discount", "2"], Misconfigured, "variance_discount = 2"),
        (table(-1), ["--value", "value", "--transform", "log"], Refusal, "row 1: value = -1.0"),
        (table(99.5), ["--value", "value", "--transform", "arcsine"], Refusal, "99.5 is above 1, the most of arcsine"),
        (table(2), ["--value", "value", "--transform", "binary"], Refusal, "row 1: value = 2.0 is above 1"),
    ],
)
def test_an_error_is_one_line_that_names_the_word(run, text, options, error, word):
    with pytest.raises(CybersynError, match=word) as raised:
        run(text, *options)
    assert isinstance(raised.value, error)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    parser = argparse.ArgumentParser()
    COMMAND.add_arguments(parser)
    with pytest.raises(Refusal, match=r"none\.csv"):
        COMMAND.run(parser.parse_args([str(tmp_path / "none.csv")]))
