"""The data room names protocols that the evaluation room has: they do not import each other."""

from __future__ import annotations

import pytest

from disdepth_cli.data.sets.catalogue import FORMATS
from disdepth_cli.evaluation.protocols import PROTOCOLS


@pytest.mark.parametrize("known", [known for known in FORMATS.values() if known.protocol], ids=lambda known: known.name)
def test_a_formats_protocol_exists_and_lies_in_the_range_of_its_data(known):
    protocol = PROTOCOLS[known.protocol]
    assert protocol.min_depth >= known.min_depth
    assert protocol.max_depth <= known.max_depth or known.name.startswith("hypersim")  # trained to 20 m, scored to 80
