#!/usr/bin/env bash
# What unlabelled images add, and what a teacher that knows nothing is worth: all with the same student, seed and steps.
#
#     bash benchmarks/unlabelled.sh LABELLED.yaml MIXED.yaml TEACHER BACKBONE.safetensors OUT [SEED]
#
# MIXED.yaml is LABELLED.yaml with an `unlabeled:` list. Figures of our run: docs/research/unlabelled.md. On 2 CPU cores: about
# two hours. Finished runs are not made again; a run that was stopped is named by its own error, which says how to go on.
set -euo pipefail
labelled="$1" mixed="$2" teacher="$3" weights="$4" out="$5" seed="${6:-0}"
student=(--student efficientnet-lite0 --input-size 240x320 --seed "$seed" --offline)
long=860 short=172
mkdir -p "$out"
run() { # NAME COMMAND...: into OUT/NAME, unless it is finished
  [ -f "$out/$1/report.json" ] || disdepth "${@:2}" "${student[@]}" -o "$out/$1"
}

run teacher acclimate --teacher "$teacher" --data "$labelled" --epochs 5
run labelled distill --teacher "$out/teacher" --data "$labelled" --student-weights "$weights" --max-steps $long
run mixed distill --teacher "$out/teacher" --data "$mixed" --student-weights "$weights" --max-steps $long

# The negative control: a ViT from random weights, trained along on the labelled images.
[ -f "$out/random.safetensors" ] || python - "$out/random.safetensors" <<'EOF'
import sys

import timm
import torch
from safetensors.torch import save_file

torch.manual_seed(0)
save_file(timm.create_model("vit_tiny_patch16_224").state_dict(), sys.argv[1])
EOF
random=(--teacher timm:vit_tiny_patch16_224 --teacher-weights "$out/random.safetensors")
run random-teacher acclimate "${random[@]}" --train-teacher full --teacher-lr 3e-4 --data "$labelled" --epochs 2
run random-student distill --teacher "$out/random-teacher" --data "$labelled" --student-weights "$weights" --max-steps $short
run student-$short distill --teacher "$out/teacher" --data "$labelled" --student-weights "$weights" --max-steps $short
run control-$short distill --no-distill --data "$labelled" --student-weights "$weights" --max-steps $short

for model in teacher labelled mixed random-teacher random-student student-$short control-$short; do
  [ -f "$out/$model.json" ] ||
    disdepth evaluate "$out/$model" --data "$labelled" --offline --json --per-image "$out/$model.csv" >"$out/$model.json"
done
here="$(dirname "$0")"
python "$here/compare_runs.py" "$out"/{teacher,labelled,mixed}.json
python "$here/compare_runs.py" "$out"/{random-teacher,control-$short,random-student}.json
python "$here/compare_runs.py" "$out"/{teacher,control-$short,student-$short}.json
