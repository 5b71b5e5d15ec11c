"""Whether images without depth are photographs, or depth maps that were taken for them."""

from __future__ import annotations

from collections.abc import Sequence

from disdepth_cli.data.files.dataset import Split
from disdepth_cli.data.files.item import BlockItems, DataItem
from disdepth_cli.data.files.location import fetch
from disdepth_cli.errors import DataError
from disdepth_cli.inspection.finding import stored_kind

LOOKED_AT = 32
DEPTH_LIKE = "uint16 x 1"


def refuse_depth_maps(split: Split, items: Sequence[DataItem]) -> None:
    """Look at a few images without depth; those of shards are left alone.

    Raises:
        DataError: some are 16-bit grey.
    """
    if isinstance(items, BlockItems):
        return
    bare = [item for item in items if item.depth is None]
    looked_at = bare[:: -(-len(bare) // LOOKED_AT) or 1]
    grey = [item for item in looked_at if _kind(item) == DEPTH_LIKE]
    if grey:
        raise DataError(f"{grey[0].image}: {no_photographs(split, len(grey), len(looked_at))}")


def no_photographs(split: Split, count: int, of: int) -> str:
    """What is said of 16-bit grey images."""
    return (
        f"{split}: {count} of {of} images without depth are 16-bit grey, as depth maps are: these are not photographs; "
        "put images into rgb/ and depth into depth/, or list `image depth` rows"
    )


def _kind(item: DataItem) -> str:
    try:
        return stored_kind(fetch(item.image))
    except DataError:
        return ""  # whoever needs it says what is wrong
