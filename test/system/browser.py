"""A real browser and a site of somebody else's, for tests: Chromium without a window, and a server
that hands out pages and hears what they tell.
"""

import http.server
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading

CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium"))), None)


class Browser:
    """A Chromium with one page, until the block ends; with files of its own. `names` are host names
    that lead it to 127.0.0.1, as a stranger's name server can make them; `places` are names with a
    port, and the port of 127.0.0.1 that they lead it to."""

    def __init__(self, url, names=(), places=()):
        self.url = url
        rules = [f"MAP {name} 127.0.0.1" for name in names]
        rules += [f"MAP {place} 127.0.0.1:{port}" for place, port in dict(places).items()]
        self.rules = ",".join(rules)

    def __enter__(self):
        self._files = tempfile.mkdtemp(prefix="st-page-", dir="/tmp")
        self._process = subprocess.Popen(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", f"--user-data-dir={self._files}", "--remote-debugging-port=0",
             *([f"--host-resolver-rules={self.rules}"] if self.rules else []), self.url],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        return self

    def __exit__(self, *_):
        os.killpg(self._process.pid, 9)
        self._process.wait()
        shutil.rmtree(self._files, ignore_errors=True)


class Site:
    """A site on a port of its own, until the block ends: `pages` by path, or `file(path)`, which
    gives (media type, bytes) or None; what a page posts to /told comes from `told()`."""

    def __init__(self, file=lambda path: None):
        self.pages, self.file = {}, file
        self._told = queue.Queue()

    def __enter__(self):
        site = self

        class Answers(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                found = site.find(self.path.partition("?")[0])
                if found is None:
                    self.send_error(404)
                    return
                kind, body = found
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):  # pylint: disable=invalid-name
                said = self.rfile.read(int(self.headers["Content-Length"]))
                site._told.put(json.loads(said))  # pylint: disable=protected-access
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.port = self._server.server_port
        self.origin = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def find(self, path):
        if path in self.pages:
            return "text/html; charset=utf-8", self.pages[path].encode()
        return self.file(path)

    def told(self, seconds):
        """What a page has told next, as a Python value."""
        try:
            return self._told.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"the page has told nothing in {seconds} s") from None
