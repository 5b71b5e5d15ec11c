"""A tiny Hub on 127.0.0.1 that serves folders as model repositories, and remembers every request.

It speaks as much of the Hub's API as its client needs to look at a model and fetch it: model info, tree, and files by
HEAD and GET, ranges included. Weights (*.safetensors) are told as the Hub tells large files, with their SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class HubStub:
    """repos: Hub id -> folder. requests: `METHOD path` of every request; sent: bytes sent per file name, by GET."""

    repos: dict[str, Path]
    commit: str = COMMIT
    url: str = ""
    requests: list[str] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)

    def env(self, cache: Path) -> dict[str, str]:
        """Environment under which a process of its own asks this Hub, with a cache of its own."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(cache),
            "HF_HUB_CACHE": str(cache / "hub"),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
        }

    @property
    def weight_bytes_sent(self) -> int:
        """Bytes of weights that went over the wire."""
        return sum(count for name, count in self.sent.items() if name.endswith(".safetensors"))


@contextmanager
def serve_hub(repos: dict[str, Path]) -> Iterator[HubStub]:
    """Serve `repos` (Hub id -> folder) on a free port of 127.0.0.1 until the block ends."""
    stub = HubStub(dict(repos))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"stub": stub}))
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    stub: HubStub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.stub.requests.append(f"{self.command} {path}")
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            self._describe(found[1], found[2], found[3] or "main")
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(found[1], found[2], found[3])
        else:
            self._refuse(404, "EntryNotFound")

    def _describe(self, repo: str, what: str | None, revision: str) -> None:
        if (problem := self._problem(repo, revision)) is not None:
            self._refuse(404 if problem == "RevisionNotFound" else 401, problem)
            return
        files = [_entry(file, self.stub.repos[repo]) for file in _files(self.stub.repos[repo])]
        if what == "tree":
            self._json([{"type": "file", "path": name, **entry} for name, entry in files])
            return
        siblings = [
            {"rfilename": name, "size": entry["size"], "blobId": entry["oid"], "lfs": _lfs(entry)}
            for name, entry in files
        ]
        self._json({"id": repo, "modelId": repo, "sha": self.stub.commit, "private": False, "siblings": siblings})

    def _file(self, repo: str, revision: str, name: str) -> None:
        problem = self._problem(repo, revision)
        file = self.stub.repos.get(repo, Path()) / name
        if problem is not None or not file.is_file():
            self._refuse(404, problem or "EntryNotFound")
            return
        content = file.read_bytes()
        start = int(found[1]) if (found := re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))) else 0
        body = content[start:]
        _, entry = _entry(file, self.stub.repos[repo])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("X-Repo-Commit", self.stub.commit)
        self.send_header("ETag", f'"{entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]}"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
            self.stub.sent[name] = self.stub.sent.get(name, 0) + len(body)

    def _problem(self, repo: str, revision: str) -> str | None:
        if repo not in self.stub.repos:
            return "RepoNotFound"
        return None if revision in ("main", self.stub.commit) else "RevisionNotFound"

    def _json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _entry(file: Path, folder: Path) -> tuple[str, dict[str, Any]]:
    """Name and description of a file, as the Hub's tree tells them."""
    content = file.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry: dict[str, Any] = {"size": len(content), "oid": blob}
    if file.suffix == ".safetensors":
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return file.relative_to(folder).as_posix(), entry


def _lfs(entry: dict[str, Any]) -> dict[str, Any] | None:
    if "lfs" not in entry:
        return None
    return {"sha256": entry["lfs"]["oid"], "size": entry["size"], "pointerSize": 134}
