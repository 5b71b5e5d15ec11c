"""The data room and the evaluation room do not know each other, but they must mean the same protocols."""

from __future__ import annotations

import pytest

from disdepth_cli.data.formats import FORMATS
from disdepth_cli.evaluation.protocols import get_protocol


@pytest.mark.parametrize("known", FORMATS.values(), ids=list(FORMATS))
def test_a_format_names_a_protocol_that_exists(known) -> None:
    if known.protocol is not None:
        assert get_protocol(known.protocol).name == known.protocol
