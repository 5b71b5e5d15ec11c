"""The files that describe a student on the Hub: README.md (the model card) and config.json. No paths, no times."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from disdepth_cli.checkpoint.locate import CARD, CONFIG, STUDENT
from disdepth_cli.checkpoint.metadata import CheckpointMetadata, TeacherRecord
from disdepth_cli.hub.fetch import is_hub_id
from disdepth_cli.hub.licences import Licence
from disdepth_cli.outputs.card.escape import code, fenced, plain
from disdepth_cli.outputs.card.text import BODY, KINDS, LIMITS, METRIC_NAMES, PICTURES, PictureKind

LIBRARY, TASK = "disdepth", "depth-estimation"
PICTURE = "depth.png"
FILES = (STUDENT, CONFIG, CARD, PICTURE)
"""What a push sends; the picture only where there is one."""


@dataclass(frozen=True)
class CardFacts:
    """All that the card says. Depths in metres where `metadata.output_kind` is metric_depth.

    repo_id, branch: where the card will stand; parameters: of the student; data: the name of the training data, None
    where it is not known; scored_against: what stood for the truth, None where it is not known; control: the
    control's metrics; backbone_licence: what timm states of the weights that the backbone started from.
    """

    repo_id: str
    metadata: CheckpointMetadata
    parameters: int
    licence: Licence
    branch: str | None = None
    data: str | None = None
    scored_against: str | None = None
    control: dict[str, float] = field(default_factory=dict)
    backbone_licence: str | None = None
    picture: PictureKind | None = None

    @property
    def teachers(self) -> list[TeacherRecord]:
        """The teachers, the first one first; none for a control."""
        return [self.metadata.teacher] if self.metadata.teacher else []


def model_card(facts: CardFacts) -> str:
    """README.md: the Hub's front matter and the text for people."""
    return str(ModelCard(f"---\n{_front_matter(facts).to_yaml()}\n---\n\n{_body(facts)}"))


def model_config(facts: CardFacts) -> str:
    """config.json: what the file's own header says, for those who look at a repository without opening weights."""
    metadata = facts.metadata
    hidden: Any = {"recipe": True, "metrics": True, "protocol": True, "kind": True}
    hidden |= {"teacher": {"channels", "reductions"}}
    content = metadata.model_dump(mode="json", exclude=hidden, exclude_none=True)
    content = {
        "library_name": LIBRARY,
        "architectures": ["DepthStudent"],
        "pipeline_tag": TASK,
        "unit": KINDS[metadata.output_kind].unit,
        "parameters": facts.parameters,
        **content,
    }
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def hub_id(teacher: TeacherRecord) -> str | None:
    """The repository a teacher came from; None for a local folder or a local weights file."""
    if is_hub_id(teacher.id):
        return teacher.id
    if teacher.id.startswith("timm:") and teacher.revision:
        import timm

        settings = timm.models.get_pretrained_cfg(teacher.id.removeprefix("timm:"))
        return getattr(settings, "hf_hub_id", None)
    return None


def _front_matter(facts: CardFacts) -> ModelCardData:
    metadata = facts.metadata
    bases = [base for teacher in facts.teachers if (base := hub_id(teacher))]
    results = _eval_results(facts)
    tags = [TASK, "monocular-depth-estimation", LIBRARY, metadata.output_kind.replace("_", "-"), metadata.backbone]
    return ModelCardData(
        library_name=LIBRARY,
        pipeline_tag=TASK,
        license=facts.licence.id,
        license_name=facts.licence.name,
        base_model=bases[0] if len(bases) == 1 else bases or None,
        tags=tags + (["knowledge-distillation"] if facts.teachers else []),
        model_name=facts.repo_id.split("/")[1] if results else None,
        eval_results=results or None,
    )


def _eval_results(facts: CardFacts) -> list[EvalResult]:
    """The metrics as the Hub indexes them; only what was measured against ground truth on data with a name."""
    protocol = facts.metadata.protocol
    if facts.scored_against != "ground truth" or facts.data is None or protocol is None:
        return []
    return [
        EvalResult(
            task_type=TASK,
            task_name="Monocular Depth Estimation",
            dataset_type=re.sub(r"[^\w.-]+", "-", facts.data).lower(),
            dataset_name=facts.data,
            dataset_split="val",
            dataset_args={"protocol": protocol["name"], "align": protocol["align"]},
            metric_type=name,
            metric_name=METRIC_NAMES.get(name, name),
            metric_value=round(value, 4),
        )
        for name, value in facts.metadata.metrics.items()
    ]


