"""The web application: what it is given, its safeguards, and its errors in the reader's language."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schoolbeat_server.web import (
    api,
    calendar_api,
    calendar_pages,
    compare_pages,
    evidence_api,
    inspections_api,
    issued_pages,
    live,
    metrics,
    minutes_page,
    pages,
    plan_pages,
    plans_api,
    quarantine_page,
    register_api,
    reports_api,
    school_page,
)
from schoolbeat_server.web.plan_book import PlanBook
from schoolbeat_server.web.server_view import WebContext

STATIC = Path(__file__).parent / "static"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def create_app(context: WebContext) -> FastAPI:
    """Host names other than loopback's are refused: a page elsewhere must not read ours through a name of its own."""
    app = FastAPI(
        title="SchoolBeat",
        version="1",
        summary="Sites, minutes, outages, incidents, notices and verdicts of a province's schools",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.context = context
    app.state.plan_book = PlanBook(context.engine, context.verdicts)
    app.include_router(api.router)
    app.include_router(calendar_api.router)
    app.include_router(plans_api.router)
    app.include_router(register_api.router)
    app.include_router(evidence_api.router)
    app.include_router(inspections_api.router)
    app.include_router(inspections_api.pages_router)
    app.include_router(reports_api.router)
    app.include_router(reports_api.pages_router)
    app.include_router(compare_pages.router)
    app.include_router(compare_pages.pages_router)
    app.include_router(metrics.router)
    app.include_router(live.router)
    app.include_router(pages.router)
    app.include_router(issued_pages.router)
    app.include_router(plan_pages.router)
    app.include_router(school_page.router)
    app.include_router(minutes_page.router)
    app.include_router(calendar_pages.router)
    app.include_router(quarantine_page.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _failed)
    app.add_middleware(_Headers)
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=6)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(context.hosts), www_redirect=False)
    return app


class _Headers:
    """Adds the safeguards to every answer, streams included."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", _cache(scope["path"]))
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


def _cache(path: str) -> str:
    return "no-cache" if path.startswith("/static/") else "no-store"


def _for_program(request: Request) -> bool:
    return request.url.path.startswith(("/api/", "/healthz", "/metrics", "/live"))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if _for_program(request):
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)
    page = pages.error_page(request, error.status_code, str(error.detail))
    page.headers.update(error.headers or {})
    return page


async def _invalid(request: Request, error: Exception) -> Response:
    """Names each parameter, what was given and what is wrong with it."""
    assert isinstance(error, RequestValidationError)
    if not _for_program(request):
        return pages.invalid_page(request, error.errors())
    problems = [
        f"{'.'.join(str(part) for part in one['loc'][1:])} = {str(one.get('input'))[:80]!r}: {one['msg']}"
        for one in error.errors()
    ]
    return JSONResponse({"detail": problems}, 422)


async def _failed(request: Request, _error: Exception) -> Response:
    """The error itself goes to the log by the server; a reader learns only that it was not their fault."""
    if _for_program(request):
        return JSONResponse({"detail": "the server failed; its log says why"}, 500)
    return pages.error_page(request, 500, "")
