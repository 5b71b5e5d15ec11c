#!/usr/bin/env bash
# What a GPU does with disdepth, in one command: is it right, how fast is it, what happens where it goes wrong.
#
#     bash benchmarks/gpu.sh OUT [cuda|cpu] [full|short]
#
# Rendered rooms, the tiny teacher and a ViT-S with random weights: nothing is downloaded. About 30 minutes on one GPU.
# Writes OUT/gpu.md, the table that docs/machines.md shows. `cpu short` runs every part at a tiny size: a check of the
# script, not a measurement.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
out="$1" device="${2:-cuda}" length="${3:-full}"
export HF_HUB_OFFLINE=1 OMP_WAIT_POLICY=PASSIVE
mkdir -p "$out"

count=400 size=240x320
if [ "$length" = short ]; then count=30 size=64x96; fi
[ -d "$out/rooms" ] || python -m disdepth_cli.demo.rooms "$out/rooms" --count "$count" --size "$size" --seed 0
[ -d "$out/shards" ] || python -m disdepth_cli pack "$out/rooms/data.yaml" --depth npy -o "$out/shards" --quiet

python "$here/gpu_right.py" "$out" --device "$device" --length "$length"
python "$here/gpu_speed.py" "$out" --device "$device" --length "$length"
cat "$out/right.md" "$out/speed.md" >"$out/gpu.md"
cat "$out/gpu.md"
