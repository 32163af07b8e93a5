# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: one class, whose methods share one block of memory
"""The state of N series: join, update, forecast, rest, save, load.

Everything that is remembered of a series is one column of float64 (panels.py), so a checkpoint is the panels and a
header. A batch gives bit for bit what single updates give, in any order of the series.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from collector.contract.errors import Misconfigured, Refusal
from collector.contract.limits import NUMBER_ABS_MAX
from cyberfilter.filter import hypothesis_rows, interventions, learned, memory, rows, weighing
from cyberfilter.filter.belief import Belief
from cyberfilter.filter.counts import OBSERVED, begin_of
from cyberfilter.filter.kernel import model_of
from cyberfilter.filter.learned import Learned
from cyberfilter.filter.model import (
    PROFILES,
    Floats,
    Prior,
    Profile,
    check_prior,
    check_profile,
    fixed,
    is_all,
    is_any,
)
from cyberfilter.filter.panels import Indices, Panels
from cyberfilter.filter.rows import Forecasts, Rules, Verdicts
from cyberfilter.filter.start import START_COUNT
from cyberfilter.filter.transform import TRANSFORMS

CHUNK: Final = 2048
"""Series in a panel, and in one pass of the kernel: its temporaries then stay in the processor's cache."""
HYPOTHESES_CHUNK: Final = 512
"""The same for the filter that keeps hypotheses, which has ten times the numbers a series."""
COMMISSION_DEFAULT: Final = 250
_NEVER: Final = fixed(np.inf)
_LARGEST: Final = fixed(NUMBER_ABS_MAX)
_TOUCHED_NEVER: Final = 2**23
# glibc hands freed memory back to the system and asks for it again, a page fault for every 4 kB: in a small process a
# third of the time of a chunk. One array of 8 MB that comes and goes makes it keep what it has (mallopt(3)).
np.empty(_TOUCHED_NEVER, dtype=np.uint8)


class _Filter(NamedTuple):
    """What a filter is to a bank: the height of its columns, how many make a chunk, and functions on them.

    `believe` is None where nothing is kept side by side, `read` and `adopt` where what was learned can't be handed on.
    """

    height: int
    chunk: int
    fresh: Callable[[Floats], None]
    start: Callable[[Floats], None]
    expect: Callable[[Floats, Floats], Forecasts]
    step: Callable[[Floats, Floats, Floats], Verdicts]
    intervene: Callable[[Floats, interventions.Notice], None]
    accept: Callable[[Floats], None]
    read: Callable[[Floats], Learned] | None = None
    adopt: Callable[[Floats, Learned], None] | None = None
    believe: Callable[[Floats, int], list[Belief]] | None = None


