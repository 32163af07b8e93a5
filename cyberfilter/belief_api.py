# SPDX-License-Identifier: AGPL-3.0-or-later
"""The HTTP route of one index: what the filter believes of it, why, and how it did."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from collector.contract.errors import Refusal
from cyberfilter.belief import belief
from cyberfilter.items import AlertItem, IndexItem, InterventionItem
from cyberfilter.service import Cyberfilter


class BelievedItem(BaseModel):
    """One of the things that may be so; `size` of a slope is its rise a value, of noise that of its deviation."""

    kind: Literal["none", "step", "slope", "noise", "other"]
    since: str | None
    probability: float
    size: float | None
    sd: float | None
    before: float | None


class UsualItem(BaseModel):
    """The usual level and spread in one regime (`now`: the present one), known from `count` values.

    `by` says what the regime is: that of a target, of a job's file (`file` is its name, null where it is not kept), of
    jobs without a name, of no job, or the only one. Where it is not `ripe` all regimes together are what is usual.
    """

    regime: float
    by: Literal["nothing", "target", "file", "unnamed", "no_job"]
    file: str | None
    now: bool
    ripe: bool
    mean: float
    sd: float
    count: int


class RecordItem(BaseModel):
    """How the filter did: share of values inside their 95 % band, mean error, and that over the error of "as last"."""

    since: str | None
    count: int
    coverage: float | None
    error: float | None
    error_ratio: float | None
    words: dict[str, int]


class AlertsItem(BaseModel):
    """Alerts of the last 30 days: how many were raised, how many of them went back to normal or were closed."""

    raised: int
    returned: int
    closed: int
    newest: list[AlertItem]


class BeliefItem(IndexItem):
    """What is believed of an index; probabilities of `believed` add up to 1, the likeliest comes first."""

    value: float | None
    level: float | None
    sigma: float | None
    believed: list[BelievedItem]
    usual: list[UsualItem]
    record: RecordItem
    alerts: AlertsItem
    interventions: list[InterventionItem]


def routes(cyberfilter: Cyberfilter) -> APIRouter:
    """Return the route."""
    router = APIRouter(prefix="/api/v1", tags=["cyberfilter"])

    @router.get("/belief", response_model=BeliefItem)
    def believed(place: str, index: str) -> dict[str, Any]:
        """What the filter believes of an index, why, and how it did on the last 30 days; 404 where there is none."""
        try:
            return belief(cyberfilter, place, index)
        except Refusal as refusal:
            raise HTTPException(404, detail=refusal.detail) from None

    return router
