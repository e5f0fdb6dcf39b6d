"""A page of another origin that shows the widget, under a strict policy and with hostile styles."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

EXAMPLES = Path(__file__).parents[2] / "examples"
SERVICE = "http://127.0.0.1:8000"  # in the example
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


class Host:
    """Serves the files of examples/, in which `service` takes the place of the example's address."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.service = SERVICE

    def file(self, name: str) -> bytes | None:
        """A file of the example; None if there is none of this name."""
        path = EXAMPLES / name
        return path.read_text("utf-8").replace(SERVICE, self.service).encode() if path.is_file() else None


@contextmanager
def hosting() -> Iterator[Host]:
    """A server on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            body = host.file(name)
            self.send_response(200 if body is not None else 204)
            self.send_header("Content-Type", f"{TYPES.get(Path(name).suffix, 'text/plain')}; charset=utf-8")
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host = Host(server)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
