# SPDX-License-Identifier: AGPL-3.0-or-later
"""The tables of the embedded historian's file, and its format's version.

A sample is first a row of `sample`, an index's band beside it one of `band`. When its hour has passed it moves into a
`chunk`, and the hour's tallies are made: `minutes` are packed, `hours` are rows.
"""

from __future__ import annotations

from typing import Final

from collector.durable import Format

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, place TEXT NOT NULL, name TEXT NOT NULL, device TEXT NOT NULL,
    UNIQUE (kind, place, name, device));
CREATE TABLE IF NOT EXISTS sample (
    series INTEGER NOT NULL, time INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (series, time)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS band (
    series INTEGER NOT NULL, time INTEGER NOT NULL, lo95 REAL, hi95 REAL, PRIMARY KEY (series, time)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunk (
    series INTEGER NOT NULL, start INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (series, start));
CREATE TABLE IF NOT EXISTS minutes (
    series INTEGER NOT NULL, start INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (series, start));
CREATE TABLE IF NOT EXISTS hours (
    series INTEGER NOT NULL, start INTEGER NOT NULL, samples INTEGER NOT NULL, total REAL NOT NULL,
    low REAL NOT NULL, high REAL NOT NULL, PRIMARY KEY (series, start)) WITHOUT ROWID;
"""
"""Times and starts are in microseconds since 1970; `kind` is reading or index, and an index's `device` is ''.

The first chunk of an hour starts with the hour; further ones, where a hour has many samples, with a minute of it.
`minutes` and `hours` start with their hour. Format 1 had the first three tables, so nothing moves on the way to 2.
"""
FORMAT: Final = Format("historian", 2, _TABLES, shrinks=True)
