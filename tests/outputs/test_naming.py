"""Output names: two inputs never share one."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disdepth_cli.outputs.naming import output_stems


@pytest.mark.parametrize(
    ("inputs", "stems"),
    [
        (["a.jpg", "b.jpg"], ["a", "b"]),
        (["a.jpg", "a.png", "b.png"], ["a_jpg", "a_png", "b"]),
        (["x/a.png", "y/a.png"], ["x_a", "y_a"]),
        (["/data/x/a.png", "/data/y/a.png"], ["x_a", "y_a"]),
        (["a.png", "y/a.png"], ["a", "y_a"]),
        (["x/a.png", "x/a.jpg", "y/a.png"], ["x_a_png", "x_a_jpg", "y_a_png"]),
        (["1/x/a.png", "2/x/a.png"], ["1_x_a", "2_x_a"]),
        (["a.png", "a.png"], ["a_1", "a_2"]),
        (["../a.png", "a.png"], ["a_1", "a_2"]),
        (["a.jpg", "A.jpg"], ["a_1", "A_2"]),
        (["a.jpg", "a.png", "a_jpg.png", "a_1.png"], ["a_2", "a_3", "a_jpg", "a_1"]),
        (["a", "a.png"], ["a", "a_png"]),
        ([], []),
    ],
)
def test_stems(inputs, stems):
    assert output_stems([Path(name) for name in inputs]) == stems


PARTS = st.sampled_from(["a", "A", "a_1", "a_png", "x_a", "x"])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.builds(
            lambda folders, stem, suffix: Path(*folders, stem + suffix),
            st.lists(PARTS, max_size=2),
            PARTS,
            st.sampled_from([".png", ".jpg", ""]),
        ),
        max_size=12,
    )
)
def test_stems_are_always_unique(inputs):
    stems = output_stems(inputs)
    assert len(stems) == len(inputs)
    assert len({stem.casefold() for stem in stems}) == len(stems)
    assert not any("/" in stem for stem in stems)
