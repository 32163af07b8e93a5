# SPDX-License-Identifier: AGPL-3.0-or-later
"""Passwords are told once, and only slow hashes of them are kept."""

from __future__ import annotations

import base64
import hashlib
import stat
from pathlib import Path

import bcrypt
import pytest

from collector.contract.errors import Misconfigured
from collector.keys import QUICK, SLOW, Keys, hash_of, user_name


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path, work=QUICK)


def test_a_password_opens_its_own_device_alone(keys: Keys) -> None:
    words = keys.issue_all(["mk4", "saw"])
    assert keys.check("mk4", words["mk4"])
    assert not keys.check("saw", words["mk4"])
    assert not keys.check("nobody", words["mk4"])


def test_a_password_that_was_right_before_is_still_checked(keys: Keys) -> None:
    word = keys.issue("mk4")
    assert keys.check("mk4", word)
    assert not keys.check("mk4", word + "x")
    assert keys.check("mk4", word)


def test_new_credentials_replace_the_old_ones(keys: Keys) -> None:
    old = keys.issue("mk4")
    assert keys.check("mk4", old)
    new = keys.issue("mk4")
    assert (keys.check("mk4", old), keys.check("mk4", new)) == (False, True)


def test_a_revoked_device_has_no_password(keys: Keys) -> None:
    word = keys.issue("mk4")
    assert keys.check("mk4", word)
    keys.revoke("mk4")
    assert (keys.check("mk4", word), keys.devices()) == (False, frozenset())


def test_what_another_process_changes_is_known_at_the_next_question(keys: Keys, tmp_path: Path) -> None:
    other = Keys(tmp_path, work=QUICK)
    word = other.issue("mk4")
    assert keys.check("mk4", word)
    other.revoke("mk4")
    assert not keys.check("mk4", word)
    other.issue("saw")
    assert keys.devices() == {"saw"}


def test_file_holds_hashes_alone_and_only_its_owner_reads_it(keys: Keys, tmp_path: Path) -> None:
    word = keys.issue("mk4")
    path = tmp_path / "keys.json"
    assert word not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not list(tmp_path.glob("*.new"))


def test_password_is_in_no_text_about_the_keys(keys: Keys) -> None:
    word = keys.issue("mk4")
    keys.check("mk4", word)
    assert word not in repr(keys) + str(vars(keys))


def test_passwords_differ_and_can_be_typed_anywhere(keys: Keys) -> None:
    words = [keys.issue("mk4") for _ in range(20)]
    assert len(set(words)) == 20
    assert all(len(word) == 24 and word.isalnum() and not set(word) & set("0O1lI") for word in words)


def test_hashes_are_those_that_the_brokers_read(keys: Keys) -> None:
    word = keys.issue("mk4")
    assert bcrypt.checkpw(word.encode(), keys.hash_for_nats("mk4").encode())
    empty, kind, rounds, salt, derived = keys.hash_for_mosquitto("mk4").split("$")
    made = hashlib.pbkdf2_hmac("sha512", word.encode(), base64.b64decode(salt), int(rounds))
    assert (empty, kind, base64.b64encode(made).decode()) == ("", "7", derived)


def test_hashes_for_real_use_are_slow() -> None:
    assert (SLOW.bcrypt_cost, SLOW.pbkdf2_rounds) == (10, 1_000)
    assert hash_of("x").startswith("$7$1000$")


def test_same_word_never_has_the_same_hash() -> None:
    assert hash_of("x", rounds=1) != hash_of("x", rounds=1)


@pytest.mark.parametrize("device", ["collector", "keeper", "cybersyn", "simulator", "a b", "", "a/b"])
def test_names_of_services_and_names_outside_the_grammar_get_nothing(keys: Keys, device: str) -> None:
    with pytest.raises(Misconfigured):
        keys.issue(device)
    assert keys.devices() == frozenset()


@pytest.mark.parametrize("word", ["", "x" * 73, "a\0b", "ä" * 37])
def test_words_that_no_password_can_be_are_wrong(keys: Keys, word: str) -> None:
    keys.issue("mk4")
    assert not keys.check("mk4", word)


def test_a_device_without_credentials_is_named(keys: Keys) -> None:
    with pytest.raises(Misconfigured, match="'mk4' has no credentials"):
        keys.hash_for_nats("mk4")


def test_without_bcrypt_there_is_no_hash_for_nats_and_the_rest_works(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.keys.bcrypt", None)
    word = keys.issue("mk4")
    assert keys.check("mk4", word)
    with pytest.raises(Misconfigured, match="no bcrypt hash"):
        keys.hash_for_nats("mk4")


def test_keys_without_a_folder_live_in_memory() -> None:
    keys = Keys(None, work=QUICK)
    assert keys.check("mk4", keys.issue("mk4"))


def test_a_broken_file_is_named(keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{")
    with pytest.raises(Misconfigured, match=r"keys\.json"):
        keys.devices()


def test_a_user_name_has_no_colon() -> None:
    assert user_name("AC:67:B2") == "AC~67~B2"
