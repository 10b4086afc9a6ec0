"""A web server of this machine, from which tests download."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

__all__ = ["address_of", "answering", "serving"]


@contextmanager
def answering(server: ThreadingHTTPServer) -> Iterator[None]:
    """The server answers, in a thread of its own."""
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address at which the files of a folder can be got, without a slash at its end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    with answering(server):
        yield address_of(server)


def address_of(server: ThreadingHTTPServer) -> str:
    """Without a slash at its end."""
    return f"http://127.0.0.1:{server.server_port}"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass
