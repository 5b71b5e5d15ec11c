"""Bytes that lie in no file: at an address, and on standard input. At most so many are read, in at most so long."""

from __future__ import annotations

import os
import re
import sys
import time
from http.client import HTTPResponse
from pathlib import Path, PurePosixPath
from threading import Event
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from disdepth_cli import __version__
from disdepth_cli.errors import DataError
from disdepth_cli.reading import reading

MOST_BYTES = 128 * 2**20
SECONDS_SILENT = 15.0  # without a byte
SECONDS_WHOLE = 120.0
LONGEST_NAME = 100  # bytes
STDIN = "-"
_BLOCK = 2**16
_under_way: set[Event] = set()  # one a download, set to end it
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_ODD = re.compile(r"[^\w.\-]+")


def is_address(name: str) -> bool:
    """Whether it is the address of something on the web."""
    return _ADDRESS.match(name) is not None


def file_of_address(address: str) -> Path:
    """A path that results may be named after: the host and the last name of the address.

    Raises:
        DataError: it is no address.
    """
    with reading(address, "is not an address"):
        parts = urlsplit(address)
        host = parts.hostname or ""
    if not host:
        raise DataError(f"{address}: is not an address, for example https://HOST/image.jpg")
    name = _ODD.sub("_", PurePosixPath(unquote(parts.path)).name).strip(".")
    short = os.fsencode(name)[-LONGEST_NAME:].decode(errors="ignore").lstrip(".")
    return Path(_ODD.sub("_", host), short or "image")


def download(address: str) -> bytes:
    """What lies at an http or https address.

    Raises:
        DataError: it cannot be fetched, is too large, or takes too long.
    """
    with reading(address, "cannot be fetched"):
        request = Request(_in_ascii(address), headers={"User-Agent": f"disdepth/{__version__}"})
        try:
            with urlopen(request, timeout=SECONDS_SILENT) as answer:
                return _whole(answer, address)
        except HTTPError as error:
            error.close()
            raise DataError(f"{address}: cannot be fetched (HTTP {error.code} {error.reason})") from None
        except TimeoutError:
            raise _silent(address) from None
        except URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise _silent(address) from None
            why = error.reason.strerror if isinstance(error.reason, OSError) else None
            raise DataError(f"{address}: cannot be fetched ({why or error.reason})") from None


def _in_ascii(address: str) -> str:
    """The address as it is sent: browsers take other letters and spaces too."""
    parts = urlsplit(address)
    if not parts.netloc.isascii():
        port = f":{parts.port}" if parts.port else ""
        parts = parts._replace(netloc=(parts.hostname or "").encode("idna").decode() + port)
    path, query = quote(parts.path, safe="/%:@!$&'()*+,;=~"), quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    return urlunsplit(parts._replace(path=path, query=query, fragment=""))


def stop_downloads() -> None:
    """End those under way, which other threads wait for, with the next bytes that come."""
    for stop in tuple(_under_way):
        stop.set()


def _whole(answer: HTTPResponse, address: str) -> bytes:
    too_large = f"{address}: has more than {MOST_BYTES / 1e6:.0f} MB; save it as a file, and give that"
    if int(answer.headers.get("Content-Length") or 0) > MOST_BYTES:
        raise DataError(too_large)
    stop = Event()
    _under_way.add(stop)
    try:
        return _blocks(answer, address, too_large, stop)
    finally:
        _under_way.discard(stop)


def _blocks(answer: HTTPResponse, address: str, too_large: str, stop: Event) -> bytes:
    began, data = time.monotonic(), bytearray()
    while block := answer.read1(_BLOCK):
        data += block
        if len(data) > MOST_BYTES:
            raise DataError(too_large)
        if stop.is_set():
            raise DataError(f"{address}: cannot be fetched (stopped)")
        if time.monotonic() - began > SECONDS_WHOLE:
            raise DataError(f"{address}: cannot be fetched (it takes more than {SECONDS_WHOLE:g} s)")
    if answer.length:
        raise DataError(f"{address}: cannot be fetched (it ends {answer.length} bytes too early)")
    return bytes(data)


def _silent(address: str) -> DataError:
    return DataError(f"{address}: cannot be fetched (no answer for {SECONDS_SILENT:g} s)")


def read_stdin() -> bytes:
    """All of standard input.

    Raises:
        DataError: it is a terminal, or too much.
    """
    stream: BinaryIO = sys.stdin.buffer
    if stream.isatty():
        raise DataError("-: standard input is a terminal; send an image into it, as in - < image.jpg")
    with reading(STDIN, "standard input cannot be read"):
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise DataError(f"-: standard input has more than {MOST_BYTES / 1e6:.0f} MB; save it as a file, and give that")
    return data
