# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the Cyberfilter's routes take and give, as the OpenAPI document shows it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from collector.contract import limits


class _Open(BaseModel):
    """Fields that a client may count on; more are there, and more may come."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)


class Band(BaseModel):
    """A forecast: the expected value and its 95 % band, in the index's unit."""

    at: str
    mean: float
    lo95: float
    hi95: float


class LearningItem(BaseModel):
    """How many of its own values an index has learned from, of how many; until then it goes by `from`."""

    model_config = ConfigDict(populate_by_name=True)
    have: int
    need: int
    source: Literal["own", "like machines"] = Field(alias="from")
    like: int


class ChangeItem(BaseModel):
    """What the filter believes has changed, from P > .5 on; figures in the index's unit, null where not known."""

    kind: str
    since: str | None
    size: float | None
    sd: float | None
    probability: float | None
    before: float | None


class IndexItem(_Open):
    """The newest value of an index; the triple is 0..1, or null where there is no capability."""

    place: str
    index: str
    unit: str
    at: str
    actuality: float | None
    capability: float | None
    potentiality: float | None
    productivity: float | None
    latency: float | None
    performance: float | None
    forecast: Band | None
    expected: Band | None
    verdict: str
    learning: LearningItem | None
    change: ChangeItem | None
    clock_s: float | None


class CommissionedItem(BaseModel):
    """The newest commissioning of an index; noise and level are variances on the transformed scale, null: kept."""

    place: str
    device: str
    index: str
    at: str
    outcome: Literal["fitted", "too_few", "not_converged"]
    clean: int
    masked: int
    noise: float | None
    level: float | None
    adaptivity: float | None
    autocorrelation: float | None
    log_likelihood: float | None


class CommissionedPage(BaseModel):
    """What the last night found, by place and index."""

    items: list[CommissionedItem]
    total: int
    next: str | None


class AlertItem(_Open):
    """An alert; times are RFC 3339 in UTC, null while they have not come."""

    id: str
    alert_class: Literal["hazard", "call", "algedonic"] = Field(alias="class")
    kind: str
    place: str
    index: str | None
    state: Literal["raised", "acknowledged", "returned", "closed"]
    raised_at: str
    acknowledged_at: str | None
    returned_at: str | None
    closed_at: str | None
    raised_to: str
    why: str


class IndexPage(BaseModel):
    """Indices by place and name."""

    items: list[IndexItem]
    total: int
    next: str | None


class TripleItem(_Open):
    """An index of a unit as a whole: sums in its common unit, or the bottleneck of a serial flow."""

    place: str
    index: str
    unit: str
    at: str
    actuality: float
    capability: float
    potentiality: float
    productivity: float
    latency: float
    performance: float
    known: int
    of: int
    flow: Literal["parallel", "serial"]
    bottleneck: str | None


class TriplePage(BaseModel):
    """Triples of units, by place and index."""

    items: list[TripleItem]
    total: int
    next: str | None


class AlertPage(BaseModel):
    """Alerts, newest first."""

    items: list[AlertItem]
    total: int
    next: str | None


class PastItem(BaseModel):
    """How forecasts of the past did: root mean square errors of the mean over the horizon, in the index's unit.

    `p_last` and `p_season` are how probable such a lead over "as last" and "as a day ago" would be by chance (test of
    Diebold and Mariano).
    """

    origins: int
    error: float | None
    error_last: float | None
    error_season: float | None
    p_last: float | None
    p_season: float | None


class OutlookItem(BaseModel):
    """Where an index is going: means and an interval of the given level, at these times."""

    place: str
    index: str
    unit: str
    at: list[str]
    mean: list[float]
    lo: list[float]
    hi: list[float]
    level: float
    model: str
    horizon: str
    past: PastItem


class ActionBody(BaseModel):
    """What a person does about an alert: acknowledge, extend, close."""

    action: str
    note: Annotated[str | None, Field(max_length=limits.JOB_TEXT_CHARS_MAX)] = None
    by: Annotated[str | None, Field(max_length=limits.JOB_TEXT_CHARS_MAX)] = None


class InterventionBody(BaseModel):
    """A person's word on the next values of an index; mean and sd in the index's unit."""

    v: int
    id: str
    ts: int | str
    place: str
    index: str
    action: str
    mean: float | None = None
    sd: float | None = None
    until: int | str | None = None
    note: str | None = None
    by: str | None = None


class InterventionItem(_Open):
    """What was said first under this id."""

    id: str
    ts: str
    place: str
    index: str
    action: Literal["ignore", "shift", "level", "uncertain"]
    mean: float | None
    sd: float | None
    until: str | None
    note: str | None
    by: str | None
