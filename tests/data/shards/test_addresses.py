"""Addresses in files of others: few kinds are opened, nothing is run, and no file of this machine is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from disdepth_cli import check, pack
from disdepth_cli.data.files.pair import read_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.data.shards.address import SCHEMES, checked
from disdepth_cli.data.shards.cache import local_copy, read_remote
from disdepth_cli.errors import DataError

OPENED: list[str] = []


class Telltale(fsspec.AbstractFileSystem):
    """A file system as any installed package may bring one: that it was made is a fault."""

    protocol = "telltale"
    cachable = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        OPENED.append("telltale")


@pytest.fixture(autouse=True)
def online(tmp_path, monkeypatch) -> None:
    """A cache of this test's own, leave to ask the (local) network, and the telltale among fsspec's file systems."""
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("disdepth_cli.data.shards.cache.BACKOFF", 0.01)
    fsspec.register_implementation("telltale", Telltale, clobber=True)
    OPENED.clear()


@pytest.fixture
def packed(make_pairs, tmp_path) -> Path:
    """20 pairs as shards: two of train, one of val."""
    pack(data=make_pairs(20, size=(32, 48)), output=tmp_path / "shards", shard_count=9, workers=0)
    return tmp_path / "shards"


@pytest.fixture
def payload(tmp_path) -> tuple[str, Path]:
    """A chained address whose JSON holds a shell command as a template, and the file that the command would make."""
    made = tmp_path / "made"
    command = "{{ cycler.__init__.__globals__.os.popen('touch " + str(made) + "').read() }}"
    references = {"version": 1, "gen": [{"key": command, "url": "x", "dimensions": {"i": [0]}}], "refs": {}}
    (tmp_path / "references.json").write_text(json.dumps(references))
    return f"reference://x::file://{tmp_path / 'references.json'}", made


def name_in_index(folder: Path, *places: str) -> None:
    records = [{"url": place, "nsamples": 2, "labelled": 2} for place in places]
    (folder / "index.json").write_text(json.dumps({"wids_version": 1, "shardlist": records}))


def test_a_shard_index_runs_nothing(packed, payload) -> None:
    """The shell command ran with fsspec 2024.2 to 2026.4; later ones evaluate the template in a sandbox."""
    address, made = payload
    name_in_index(packed, address)
    for open_it in (load_source, lambda folder: check(data=str(folder))):
        with pytest.raises(DataError, match=r"shards: its index names reference://.*: joins addresses by `::`"):
            open_it(packed)
    assert not made.exists()


BAD = [
    ("telltale://x.tar", "telltale:// is not opened; addresses start with"),
    ("TELLTALE://x.tar", "TELLTALE:// is not opened"),
    ("telltale://x::http://host/x.tar", "joins addresses by `::`"),
    ("http://host/x::telltale://x.tar", "joins addresses by `::`"),
    ("simplecache::telltale://x.tar", "joins addresses by `::`"),
    ("reference://x.tar", "reference:// is not opened"),
    ("memory://x.tar", "memory:// is not opened"),
    ("ftp://host/x.tar", "ftp:// is not opened"),
    ("file://x.tar", "is not a whole path"),
]


@pytest.mark.parametrize(("address", "words"), BAD)
def test_addresses_that_are_never_opened(address, words, packed, tmp_path, serve_files) -> None:
    """In an index here or elsewhere, in data.yaml, and where somebody types them."""
    text = {"train": f"train: {address}\n", "unlabeled": f"train: shards\nunlabeled: [{address}]\n"}
    for key, lines in text.items():
        (tmp_path / "data.yaml").write_text(lines)
        with pytest.raises(DataError, match=rf"data\.yaml: {key}: .*{words}"):
            load_source(tmp_path / "data.yaml")
    with pytest.raises(DataError, match=words):
        load_source(address)
    name_in_index(packed, address)
    with pytest.raises(DataError, match=f"shards: its index names .*{words}"):
        load_source(packed)
    with serve_files(packed) as site, pytest.raises(DataError, match=f"{site.url}: its index names"):
        load_source(site.url)
    for ask in (read_remote, local_copy):
        if not address.startswith("file:"):
            with pytest.raises(DataError, match=words):
                ask(address)
    assert not OPENED


@pytest.mark.parametrize(
    "part", ["{telltale,http}://x.tar", "http://host/{:,x}:telltale://x.tar", "{telltale:,x}//x.tar"]
)
def test_braces_do_not_make_addresses_that_are_not_opened(part, tmp_path) -> None:
    (tmp_path / "data.yaml").write_text(f"train: '{part}'\n")
    with pytest.raises(DataError):
        load_source(tmp_path / "data.yaml")
    assert not OPENED


def test_an_index_from_elsewhere_names_no_file_of_this_machine(packed, tmp_path, serve_files) -> None:
    secret = packed / "train-000000.tar"
    site_folder = tmp_path / "www"
    site_folder.mkdir()
    with serve_files(site_folder) as site:
        for place in (f"file://{secret}", f"FILE://{secret}", f"file:{secret}"):
            name_in_index(site_folder, place)
            with pytest.raises(DataError, match=f"{site.url}: its index names .*may not name files of this machine"):
                load_source(site.url)
        for place in (str(secret), f"../../..{secret}", f"reference::{secret}"):
            name_in_index(site_folder, place)
            with pytest.raises(DataError, match="does not exist|joins addresses"):
                source = load_source(site.url)
                read_pair(source.train[0], source.coding)


def test_an_index_here_names_files_of_this_machine(packed, tmp_path) -> None:
    (tmp_path / "elsewhere").mkdir()
    shard = packed / "train-000000.tar"
    expected = read_pair(load_source(packed).train[3], 1000)
    for place in (f"file://{shard}", f"file://localhost{shard}", str(shard), "../shards/train-000000.tar"):
        name_in_index(tmp_path / "elsewhere", place)
        record = json.loads((tmp_path / "elsewhere" / "index.json").read_text())
        record["shardlist"][0] |= {"nsamples": 9, "labelled": 9}
        (tmp_path / "elsewhere" / "index.json").write_text(json.dumps(record))
        found = read_pair(load_source(tmp_path / "elsewhere").train[3], 1000)
        assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    assert not (tmp_path / "cache" / "shards").exists()  # nothing is copied


def test_file_addresses_that_somebody_types_are_paths(packed, tmp_path) -> None:
    (tmp_path / "data.yaml").write_text(f"train: file://{packed}/train-*.tar\nval: file://{packed}\n")
    source = load_source(tmp_path / "data.yaml")
    assert (len(source.train), len(source.val)) == (18, 2)
    for place in (f"file://{packed}", f"file://{packed}/index.json", f"file://{packed.parent}/set"):
        assert len(load_source(place).train) == 18


def test_the_name_in_an_index_becomes_no_path(packed, tmp_path, monkeypatch) -> None:
    """`check` calls its picture by it."""
    monkeypatch.chdir(tmp_path)
    index = json.loads((packed / "index.json").read_text())
    for name in ("../../evil", "/etc/evil", "evil\n\x1b[31m"):
        (packed / "index.json").write_text(json.dumps(index | {"name": name}))
        source = load_source(packed)
        assert "evil" in source.name and not set(source.name) & set("/\\\n\x1b")
        picture = check(data=str(packed), output=str(tmp_path / "out"))["picture"]
        assert Path(picture).resolve().parent == tmp_path / "out"


def test_addresses_in_lists_are_names_of_files(make_pairs, payload) -> None:
    """A list names files below the data set's folder, and nothing else is looked at."""
    folder = make_pairs(4)
    (folder / "train.txt").write_text(f"rgb/0000.png depth/0000.png\n{payload[0]} depth/0001.png\n")
    (folder / "data.yaml").write_text("train: train.txt\nval: train.txt\n")
    with pytest.raises(DataError, match=r"train\.txt:2: .*reference:/.* does not exist"):
        load_source(folder)
    assert not payload[1].exists()


