# SPDX-License-Identifier: AGPL-3.0-or-later
"""The catalogue of production indicators: name, unit, definition, formula, good direction, source, for what.

The one table from which the README and the API tell them. A changed formula is a new name. Sources: ISO 22400-2:2014
(key performance indicators of manufacturing operations), SEMI E10 (equipment states), Nakajima (1988).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from collector.contract.indicator import CATALOGUE as MEASURED
from cyberfilter.indices.catalogue import CATALOGUE as INDICES
from cyberfilter.indices.catalogue import Good

EVERYWHERE: Final = ("job", "device", "cell", "site")
STANDING: Final = ("device", "cell", "site")
PERIODS: Final = ("hour", "shift", "day")


class Indicator(NamedTuple):
    """One row: what it says, how it is made of sums, which direction pleases, whose term it is, what has it."""

    name: str
    unit: str
    definition: str
    formula: str
    good: Good
    source: str
    of: tuple[str, ...] = EVERYWHERE
    per: tuple[str, ...] = PERIODS


_SHIPPED: Final = (
    Indicator(
        "oee_ratio",
        "1",
        "overall equipment effectiveness: share of the time in which good parts came at full speed",
        "oee_availability_ratio × performance_ratio × quality_ratio",
        Good.HIGHER,
        "ISO 22400-2, OEE index",
    ),
    Indicator(
        "oee_availability_ratio",
        "1",
        "share of the known, planned time without maintenance in which it ran",
        "running ÷ (planned − unknown − maintenance)",
        Good.HIGHER,
        "ISO 22400-2, availability; SEMI E10 for the states",
    ),
    Indicator(
        "performance_ratio",
        "1",
        "speed against the estimate, corrected by what estimates of this machine and material are usually off",
        "Σ estimate × learned ratio ÷ running, of done jobs; cut jobs count by their running; above 1 is shown",
        Good.HIGHER,
        "ISO 22400-2, effectiveness",
    ),
    Indicator(
        "quality_ratio",
        "1",
        "share of the parts that are good",
        "good ÷ (good + scrap); uncounted: a done job is 1 good part, a failed one 1 scrap",
        Good.HIGHER,
        "ISO 22400-2, quality ratio",
    ),
    Indicator(
        "first_pass_yield_ratio",
        "1",
        "share of good parts among those at whose file no attempt failed just before",
        "good of first attempts ÷ (good + scrap) of first attempts",
        Good.HIGHER,
        "ISO 22400-2, first pass yield",
        STANDING,
    ),
    Indicator("good_parts", "parts", "good parts", "Σ good", Good.HIGHER, "ISO 22400-2, good quantity"),
    Indicator("scrap_parts", "parts", "parts of scrap", "Σ scrap", Good.LOWER, "ISO 22400-2, scrap quantity"),
    Indicator(
        "cycle_time_s",
        "s",
        "what a part takes with everything",
        "Σ duration of done jobs ÷ Σ their parts",
        Good.LOWER,
        "ISO 22400-2, throughput rate, turned over",
    ),
    Indicator(
        "downtime_s",
        "s",
        "planned time in which it stood for want of something",
        "fault + held + waiting_person + starved, within planned time",
        Good.LOWER,
        "ISO 22400-2, down time; SEMI E10, unscheduled downtime",
    ),
    Indicator(
        "waiting_person_s",
        "s",
        "planned time in which it waited for a person",
        "waiting_person within planned time",
        Good.LOWER,
        "SEMI E10, standby: no operator",
    ),
    Indicator(
        "waiting_person_ratio",
        "1",
        "share of the known, planned time in which it waited for a person",
        "waiting_person_s ÷ (planned − unknown)",
        Good.LOWER,
        "SEMI E10, standby: no operator",
    ),
    Indicator(
        "energy_kwh",
        "kWh",
        "electric energy used",
        "Σ max(0, ΔE) of its meter, else of the plugs at its place, else of its jobs; even between two readings",
        Good.LOWER,
        "ISO 22400-2, comprehensive energy consumption",
    ),
    Indicator(
        "energy_per_part_wh",
        "Wh",
        "energy for a good part, idling and scrap included",
        "energy ÷ good",
        Good.LOWER,
        "ISO 22400-2, comprehensive energy consumption by quantity",
    ),
    Indicator(
        "carbon_g",
        "g",
        "carbon dioxide of the electricity",
        "energy_kwh × grid_g_per_kwh of the unit",
        Good.LOWER,
        "GHG Protocol, scope 2, location-based",
    ),
    Indicator(
        "material_g",
        "g",
        "material used, failed jobs included",
        "Σ material of jobs, by their running; a length counts as its mass",
        Good.LOWER,
        "ISO 22400-2, consumed material",
    ),
    Indicator(
        "material_per_part_g",
        "g",
        "material for a good part, scrap included",
        "material ÷ good",
        Good.LOWER,
        "ISO 22400-2, consumed material by quantity",
    ),
    Indicator(
        "scrap_g",
        "g",
        "material that became no good part",
        "Σ material of jobs not done, and of done ones × scrap ÷ (good + scrap)",
        Good.LOWER,
        "ISO 22400-2, scrap ratio, as a mass",
    ),
    Indicator(
        "temperature_deviation_degc",
        "°C",
        "how far the nozzle was from its target",
        "mean of |nozzle_degc − nozzle_target_degc| while running",
        Good.LOWER,
        "our own",
    ),
    Indicator("queue_jobs", "jobs", "jobs that wait", "mean of queue_jobs as told", Good.LOWER, "our own", STANDING),
    Indicator(
        "voc_ppb", "ppb", "volatile organic compounds in the air", "mean of voc_ppb as told", Good.LOWER, "our own"
    ),
    Indicator(
        "stock_spools",
        "spools",
        "open spools at the end of the newest period",
        "opened − emptied",
        Good.NEITHER,
        "our own",
        STANDING,
    ),
    Indicator(
        "stock_parts",
        "parts",
        "good parts not yet taken at the end of the newest period",
        "Σ good since the plate was cleared",
        Good.LOWER,
        "our own",
        STANDING,
    ),
    Indicator(
        "maintenance_running_h",
        "h",
        "hours of running since an item was maintained",
        "running since maintenance `done` of the item",
        Good.LOWER,
        "our own",
        ("device",),
    ),
    Indicator(
        "maintenance_jobs",
        "jobs",
        "jobs ended since an item was maintained",
        "jobs ended since maintenance `done` of the item",
        Good.LOWER,
        "our own",
        ("device",),
    ),
    Indicator(
        "maintenance_material_g",
        "g",
        "material used since an item was maintained",
        "Σ material of jobs ended since maintenance `done` of the item",
        Good.LOWER,
        "our own",
        ("device",),
    ),
)
CATALOGUE: Final = {row.name: row for row in _SHIPPED}


def table() -> str:
    """Return the catalogue as the README's table."""
    head = "| indicator | unit | definition | formula | better | for | source |\n|---|---|---|---|---|---|---|"
    rows = [
        f"| `{r.name}` | {r.unit} | {r.definition} | {r.formula} | {r.good} | {', '.join(r.of)} | {r.source} |"
        for r in _SHIPPED
    ]
    return "\n".join([head, *rows])


def listed() -> Iterator[dict[str, object]]:
    """Yield every row as the API lists it: what is made of facts, the indices, then what machines measure."""
    for row in _SHIPPED:
        yield {**row._asdict(), "kind": "production", "good": row.good.value}
    for index in INDICES.values():
        yield {
            "name": index.name,
            "unit": index.unit,
            "definition": index.gate,
            "formula": index.formula,
            "good": index.good.value,
            "kind": "index",
        }
    for measured in MEASURED.values():
        yield {
            "name": measured.name,
            "unit": measured.unit,
            "definition": measured.meaning,
            "low": measured.low,
            "high": measured.high,
            "kind": "measured",
        }
