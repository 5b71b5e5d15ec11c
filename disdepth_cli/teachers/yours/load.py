"""A network of one's own as a teacher: measured, held to what its description says, named by its content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from disdepth_cli.errors import TeacherError, first_line
from disdepth_cli.teachers.contract import Kind, ProbeResult, TeacherContract
from disdepth_cli.teachers.probe import ROOMS_FOCAL, probe, probe_size, settle_kind
from disdepth_cli.teachers.teacher import DepthTeacher, TeacherNetwork
from disdepth_cli.teachers.yours.description import TeacherDescription, as_description
from disdepth_cli.teachers.yours.find import find_own, worded
from disdepth_cli.teachers.yours.network import YourNetwork
from disdepth_cli.working_size import WorkingSize

STATE_IT = 'state it in its description: kind="metric_depth", "disparity" or "relative_depth"'


def load_your_teacher(name: str, named: bool = True) -> DepthTeacher:
    """The teacher of FILE.py:FUNCTION, of an object that was given, or of an installed package.

    named: the user named it now; False: a run folder did.

    Raises:
        TeacherError: it cannot be found, fails, or its numbers are not what its description says.
    """
    found = find_own(name, named)
    asked = as_description(found.given, found.label)
    identity = asked.name or found.label
    with worded(identity), torch.random.fork_rng(devices=[]):
        network = YourNetwork(asked, identity)
        network.float().eval()
        size = _working_size(asked)
        look = size.padded(*asked.size) if asked.fixed else probe_size(size, asked.multiple)
        seen = probe(network, look, identity, asked.mean, asked.std, *_focal(asked, look))
        _check_another_size(network, asked, look, identity)
    kind = _settled(identity, asked, seen)
    network.kind = kind
    return DepthTeacher(network, _contract(identity, asked, network, kind, seen, size, found.code))


def _working_size(asked: TeacherDescription) -> WorkingSize:
    rule = "stretch" if asked.fixed else asked.resize
    return WorkingSize(*asked.size, multiple=1 if asked.fixed else asked.multiple, scale_rule=rule, pad=False)


def _focal(asked: TeacherDescription, size: tuple[int, int]) -> tuple[Tensor, ...]:
    """The test room's focal length at a size [pixels], for a network that asks for it."""
    return (torch.tensor([ROOMS_FOCAL * size[1]]),) if asked.focal else ()


def _check_another_size(network: YourNetwork, asked: TeacherDescription, size: tuple[int, int], name: str) -> None:
    """A network that is not fixed takes another size too, and several images at once.

    Raises:
        TeacherError: it does not.
    """
    height, width = size if asked.fixed else (size[1] // asked.multiple * asked.multiple, size[0])
    image = torch.zeros(2, 3, height, width)
    try:
        with torch.no_grad():
            network(image, *(focal.expand(2) for focal in _focal(asked, (height, width))))
    except Exception as error:
        known = f"takes 1x{size[0]}x{size[1]} pixels, but not 2x{height}x{width}"
        advice = "" if asked.fixed else "; give it fixed=True, or the multiple that it needs"
        raise TeacherError(f"{name}: {known} ({type(error).__name__}: {first_line(error)}){advice}") from error


def _settled(name: str, asked: TeacherDescription, seen: ProbeResult) -> Kind:
    """The kind that is described, or what the test room tells.

    Raises:
        TeacherError: the two contradict each other, neither tells, or there is no depth.
    """
    if seen.median is None:
        if asked.kind not in ("none", None):
            raise TeacherError(f"{name}: its description says {asked.kind}, but it gives no depth")
        return "none"
    if asked.kind == "none":
        return "none"
    return settle_kind(name, asked.kind, asked.max_depth, seen, STATE_IT, "description")


def _contract(
    name: str,
    asked: TeacherDescription,
    network: YourNetwork,
    kind: Kind,
    seen: ProbeResult,
    size: WorkingSize,
    code: Path | None,
) -> TeacherContract:
    metric = kind == "metric_depth"
    return TeacherContract(
        id=name,
        family="yours",
        model_type=type(asked.network).__name__,
        kind=kind,
        unit="m" if metric else "none",
        max_depth=asked.max_depth if metric else None,
        size_multiple=1 if asked.fixed else asked.multiple,
        mean=_three(asked.mean),
        std=_three(asked.std),
        working_size=size,
        taps=network.tap_names(len(seen.spec)),
        spec=seen.spec,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        licence=asked.licence,
        revision=asked.revision,
        fingerprint=_fingerprint(network, [*([code] if code else []), *map(Path, asked.files)], name),
        fixed_size=asked.size if asked.fixed else None,
        probe=seen if kind != "none" else None,
        weight_bytes=sum(value.numel() * value.element_size() for value in network.state_dict().values()),
        sees="whole" if asked.fixed or asked.whole else "view",
        needs_focal=asked.focal,
        depth_alone=network.depth_alone,
    )


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _fingerprint(network: TeacherNetwork, files: Sequence[Path], name: str) -> str:
    """First 16 hex digits of the SHA-256 over the weights, by their names, and the files' contents.

    Raises:
        TeacherError: a file is not there.
    """
    digest = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    for file in files:
        try:
            digest.update(file.expanduser().read_bytes())
        except OSError as error:
            raise TeacherError(f"{name}: {file} cannot be read ({error.strerror or error})") from None
    return digest.hexdigest()[:16]