def test_what_is_opened() -> None:
    for place in ("shards/a::b.tar", "/data/x.tar", "http://host/x.tar?signature=a", "hf://datasets/a/b/x.tar"):
        assert checked(place) == place
    assert {"http", "https", "s3", "gs", "hf"} <= SCHEMES and "file" not in SCHEMES


def test_a_row_from_the_hub_names_what_came_with_it(make_pairs, tmp_path, monkeypatch) -> None:
    """Which lies in the caches of downloads."""
    datasets = pytest.importorskip("datasets", reason="needs the extra hub-data")
    from datasets.arrow_writer import ArrowWriter

    cache = tmp_path / "hub" / "datasets"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", str(cache / "downloads"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    here = make_pairs(1) / "rgb" / "0000.png"
    downloaded = cache / "downloads" / "0000.png"
    downloaded.parent.mkdir(parents=True)
    downloaded.write_bytes(here.read_bytes())
    climbing = str(cache / "downloads" / ".." / ".." / ".." / here.relative_to(tmp_path))
    paths = [str(downloaded), str(here), climbing]
    kinds = datasets.Features({"image": datasets.Image()})
    split = {"name": "train", "num_bytes": 1, "num_examples": 3, "dataset_name": "name"}
    about = {"builder_name": "parquet", "dataset_name": "name", "config_name": "default", "version": "0.0.0"}
    built = cache / "owner___name" / "default" / "0.0.0" / ("0" * 40)
    built.mkdir(parents=True)
    (built / "dataset_info.json").write_text(
        json.dumps(about | {"features": kinds.to_dict(), "splits": {"train": split}})
    )
    with ArrowWriter(path=str(built / "name-train.arrow"), features=kinds) as writer:
        for path in paths:
            writer.write({"image": {"bytes": None, "path": path}})
        writer.finalize()
    (tmp_path / "data.yaml").write_text("format: hub\npath: owner/name\n")
    source = load_source(tmp_path / "data.yaml")
    first, *others = (*source.train, *source.val)
    assert read_pair(first, 1000)[0].shape == (48, 64, 3)
    for item in others:
        with pytest.raises(DataError, match=r"image/[12]: names .*0000\.png, which did not come with the data set"):
            read_pair(item, 1000)


def test_a_hub_data_set_is_a_folder_or_a_name(tmp_path, payload) -> None:
    pytest.importorskip("datasets", reason="needs the extra hub-data")
    for place in (payload[0], "telltale://x", "http://host/x", "../gone"):
        (tmp_path / "data.yaml").write_text(f"format: hub\npath: '{place}'\n")
        with pytest.raises(DataError, match="is neither a folder nor a data set on the Hub"):
            load_source(tmp_path / "data.yaml")
    assert not payload[1].exists() and not OPENED
