"""The server of the explorer: on this machine alone, for pages of its own origin."""

import asyncio
import errno
import logging
import socket
import threading
import webbrowser
from collections.abc import Callable
from typing import Any

import panel as pn
from tornado.websocket import WebSocketClosedError

from games.errors import InputError
from solver.explorer import parts
from solver.explorer.app import TITLE, Explorer
from solver.explorer.state import State
from solver.explorer.warm import Warm

ADDRESS = "127.0.0.1"


def serve(
    state: State,
    *,
    port: int = 0,
    browser: bool = True,
    ahead: bool = True,
    say: Callable[[str], None],
    ready: Callable[[str], None],
) -> None:
    """Show the explorer until it is interrupted.

    Args:
        state: where readers start.
        port: to listen at; 0 for any that is free.
        browser: whether to open the page in a browser.
        ahead: whether to compile mechanisms before they are asked for.
        say: called with what takes time before the page can be had.
        ready: called with the page's address.

    Raises:
        InputError: the port cannot be had.
    """
    port = _free(port)
    warm = Warm()
    say("compiling the market")
    warm.market(state)
    say(f"compiling {state.mechanism}")
    warm.mechanism(state, state.mechanism)
    pn.extension("vega", raw_css=[parts.page_style()])
    address = f"http://{ADDRESS}:{port}"
    server: Any = pn.serve(
        {"/": lambda: Explorer(state, warm).page()},
        title=TITLE,
        address=ADDRESS,
        port=port,
        # A page of another origin, whatever name it has for this machine, gets no connection.
        websocket_origin=[f"{ADDRESS}:{port}", f"localhost:{port}"],
        show=False,
        start=False,
        verbose=False,
    )
    server.io_loop.asyncio_loop.set_exception_handler(_unless_the_page_has_gone)
    logging.getLogger("bokeh").setLevel(logging.ERROR)
    if ahead:
        threading.Thread(target=warm.all_mechanisms, args=(state,), daemon=True).start()
    ready(address)
    if browser:
        webbrowser.open(address)
    server.run_until_shutdown()


def _unless_the_page_has_gone(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report what goes wrong in the loop, but not that a page was closed before its last message was sent."""
    if not isinstance(context.get("exception"), WebSocketClosedError):
        loop.default_exception_handler(context)


def _free(port: int) -> int:
    """The port itself, or one that is free for 0.

    Raises:
        InputError: the port cannot be had.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((ADDRESS, port))
            return int(probe.getsockname()[1])
    except OSError as error:
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
        raise InputError(f"--port {port}: {why}; give another, or 0 for any that is free") from None