class Bank:
    """The Cyberfilter of `count` series, numbered from 0, which share a profile, a prior, a transform and a cadence.

    `filter` is "classic", the four-state filter of 1971, or "hypotheses", the same model with forty hypotheses of what
    changed when, so that evidence accumulates; it knows neither p, one_back nor two_back, and its noise changes too.

    `prior` is on the transformed scale; a part it leaves out is learned: the first eight values of a series set its
    level and noise (start.py), and over the first `commission` values the noise variance is learned without
    forgetting anything, while no verdict goes beyond "unsure"; "hypotheses" also learns from them how fast the level
    wanders of its own accord. A prior with a noise needs no commissioning.
    `variance_discount` is how much of the degrees of freedom of the noise is kept from value to value.
    """

    def __init__(  # noqa: PLR0917 - the contract's signature
        self,
        count: int,
        prior: Prior | None = None,
        filter: Literal["classic", "hypotheses"] = "hypotheses",  # noqa: A002 - the contract's word
        profile: Profile = PROFILES["workshop"],
        commission: int = COMMISSION_DEFAULT,
        variance_discount: float = 0.98,
        transform: str = "none",
        cadence_s: float = 1.0,
    ) -> None:
        """Raise Misconfigured where an argument cannot work."""
        check_filter(filter)
        _check_numbers(count, commission, variance_discount, cadence_s)
        if transform not in TRANSFORMS:
            raise Misconfigured(f"transform = {transform!r} is none of {', '.join(TRANSFORMS)}")
        self._prior = check_prior(Prior() if prior is None else Prior(*prior))
        known = self._prior.noise is not None and np.isinf(self._prior.noise[1])
        self._commission = commission
        observed = OBSERVED.get(transform) if filter == "hypotheses" else None
        self._rules = Rules(
            model=model_of(check_profile(profile), noise_known=bool(known)),
            profile=profile,
            prior=self._prior,
            transform=observed.link if observed else TRANSFORMS[transform],
            cadence_s=cadence_s,
            variance_discount=variance_discount,
            learning_count=commission if self._prior.noise is None else 0,
            observed=observed,
        )
        self._name = filter
        self._filter = _filter(filter, self._rules)
        self._columns = Panels(self._filter.height, self._filter.chunk)
        self.join(count)

    @property
    def count(self) -> int:
        """The number of series."""
        return self._columns.count

    def join(self, count: int) -> None:
        """Add so many series that have seen nothing; they are numbered from the old `count` on."""
        if count < 0:
            raise Misconfigured(f"count = {count} is below 0")
        self._columns.join(count, self._fresh)

    def _fresh(self, count: int) -> Floats:
        """Return the columns of series that have seen nothing."""
        columns = memory.fresh(count, self._filter.height)
        self._filter.fresh(columns)
        self._begin(columns)
        return columns

    def _begin(self, columns: Floats) -> None:
        """Start the filter of fresh columns at once, where the prior knows level and noise."""
        level, _, noise = self._prior
        if level is not None and noise is not None:
            at_level = np.full((START_COUNT, columns.shape[1]), level[0])
            memory.start(
                columns, begin_of(self._rules.observed, at_level, self._prior), self._rules.profile.probability
            )
            self._filter.start(columns)

    def update(self, series: ArrayLike, time_s: ArrayLike, value: ArrayLike) -> Verdicts:
        """Return what each series' next value (k; NaN is missing) at its time (k, s) says, in the order given.

        `series` has no repeats; a time is later than the series' last one, or than its rest. A Refusal names what
        breaks this, or a value that is infinite, above 1e15, or outside the transform's domain; nothing is changed.
        """
        index = self._indices(series)
        times = _column("time_s", time_s, len(index))
        values = _column("value", value, len(index))
        self._check(index, times, values)
        parts = [self._update_chunk(index[span], times[span], values[span]) for span in self._columns.spans(index)]
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return self._update_chunk(index, times, values)
        return Verdicts(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _update_chunk(self, index: Indices, times: Floats, values: Floats) -> Verdicts:
        columns = self._columns.take(index)
        ignored = columns[memory.AT["ignored"]]
        if not is_any(ignored):
            verdicts = self._filter.step(columns, times, values)
        else:
            passed = (ignored > 0) & ~np.isnan(values)
            ignored[passed] = 0.0
            verdicts = self._filter.step(columns, times, np.where(passed, np.nan, values))._replace(y=values)
        self._columns.put(index, columns)
        return verdicts

    def forecast(self, series: ArrayLike, time_s: ArrayLike) -> Forecasts:
        """Return where the next value of each series (k) is expected, were it to come at that time (k, s)."""
        index = self._indices(series)
        return self._filter.expect(self._columns.take(index), _column("time_s", time_s, len(index)))

    def rest(self, series: ArrayLike, time_s: ArrayLike) -> None:
        """Move the clock of each series (k) on to that time (k, s) and change nothing else: a gate was closed.

        The next value evolves from there, so it must come later. A clock never goes back.
        """
        index = self._indices(series)
        clock = np.fmax(self._columns.row(memory.AT["clock"], index), _column("time_s", time_s, len(index)))
        self._columns.put_row(memory.AT["clock"], index, clock)

    @property
    def filter(self) -> str:
        """The filter's name: classic or hypotheses."""
        return self._name

    @property
    def learning_count(self) -> int:
        """How many values of its own a series learns from before what it has learned is frozen."""
        return self._rules.learning_count

    @property
    def adopts(self) -> bool:
        """Whether a series may go by what others learned: not where its noise is known, or is mere chance."""
        return self._filter.adopt is not None and not (self._rules.model.noise_known or self._rules.observed)

    def learned(self, series: ArrayLike) -> Learned:
        """Return what each series (k) has learned so far; a Refusal where the filter is the classic one."""
        if self._filter.read is None:
            raise Refusal("not_learned", f"filter {self._name} learns nothing that could be handed on")
        return self._filter.read(self._columns.take(self._indices(series)))

    def beliefs(self, series: int, most: int = 5) -> list[Belief]:
        """Return what is believed of one series, the likeliest first (belief.py); nothing where the filter is classic.

        Times are the series' own, figures in the value's unit.
        """
        index = self._indices([series])
        return self._filter.believe(self._columns.take(index), most) if self._filter.believe else []

    def adopt(self, series: ArrayLike, given: Learned) -> None:
        """Let series (k, no repeats) go by what was learned elsewhere: of each, or one column for all.

        One that has not started starts at its next value and may speak at once, with the uncertainty of the adopted
        degrees; its level comes from its own values. One that learns takes it as its prior, on top of what it has
        learned; one that has learned, instead of its adaptivity and pooled with its noise. Levels stay. Each call
        counts as evidence of its own. A Refusal says what cannot be adopted; nothing is changed then.
        """
        index = self._indices(series)
        if self._filter.adopt is None:
            raise Refusal("not_learned", f"filter {self._name} learns nothing that could be handed on")
        if not self.adopts:
            raise Refusal("not_learned", "the noise is known, or mere chance: there is nothing to adopt")
        columns = self._columns.take(index)
        self._filter.adopt(columns, learned.check(given, len(index)))
        self._columns.put(index, columns)

    def intervene(
        self, series: ArrayLike, action: str, mean: ArrayLike | None = None, sd: ArrayLike | None = None
    ) -> None:
        """Let a person's notice of what comes count (k; interventions.py): ignore, shift, level, uncertain.

        mean and sd (k, in the value's own unit; None: 0) are those of the move, of the new level, of the doubt. A value
        to be ignored gets the verdict "missing". A Refusal names what cannot be, or the series that has not started.
        """
        index = self._indices(series)
        _once(index)
        nothing, columns = np.zeros(len(index)), self._columns.take(index)
        given = (("mean", mean), ("sd", sd))
        notice = interventions.Notice(action, *(_column(n, nothing if x is None else x, len(index)) for n, x in given))
        interventions.check(notice, index.tolist(), columns[memory.AT["n"]] > 0, self._rules.transform)
        if action == interventions.IGNORE:
            columns[memory.AT["ignored"]] = 1.0
        else:
            self._filter.intervene(columns, notice)
        self._columns.put(index, columns)

    def accept(self, series: ArrayLike) -> None:
        """Take the present of these series (k) as usual: what changed is the base that later changes are told from.

        Of one that is still collecting its first values nothing is known to accept, and nothing happens. The classic
        filter goes on saying "slope" while there is one, for its word speaks of the slope that is.
        """
        index = self._indices(series)
        _once(index)
        index = index[self._columns.row(memory.AT["n"], index) > 0]
        columns = self._columns.take(index)
        self._filter.accept(columns)
        self._columns.put(index, columns)

    def save(self) -> bytes:
        """Return everything; `load` gives a bank that goes on bit for bit (on the same machine and NumPy)."""
        rules = self._rules
        header = {
            "filter": self._name,
            "profile": list(rules.profile),
            "prior": [part if part is None else [float(x).hex() for x in part] for part in self._prior],
            "commission": self._commission,
            "variance_discount": rules.variance_discount,
            "transform": rules.transform.name,
            "cadence_s": rules.cadence_s,
        }
        return memory.pack(header, self._columns.used())

    @classmethod
    def load(cls, blob: bytes) -> Bank:
        """Return the bank that `save` wrote; a Refusal where the bytes are something else."""
        header, panels = memory.unpack(blob, _HEIGHTS)
        name, source, *rows = header.pop("profile")
        parts = header.pop("prior")
        bank = cls(
            0,
            prior=Prior(
                *(part if part is None else (float.fromhex(part[0]), float.fromhex(part[1])) for part in parts)
            ),
            profile=Profile(name, source, *(tuple(row) for row in rows)),
            **{key: header[key] for key in ("filter", "commission", "variance_discount", "transform", "cadence_s")},
        )
        bank._columns.fill(panels)
        return bank

    def _indices(self, series: ArrayLike) -> Indices:
        index = np.atleast_1d(np.asarray(series))
        if index.ndim != 1 or (index.size and index.dtype.kind not in "iu"):
            raise Refusal("bad_series", f"series is not one row of whole numbers but {index.dtype} {index.shape}")
        index = index.astype(np.int64, copy=False)
        if is_any(index.view(np.uint64) >= self.count):  # as which a number below 0 is a huge one
            raise Refusal("bad_series", f"series {index.min()}..{index.max()} are not within 0..{self.count - 1}")
        return index

    def _check(self, index: Indices, times: Floats, values: Floats) -> None:
        _once(index)
        clock = self._columns.row(memory.AT["clock"], index)
        transform = self._rules.transform
        wrong = ~((times > clock) & (times < _NEVER)) | (np.abs(values) > _LARGEST)
        if not transform.plain:
            wrong |= transform.is_off(values)
        if is_any(wrong):
            at = int(wrong.argmax())
            raise self._refusal(int(index[at]), float(times[at]), float(clock[at]), float(values[at]))

    def _refusal(self, series: int, time_s: float, clock_s: float, value: float) -> Refusal:
        where = f"(series {series})"
        if not np.isfinite(time_s):
            return Refusal("bad_time", f"time_s = {time_s} is not finite {where}")
        if time_s <= clock_s:
            return Refusal("not_later", f"time_s = {time_s} is not later than the last time {clock_s} {where}")
        if abs(value) > NUMBER_ABS_MAX:
            return Refusal("off_scale", f"value = {value} is beyond {NUMBER_ABS_MAX:g} {where}")
        scale = self._rules.transform
        side, end, of = ("below", scale.low, "least") if value < scale.low else ("above", scale.high, "most")
        return Refusal("off_scale", f"value = {value} is {side} {end:g}, the {of} of {scale.name} {where}")


_HEIGHTS: Final = {"classic": memory.HEIGHT, "hypotheses": hypothesis_rows.HEIGHT}


def check_filter(name: str) -> str:
    """Return the filter's name; a Misconfigured where there is none such."""
    if name not in _HEIGHTS:
        raise Misconfigured(f"filter = {name!r} is neither {' nor '.join(map(repr, _HEIGHTS))}")
    return name


def _filter(name: str, rules: Rules) -> _Filter:
    """Return the filter of that name, bound to its rules."""
    if name == "classic":
        return _Filter(
            height=memory.HEIGHT,
            chunk=CHUNK,
            fresh=lambda _: None,
            start=lambda _: None,
            expect=partial(rows.expect, rules=rules),
            step=partial(rows.step, rules=rules),
            intervene=partial(rows.intervene, rules=rules),
            accept=partial(rows.accept, rules=rules),
        )
    model = weighing.model_of(
        rules.profile,
        noise_known=rules.model.noise_known,
        observed=rules.transform.name if rules.observed else "",
    )
    return _Filter(
        height=hypothesis_rows.HEIGHT,
        chunk=HYPOTHESES_CHUNK,
        fresh=hypothesis_rows.fresh,
        start=hypothesis_rows.start,
        expect=partial(hypothesis_rows.expect, rules=rules, model=model),
        step=partial(hypothesis_rows.step, rules=rules, model=model),
        read=partial(hypothesis_rows.read, rules=rules, model=model),
        adopt=partial(hypothesis_rows.adopt, rules=rules, model=model),
        believe=partial(hypothesis_rows.believe, rules=rules, model=model),
        intervene=partial(hypothesis_rows.intervene, rules=rules),
        accept=hypothesis_rows.accept,
    )


def _once(index: Indices) -> None:
    """Raise a Refusal where a series is there twice; numbers in their order are told at once."""
    if len(index) > 1 and not is_all(index[1:] > index[:-1]):
        ordered = np.sort(index)
        twice = ordered[1:] == ordered[:-1]
        if is_any(twice):
            raise Refusal("repeated", f"series {ordered[int(twice.argmax())]} is there twice in one update")


def _check_numbers(count: int, commission: int, variance_discount: float, cadence_s: float) -> None:
    for name, number in (("count", count), ("commission", commission)):
        if number < 0:
            raise Misconfigured(f"{name} = {number} is below 0")
    if not 0 < variance_discount <= 1:
        raise Misconfigured(f"variance_discount = {variance_discount:g} is not above 0 and at most 1")
    if not 0 < cadence_s < np.inf:
        raise Misconfigured(f"cadence_s = {cadence_s:g} is not a number of seconds above 0")


def _column(name: str, figures: ArrayLike, count: int) -> Floats:
    column = np.array(figures, dtype=np.float64, ndmin=1)
    if column.shape != (count,):
        raise Refusal("wrong_shape", f"{name} has shape {column.shape}, series has {count} entries")
    return column
