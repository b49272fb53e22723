"""A hub on this machine, and folders as users have them."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from ftlab.config.folder import CONF_DIR
from ftlab.config.release import COMPOSING

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 4096,
    "max_position_embeddings": 512,
    "rope_theta": 10000.0,
    "torch_dtype": "bfloat16",
    "transformers_version": "5.0.0",
}

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the hub has, and what it was asked.

    Attributes:
        url: Its address.
        repos: Files of each model by name: text, or an error's code for the whole model.
        asked: Methods and paths, in order.
    """

    url: str = ""
    repos: dict[str, dict[str, str] | str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        """Answers as the hub does, as far as its client looks: huggingface_hub/utils/_http.py reads these headers."""
        api = path.startswith("/api/")
        words = path.removeprefix("/api/models").split("?")[0].strip("/").split("/")
        if len(words) < 4:  # the library asks for more than files
            return 404, {}, b""
        self.asked.append(f"{method} {path}")
        repo, kind, revision, name = "/".join(words[:2]), words[2], words[3], "/".join(words[4:])
        files = self.repos.get(repo, "RepoNotFound")
        if isinstance(files, str):
            status = 403 if files == "GatedRepo" else 404 if files.endswith("NotFound") else 503
            return status, {"X-Error-Code": files, "X-Error-Message": files}, b""
        if revision not in ("main", COMMIT):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        if api and kind == "tree":
            tree = [{"type": "file", "path": file, "size": 1, "oid": "1"} for file in files]
            return 200, {"Content-Type": "application/json"}, json.dumps(tree).encode()
        if name not in files:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b""
        body = files[name].encode()
        etag = hashlib.sha256(body).hexdigest()
        return 200, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Content-Type": "text/plain"}, body


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A server that imitates the hub's endpoints for files, on a free port of this machine."""
    own = Hub()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            status, headers, body = own.answer(self.command, self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_GET = do_HEAD = _answer

        def log_message(self, *words: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        own.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield own
        server.shutdown()
        thread.join()


@pytest.fixture
def here(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The hub as this process sees it, with an empty cache, from an empty folder."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return hub


@pytest.fixture
def llama() -> dict[str, Any]:
    """A config.json as models have it."""
    return dict(LLAMA)


@pytest.fixture
def composed() -> Callable[..., DictConfig]:
    """Composes as Hydra does by itself: without our messages and without the download."""

    def make(*overrides: str) -> DictConfig:
        with initialize_config_dir(config_dir=str(CONF_DIR), **COMPOSING):
            return compose("config", overrides=list(overrides))

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder that holds a config.json, with further files, below the folder that `here` starts from."""

    def make(name: str = "m", config: Any = LLAMA, **files: str) -> Path:
        place = tmp_path / "here" / name
        place.mkdir(parents=True)
        if config is not None:
            (place / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
        for file, text in files.items():
            (place / file).write_text(text)
        return place

    return make