def _body(facts: CardFacts) -> str:
    metadata = facts.metadata
    kind = KINDS[metadata.output_kind]
    size = metadata.working_size
    revision = f', revision="{facts.branch}"' if facts.branch else ""
    return BODY.format(
        name=facts.repo_id.split("/")[1],
        repo=facts.repo_id,
        revision=revision,
        option=f" --revision {facts.branch}" if facts.branch else "",
        origin=_origin(facts),
        picture=PICTURES[facts.picture].format(file=PICTURE) if facts.picture else PICTURES["none"],
        backbone=plain(metadata.backbone),
        parameters=f"{facts.parameters / 1e6:.2f} M",
        size=f"{size['height']} x {size['width']}",
        what=kind.what,
        unit=kind.unit,
        file_unit=kind.file_unit,
        range=kind.range.format(low=metadata.min_depth, high=metadata.max_depth),
        teacher=_teacher_section(facts),
        licence=_licence_section(facts),
        data=_data_section(facts),
        metrics=_metrics_section(facts),
        recipe=_recipe(metadata),
        limits="\n".join(f"- {limit}" for limit in [*LIMITS, *kind.limits, *_own_card(metadata)]),
        version=plain(metadata.versions.get("disdepth", "unknown")),
    )


def _origin(facts: CardFacts) -> str:
    if not facts.teachers:
        return "trained from ground truth alone, without a teacher (a control),"
    return "distilled from " + " and ".join(_linked(teacher) for teacher in facts.teachers)


def _linked(teacher: TeacherRecord) -> str:
    repo = hub_id(teacher)
    return f"[{plain(teacher.id)}](https://huggingface.co/{repo})" if repo else code(teacher.id)


def _teacher_section(facts: CardFacts) -> str:
    if not facts.teachers:
        return "None: this student is a control, trained from ground truth alone."
    rows = [
        (
            _linked(teacher),
            plain(teacher.kind.replace("_", " ")),
            code(teacher.revision) if teacher.revision else "local files",
            plain(teacher.licence) if teacher.licence else "**not stated**",
            code(teacher.fingerprint),
        )
        for teacher in facts.teachers
    ]
    return _table(("teacher", "gives", "revision", "licence", "weights (SHA-256, first 16)"), rows)


def _licence_section(facts: CardFacts) -> str:
    licence = facts.licence
    shown = licence.name or licence.id
    lines = [f"**{plain(shown)}**. {plain(licence.reason)}"]
    lines += [f"> **Warning.** {plain(warning)}" for warning in licence.warnings]
    return "\n\n".join(lines)


def _data_section(facts: CardFacts) -> str:
    known = code(facts.data) if facts.data else "not stated by whoever published this student"
    lines = [f"Training data: {known}. Its licence and terms are its own."]
    if facts.metadata.recipe.get("init"):
        lines.append(f"It started from the student {code(facts.metadata.recipe['init'])}.")
    if facts.metadata.recipe.get("student_weights"):
        lines.append("The backbone started from weights that whoever trained it gave as a file.")
    elif facts.metadata.recipe.get("pretrained"):
        stated = f"timm states {plain(facts.backbone_licence)}" if facts.backbone_licence else "timm states no licence"
        lines.append(f"The backbone started from timm's pretrained {code(facts.metadata.backbone)} ({stated}).")
    return " ".join(lines)


def _metrics_section(facts: CardFacts) -> str:
    metadata, protocol = facts.metadata, facts.metadata.protocol
    if not metadata.metrics or protocol is None:
        return "None are stored in this student."
    columns = {"student": metadata.metrics} | ({"control": facts.control} if facts.control else {})
    rows = [
        (
            METRIC_NAMES.get(name) or plain(name),
            *(f"{column[name]:.4f}" if name in column else "" for column in columns.values()),
        )
        for name in metadata.metrics
    ]
    data = f"the val images of {code(facts.data)}" if facts.data else "the val images of its training data"
    against = facts.scored_against or "what its training took for the truth"
    lines = [
        f"On {data}, against {plain(against)}, protocol {code(protocol['name'])}: {protocol['min_depth']:g} m < ground "
        f"truth < {protocol['max_depth']:g} m, crop {plain(protocol['crop'])}, alignment {plain(protocol['align'])} "
        f"({plain(protocol['space'])}), "
        f"flip averaging {'on' if protocol['tta'] else 'off'}. Means over images.",
        _table(("", *columns), rows),
        "These images chose the best epoch, so the figures are not those of a held-out test.",
    ]
    if facts.control:
        lines.append("The control is the same network, data, steps and seed without the teacher.")
    return "\n\n".join(lines)


def _recipe(metadata: CheckpointMetadata) -> str:
    recipe = {name: value for name, value in metadata.recipe.items() if value is not None and name != "card"}
    return fenced(yaml.safe_dump(recipe, sort_keys=True, default_flow_style=None).strip()) if recipe else "not stored"


def _own_card(metadata: CheckpointMetadata) -> list[str]:
    """What the checkpoint's maker wrote into it for its users."""
    return [plain(metadata.recipe["card"])] if metadata.recipe.get("card") else []


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
