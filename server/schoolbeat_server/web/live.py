"""The live feed: what ingest tells while it happens, to every open page, by server-sent events."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse

from schoolbeat_wire import bounds

# A page that was closed without a word is noticed at the next write; the comment is that write.
HEARTBEAT_SECONDS = 15.0
QUEUE_EVENTS = 200
# Each page holds a descriptor, and the MQTT client in the same process goes deaf above number 1,023.
MOST_LISTENERS = 300
_RETRY_MS = 3_000


class Listener:
    """One open page: a bounded queue that belongs to its event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, site: str | None) -> None:
        self.loop = loop
        self.site = site
        self.events: asyncio.Queue[str | None] = asyncio.Queue(QUEUE_EVENTS)
        self.dropped = False

    def offer(self, event: str | None) -> None:
        """On the loop. A page that does not keep up is dropped: it connects again and reloads what it shows."""
        if self.dropped:
            return
        if event is None or self.events.full():
            self.dropped = True
            while not self.events.empty():
                self.events.get_nowait()
            event = None
        self.events.put_nowait(event)


class LiveFeed:
    """publish() from any thread; never blocks and never fails."""

    def __init__(self, most_listeners: int = MOST_LISTENERS) -> None:
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._most = most_listeners
        self._closed = False

    def publish(self, kind: str, data: Mapping[str, Any]) -> None:
        """kind: 'minutes' {sites: {site: newest minute}}, 'incident' {site, ...}, 'event' {site, ...}, 'notice' {id}.

        What names a site, or sites, goes to their pages and to those of the province; all else to every page.
        """
        event = f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
        with self._lock:
            listeners = [one for one in self._listeners if _concerns(data, one.site)]
        for listener in listeners:
            self._hand(listener, event)

    def listen(self, site: str | None) -> Listener | None:
        """On an event loop; None when as many pages listen as may, or the server is stopping."""
        with self._lock:
            if self._closed or len(self._listeners) >= self._most:
                return None
            listener = Listener(asyncio.get_running_loop(), site)
            self._listeners.add(listener)
            return listener

    def leave(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.discard(listener)

    def full(self) -> bool:
        with self._lock:
            return self._closed or len(self._listeners) >= self._most

    def count(self) -> int:
        with self._lock:
            return len(self._listeners)

    def close(self) -> None:
        """Ends every stream, so that the web server can stop; before it, or its shutdown waits for open pages."""
        with self._lock:
            self._closed = True
            listeners = list(self._listeners)
        for listener in listeners:
            self._hand(listener, None)

    def _hand(self, listener: Listener, event: str | None) -> None:
        try:
            listener.loop.call_soon_threadsafe(listener.offer, event)
        except RuntimeError:  # its loop has ended
            self.leave(listener)


def _concerns(data: Mapping[str, Any], site: str | None) -> bool:
    if site is None:
        return True
    if "sites" in data:
        return site in data["sites"]
    return bool(data.get("site", site) == site)


async def stream(feed: LiveFeed, site: str | None) -> AsyncIterator[str]:
    """The text of one event stream, until its page leaves, falls behind, or the feed closes."""
    listener = feed.listen(site)
    if listener is None:
        return
    try:
        yield f"retry: {_RETRY_MS}\nevent: hello\ndata: {{}}\n\n"
        while True:
            try:
                event = await asyncio.wait_for(listener.events.get(), HEARTBEAT_SECONDS)
            except TimeoutError:
                event = ": still here\n\n"
            if event is None:
                return
            yield event
    finally:
        feed.leave(listener)


router = APIRouter()


@router.get("/live", include_in_schema=False)
async def live(
    request: Request, site: Annotated[str | None, Query(pattern=f"^{bounds.NAME.pattern}$")] = None
) -> Response:
    feed: LiveFeed = request.app.state.context.live
    if feed.full():
        raise HTTPException(503, "as many pages listen as may; this one asks again later")
    return StreamingResponse(stream(feed, site), media_type="text/event-stream")
