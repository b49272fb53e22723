"""The blind test as a local web page: `create_app` and `serve`.

In: `Sheet`s and a `RatingStore`. Out: pages and kept votes. The server listens on this machine only. It answers
requests that name it by a loopback name (others come by way of a name that was bent to this machine), takes votes only
from its own pages (same origin, and the form token that stands in the page), and knows each rater by a link that can't
be guessed. Nothing here knows whose an answer is.
"""

import hmac
import json
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ftlab.evaluation.blind.guard import HEADERS, Guard
from ftlab.evaluation.blind.rating_page import PACKAGE, render_sheet, script, style, vote_of
from ftlab.evaluation.blind.sheet import Sheet, read_rating, stray_problems
from ftlab.evaluation.blind.store import Rater, RatingStore
from ftlab.evaluation.blind.words import Language
from ftlab.problem import InputError, Problem
from ftlab.report.page import render_page

HOST = "127.0.0.1"

_MOST_BODY_BYTES = 200_000
"""A vote with the longest comment is about a third of it."""

_NOW = "1970-01-01T00:00:00+00:00"
"""Stands in for a vote's time until the store sets it."""


def rater_links(raters: Sequence[Rater], port: int) -> dict[str, str]:
    """Returns each rater's link by name.

    Args:
        raters: Who may vote.
        port: Where the server listens.
    """
    return {rater.name: f"http://{HOST}:{port}/rate/{rater.token}" for rater in raters}


def create_app(
    sheets: Callable[[str], Sheet], raters: Sequence[Rater], store: RatingStore, *, language: Language = "en"
) -> Starlette:
    """Makes the web application.

    Args:
        sheets: Gives a rater's sheet by name.
        raters: Who may vote, from `RatingStore.raters`.
        store: Where votes are kept.
        language: In which language pages begin.

    Returns:
        An ASGI application.
    """
    pages = _Pages(sheets, {rater.token: rater for rater in raters}, store, language)
    files = {"rate.css": (style(), "text/css"), "rate.js": (script(), "text/javascript")}

    async def static(request: Request) -> Response:
        content, kind = files.get(request.path_params["name"], ("", ""))
        if not kind:
            raise HTTPException(404)
        return Response(content, media_type=kind)

    return Starlette(
        routes=[
            Route("/rate/{token}", pages.page),
            Route("/rate/{token}/vote", pages.vote, methods=["POST"]),
            Route("/rate/{token}/undo", pages.undo, methods=["POST"]),
            Route("/static/{name}", static),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={HTTPException: _refused, InputError: _unusable, Exception: _failed},
    )


def check_port(port: int) -> None:
    """Says that a port can't be used, before anything else is done.

    Args:
        port: Where `serve` shall listen later.

    Raises:
        InputError: The port is taken, or not allowed.
    """
    _listen(port).close()


def serve(app: Starlette, port: int, on_ready: Callable[[int], None]) -> None:
    """Serves until Ctrl-C, on this machine only.

    Args:
        app: What `create_app` made.
        port: Where to listen; 0 takes any free one.
        on_ready: Called with the port once it is taken, to say the links.

    Raises:
        InputError: The port is taken, or not allowed.
    """
    with _listen(port) as listener:
        on_ready(listener.getsockname()[1])
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,  # Its lines would hold the raters' links.
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=2,
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


class _Pages:
    """What a rater's browser asks for."""

    def __init__(
        self, sheets: Callable[[str], Sheet], raters: dict[str, Rater], store: RatingStore, language: Language
    ) -> None:
        self.sheets = sheets
        self.raters = raters
        self.store = store
        self.language = language

    def page(self, request: Request) -> Response:
        """The page with all questions, and what was said of them so far."""
        rater = self._rater(request)
        sheet = self.sheets(rater.name)
        votes = self.store.of(sheet.test, rater.name)
        page = render_sheet(sheet, votes, language=self.language, form=rater.form)
        return HTMLResponse(page.encode("utf-8", "backslashreplace"))

    async def vote(self, request: Request) -> Response:
        """Keeps a vote."""
        rater, body = await self._form(request)
        return await run_in_threadpool(self._vote, rater, body)

    async def undo(self, request: Request) -> Response:
        """Takes the last vote back."""
        rater, _ = await self._form(request)
        return await run_in_threadpool(self._undo, rater)

    def _vote(self, rater: Rater, body: dict[str, Any]) -> Response:
        sheet = self.sheets(rater.name)
        try:
            vote = read_rating(body | {"rater": rater.name, "at": _NOW}, "the vote", sheet.criteria)
        except InputError as error:
            raise HTTPException(400, str(error)) from None
        for problem in stray_problems(vote, test=sheet.test, items={item.id for item in sheet.items}, where="the vote"):
            raise HTTPException(400, str(problem))
        self.store.put_now(vote)
        return JSONResponse({"done": len(self.store.of(sheet.test, rater.name))})

    def _undo(self, rater: Rater) -> Response:
        test = self.sheets(rater.name).test
        item = self.store.undo(test, rater.name)
        standing = self.store.of(test, rater.name).get(item) if item else None
        return JSONResponse({"item": item, "vote": vote_of(standing) if standing else None})

    def _rater(self, request: Request) -> Rater:
        rater = self.raters.get(request.path_params["token"])
        if rater is None:
            raise HTTPException(404)
        return rater

    async def _form(self, request: Request) -> tuple[Rater, dict[str, Any]]:
        """Reads what a page sent, if it was one of ours."""
        rater = self._rater(request)
        given = request.headers.get("x-form-token", "")
        if not hmac.compare_digest(given.encode(), rater.form.encode()):
            raise HTTPException(403, "the page is out of date: load it again")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise HTTPException(415, "a vote must be JSON")
        content = bytearray()
        async for part in request.stream():
            content += part
            if len(content) > _MOST_BODY_BYTES:
                raise HTTPException(413, f"a vote must have at most {_MOST_BODY_BYTES:,} bytes")
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise HTTPException(400, "a vote must be a JSON object")
        return rater, body


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if request.method == "POST":
        return JSONResponse({"message": error.detail}, status_code=error.status_code)
    return _note(
        error.status_code,
        "This link isn't known",
        "Open the link that you were given, all of it. The terminal that serves this page shows the links.",
        "链接无效。请打开发给您的完整链接；运行服务的终端会显示这些链接。",
    )


def _unusable(request: Request, error: Exception) -> Response:
    """The store or the test can't be used: the page says so, and keeps what was typed."""
    if request.method == "POST":
        return JSONResponse({"message": str(error)}, status_code=503)
    return _note(503, "The test can't be shown", str(error), "无法显示测试。")


def _note(status: int, title: str, text: str, text_zh: str) -> Response:
    page = render_page("note.html", package=PACKAGE, title=title, text=text, text_zh=text_zh)
    return HTMLResponse(page, status_code=status)


def _failed(request: Request, error: Exception) -> Response:
    """Starlette calls this outside of `Guard`, and raises the error again for the log."""
    return JSONResponse({"message": "the server failed: its terminal says why"}, status_code=500, headers=HEADERS)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # Elsewhere it would let two programs listen at once.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        what = f"must be a free port, but {port} can't be used: {error.strerror}."
        fix = "Set compare.port=0 for any free one, or another of 1024 to 65535."
        raise InputError([Problem("compare.port", what, fix)]) from None
    return listener
