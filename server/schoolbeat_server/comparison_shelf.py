"""Comparisons are made in the background, one at a time, and kept as of then; no page waits for one."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final, NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from schoolbeat_server.comparisons import (
    PILOT,
    Asked,
    Comparison,
    four_weeks_before,
    lately,
    made,
    school_year,
    year_of,
)
from schoolbeat_server.local_time import local
from schoolbeat_server.register_areas import areas_on
from schoolbeat_server.report_facts import Facts, Kind, Period, Refused
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Plan

log = logging.getLogger(__name__)

MOST_KEPT: Final = 12
MOST_WAITING: Final = 20
FRESH_MS: Final = 600_000  # older ones are shown, and made anew meanwhile
LOOK_SECONDS: Final = 30.0

ReadFacts = Callable[[Kind, str, Period], Facts]


class Found(NamedTuple):
    """comparison: the newest there is, as of its made_ms. making: a newer one is under way. refused: why there is
    none."""

    comparison: Comparison | None
    making: bool
    refused: Said | None = None


class Shelf:
    """read: waits for its turn. What was not asked for lately goes; a restart forgets all, and makes them anew."""

    def __init__(self, engine: Engine, read: ReadFacts, plans: Sequence[Plan], now_ms: Callable[[], int]) -> None:
        self.engine, self.read, self.plans, self.now_ms = engine, read, plans, now_ms
        self.lock = threading.Lock()
        self._kept: OrderedDict[Asked, Comparison] = OrderedDict()
        self._refused: OrderedDict[Asked, tuple[int, Said]] = OrderedDict()
        self._waiting: list[Asked] = []
        self._making: Asked | None = None
        self._ahead_of: date | None = None  # the day whose usual ones were all made
        self.stopping, self.asked = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, name="comparisons", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self.asked.set()
        self.thread.join(10)

    def find(self, asked: Asked) -> Found:
        """What is there; what is not, or not fresh, is made from now on. Raises Refused if too much waits already."""
        now = self.now_ms()
        with self.lock:
            found = self._kept.get(asked)
            if found is not None:
                self._kept.move_to_end(asked)
            refused = self._refused.get(asked)
            if refused is not None and now - refused[0] < FRESH_MS:
                return Found(found, False, refused[1])
            if found is not None and now - found.made_ms < FRESH_MS:
                return Found(found, False)
            if asked not in self._waiting and asked != self._making:
                if len(self._waiting) >= MOST_WAITING:
                    if found is not None:
                        return Found(found, False)
                    raise Refused(
                        f"đã có {MOST_WAITING} bảng so sánh đang đợi; hãy xem lại sau một phút",
                        f"{MOST_WAITING} comparisons wait already; look again in a minute",
                    )
                self._waiting.append(asked)
        self.asked.set()
        return Found(found, True)

    def make_next(self) -> bool:
        """False: none waits."""
        with self.lock:
            if not self._waiting:
                return False
            asked = self._making = self._waiting.pop(0)
        try:
            self._keep(asked, self._made(asked))
        except Refused as refused:
            self._refuse(asked, refused.said)
        except SQLAlchemyError as error:  # asked for again by whoever waits for it
            log.warning("comparison %s: %s", asked.view, error)
        except Exception:
            log.exception("comparison %s could not be made", asked.view)
            self._refuse(asked, Said("lỗi của máy chủ; nhật ký ghi vì sao", "the server failed; its log says why"))
        finally:
            with self.lock:
                self._making = None
        return True

    def _made(self, asked: Asked) -> Comparison:
        area = asked.id if asked.place == "area" else self.root(asked.period.last)
        before = None if asked.before is None else self.read("league", area, asked.before)
        return made(asked, self.read("league", area, asked.period), before, self.plans)

    def _keep(self, asked: Asked, comparison: Comparison) -> None:
        with self.lock:
            self._refused.pop(asked, None)
            self._kept[asked] = comparison
            self._kept.move_to_end(asked)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)

    def _refuse(self, asked: Asked, why: Said) -> None:
        with self.lock:
            self._refused[asked] = (self.now_ms(), why)
            while len(self._refused) > MOST_KEPT:
                self._refused.popitem(last=False)

    # ---- ahead ---------------------------------------------------------------------------------------------

    def root(self, day: date) -> str:
        """The area of all. Raises Refused."""
        with self.engine.connect() as connection:
            areas = areas_on(connection, day.isoformat()).areas
        tops = sorted(one.id for one in areas.values() if one.parent is None)
        if not tops:
            raise Refused("sổ đăng ký chưa có địa bàn nào", "the register has no area", missing=True)
        return tops[0]

    def usual(self) -> list[Asked]:
        """What the pages show before anybody chooses anything, of today. Raises Refused."""
        today = local(self.now_ms()).date()
        area, month, week = self.root(today), lately(today), lately(today, 7)
        return [
            Asked("isps", "area", area, month),
            Asked("periods", "area", area, week, four_weeks_before(week)),
            Asked("pilot", "area", area, month, None, PILOT),
            Asked("league", "area", area, school_year(year_of(today), today)),
        ]

    def _run(self) -> None:
        self.asked.wait(LOOK_SECONDS)  # a server that begins has better things to do
        while not self.stopping.is_set():
            self.asked.clear()
            while not self.stopping.is_set() and self.make_next():
                pass
            self._ahead()
            self.asked.wait(LOOK_SECONDS)

    def _ahead(self) -> None:
        """The usual ones of a new day are there before somebody looks."""
        today = local(self.now_ms()).date()
        if today == self._ahead_of:
            return
        try:
            with self.lock:
                known = set(self._kept) | set(self._refused) | set(self._waiting)
            missing = [one for one in self.usual() if one not in known]
        except (Refused, SQLAlchemyError) as error:
            log.debug("no comparisons ahead: %s", error)
            return
        if not missing:
            self._ahead_of = today
            return
        with self.lock:
            self._waiting += missing[:1]
        self.asked.set()
