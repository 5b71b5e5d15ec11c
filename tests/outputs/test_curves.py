"""Training curves: a real PNG from a real, broken or empty metrics.csv."""

import pytest
from PIL import Image

from disdepth_cli.errors import DataError
from disdepth_cli.outputs.curves import plot_curves, read_curves

HEADER = "step,epoch,split,depth,features,lr,abs_rel,delta1\n"


def test_curves_are_a_picture(tmp_path):
    lines = [f"{step},0,train,{1 / (step + 1)},{2 / (step + 1)},0.001,,\n" for step in range(100)]
    lines += [f"{step},0,val,,,,{1 / (step + 1)},{step / 100}\n" for step in range(0, 100, 20)]
    (tmp_path / "metrics.csv").write_text(HEADER + "".join(lines))
    plot_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.format == "PNG"
        image.load()
        assert min(image.size) > 300
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "metrics.csv"]


def test_many_columns_and_one_row(tmp_path):
    names = [f"value{index}" for index in range(20)]
    (tmp_path / "metrics.csv").write_text("step,epoch,split," + ",".join(names) + "\n5,0,val" + ",0" * 20 + "\n")
    plot_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_blanks_words_and_a_torn_line_are_passed_over(tmp_path):
    rows = [
        "0,0,train,1.5,,nan,,",
        "1,0,train,word,2,inf,,",
        "x,0,train,9,9,9,,",
        "2,0,train,0.5,1,1,1,1,1,1",
        "3,0,tr",
    ]
    (tmp_path / "metrics.csv").write_text(HEADER + "\n".join(rows))
    curves = read_curves(tmp_path / "metrics.csv")
    assert curves["train"]["depth"] == ([0.0, 2.0], [1.5, 0.5])
    assert curves["train"]["features"] == ([1.0, 2.0], [2.0, 1.0])
    assert curves["train"]["lr"] == ([2.0], [1.0])


@pytest.mark.parametrize("text", ["", HEADER, HEADER + "0,0,train,,,,,\n"])
def test_nothing_to_draw_is_a_clear_error(tmp_path, text):
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(DataError, match="holds no values"):
        plot_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    with pytest.raises(DataError, match="cannot be read"):
        plot_curves(tmp_path / "missing.csv", tmp_path / "curves.png")


def test_losses_that_are_not_positive_are_drawn(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,epoch,split,a,b\n0,0,train,0,-1\n1,0,train,1,0\n")
    plot_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    assert (tmp_path / "curves.png").exists()
