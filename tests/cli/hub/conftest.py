"""A small Hugging Face Hub on 127.0.0.1: enough of its API to take a commit and to serve the files again."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub.constants
import pytest
import yaml

TOKEN = "hf_token_of_the_tests"
ACCOUNT = {"name": "someone", "orgs": [{"name": "robots"}], "auth": {"accessToken": {"role": "write"}}}


@dataclass
class Repository:
    """Branches by name, commits by hash; a commit is its files."""

    private: bool
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        commit = self.branches.get(revision, revision)
        return (commit, self.commits[commit]) if commit in self.commits else None

    def add(self, branch: str, files: dict[str, bytes]) -> str:
        digest = hashlib.sha1(f"{branch}{len(self.commits)}".encode())
        for name, content in sorted(files.items()):
            digest.update(name.encode() + content)
        self.commits[digest.hexdigest()] = files
        self.branches[branch] = digest.hexdigest()
        return digest.hexdigest()


class StubHub:
    """What the Hub knows, what it was asked, and how it shall fail: `failures` are (part of `METHOD /path`, status)."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.failures: dict[str, int] = {}
        self.account: dict[str, Any] = dict(ACCOUNT)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def publish(self, repo_id: str, files: dict[str, bytes]) -> Repository:
        """A repository with these files on its main branch."""
        self.repositories[repo_id] = Repository(private=False)
        self.repositories[repo_id].add("main", files)
        return self.repositories[repo_id]

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        found = self.repositories[repo_id].at(revision)
        assert found is not None
        return found[1]


class _Handler(BaseHTTPRequestHandler):
    hub: StubHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        asked = f"{self.command} {path}"
        self.hub.requests.append(asked)
        for part, status in self.hub.failures.items():
            if part in asked:
                return self._answer(status, {"error": "refused by the test"})
        for pattern, method in ROUTES:
            match = re.fullmatch(pattern, asked)
            if match:
                if method not in PUBLIC and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    return self._answer(401, {"error": "no token"})
                return getattr(self, method)(*match.groups(), body=body)
        self._answer(404, {"error": "no such place"}, {"X-Error-Code": "RepoNotFound"})

    do_GET = do_POST = do_PUT = do_HEAD = _serve

    def _answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _at(self, repo_id: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit; None after a 404 was answered."""
        repository = self.hub.repositories.get(repo_id)
        found = repository.at(revision) if repository else None
        if found is None:
            code = "RevisionNotFound" if repository else "RepoNotFound"
            self._answer(404, {"error": "not found"}, {"X-Error-Code": code})
        return found

    def whoami(self, body: bytes) -> None:
        self._answer(200, self.hub.account)

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        repo_id = f"{asked['organization']}/{asked['name']}"
        if repo_id in self.hub.repositories:
            return self._answer(409, {"error": "exists", "url": f"{self.hub.url}/{repo_id}"})
        self.hub.repositories[repo_id] = Repository(asked.get("visibility") == "private" or asked.get("private", False))
        self.hub.repositories[repo_id].add("main", {".gitattributes": b"*.safetensors filter=lfs\n"})
        self._answer(200, {"url": f"{self.hub.url}/{repo_id}"})

    def branch(self, repo_id: str, name: str, body: bytes) -> None:
        branches = self.hub.repositories[repo_id].branches
        if name in branches:
            return self._answer(409, {"error": "exists"})
        branches[name] = branches["main"]
        self._answer(200, {})

    def validate(self, body: bytes) -> None:
        front = json.loads(body)["content"].split("---\n")[1]
        good = isinstance(yaml.safe_load(front), dict)
        self._answer(200 if good else 400, {"errors": [] if good else [{"message": "no mapping"}], "warnings": []})

    def preupload(self, repo_id: str, revision: str, body: bytes) -> None:
        modes = [
            {"path": file["path"], "uploadMode": "lfs" if large(file["path"]) else "regular", "shouldIgnore": False}
            for file in json.loads(body)["files"]
        ]
        self._answer(200, {"files": modes})

    def batch(self, repo_id: str, body: bytes) -> None:
        objects = []
        for one in json.loads(body)["objects"]:
            place = f"{self.hub.url}/objects/{one['oid']}"
            wanted = {"upload": {"href": place}, "verify": {"href": f"{self.hub.url}/verify"}}
            objects.append({**one, **({} if one["oid"] in self.hub.objects else {"actions": wanted})})
        self._answer(200, {"transfer": "basic", "objects": objects})

    def upload(self, oid: str, body: bytes) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            return self._answer(422, {"error": "not what was announced"})
        self.hub.objects[oid] = body
        self._answer(200, {})

    def verify(self, body: bytes) -> None:
        self._answer(200 if json.loads(body)["oid"] in self.hub.objects else 404, {})

    def commit(self, repo_id: str, branch: str, body: bytes) -> None:
        found = self._at(repo_id, branch)
        if found is None:
            return
        files = dict(found[1])
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
        commit = self.hub.repositories[repo_id].add(branch, files)
        self._answer(200, {"commitUrl": f"{self.hub.url}/{repo_id}/commit/{commit}", "commitOid": commit})

    def info(self, repo_id: str, _: str | None, revision: str | None, body: bytes) -> None:
        found = self._at(repo_id, revision or "main")
        if found is not None:
            siblings = [{"rfilename": name} for name in found[1]]
            self._answer(200, {"id": repo_id, "sha": found[0], "siblings": siblings, "tags": [], "downloads": 0})

    def tree(self, repo_id: str, revision: str, body: bytes) -> None:
        found = self._at(repo_id, revision)
        if found is None:
            return
        entries = []
        for name, content in found[1].items():
            entry = {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
            if large(name):
                digest = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
            entries.append(entry)
        self._answer(200, entries)

    def resolve(self, repo_id: str, revision: str, name: str, body: bytes) -> None:
        found = self._at(repo_id, revision)
        if found is None:
            return
        if name not in found[1]:
            return self._answer(404, {}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": found[0]})
        content = found[1][name]
        tag = hashlib.sha256(content).hexdigest()
        self._answer(200, content, {"ETag": f'"{tag}"', "X-Repo-Commit": found[0]})


def large(name: str) -> bool:
    return name.endswith((".safetensors", ".png"))


ID, REVISION = r"([\w.-]+/[\w.-]+)", r"([\w./-]+)"
ROUTES = (
    ("GET /api/whoami-v2", "whoami"),
    ("POST /api/repos/create", "create"),
    ("POST /api/validate-yaml", "validate"),
    (f"POST /api/models/{ID}/branch/{REVISION}", "branch"),
    (f"POST /api/models/{ID}/preupload/{REVISION}", "preupload"),
    (f"POST /{ID}.git/info/lfs/objects/batch", "batch"),
    (r"PUT /objects/(\w+)", "upload"),
    ("POST /verify", "verify"),
    (f"POST /api/models/{ID}/commit/{REVISION}", "commit"),
    (f"GET /api/models/{ID}(/revision/{REVISION})?", "info"),
    (f"GET /api/models/{ID}/tree/{REVISION}", "tree"),
    (rf"(?:GET|HEAD) /{ID}/resolve/([\w-]+)/(.+)", "resolve"),
)
PUBLIC = {"info", "tree", "resolve", "upload", "validate"}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The stub in the Hub's place, for this process; its cache is empty and the token is known."""
    stub = StubHub()
    threading.Thread(target=stub.server.serve_forever, daemon=True).start()
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", stub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", stub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    yield stub
    stub.server.shutdown()
    stub.server.server_close()


@pytest.fixture
def hub_environment(hub, tmp_path):
    """The same for a process of its own."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": TOKEN,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
    }
