#!/usr/bin/env bash
# The real run: acclimate a teacher on labelled NYU images, distil an EfficientNet-Lite0, train its control with the same seed
# and steps, and evaluate all of them on the val images. Every run is scored at its last step: val chooses nothing.
#
#     bash benchmarks/nyu_labeled.sh DATA.yaml TEACHER BACKBONE.safetensors OUT [SEED]
#
# The bundled student starts from this script's: disdepth_cli/assets/student_card.md.
# Expected on 2 CPU cores: about an hour and a half.
set -euo pipefail
data="$1" teacher="$2" weights="$3" out="$4" seed="${5:-0}"
student=(--student efficientnet-lite0 --input-size 240x320 --seed "$seed" --data "$data" --offline
  --view-seed 0 --teacher-cache "$out/views")
long=(--epochs 25 --views 10 --validate-every 25)
mkdir -p "$out"

[ -f "$out/teacher/report.json" ] || disdepth acclimate --teacher "$teacher" "${student[@]}" --epochs 5 --views 5 \
  --attention-steps 100 -o "$out/teacher"
[ -f "$out/student/report.json" ] || disdepth distill --teacher "$out/teacher" --student-weights "$weights" \
  "${student[@]}" "${long[@]}" --attention learned -o "$out/student"
[ -f "$out/control/report.json" ] || disdepth distill --no-distill --student-weights "$weights" \
  "${student[@]}" "${long[@]}" -o "$out/control"

for model in "$teacher" "$out/teacher" "$out/student" "$out/control"; do
  name="$(basename "$model")"
  [ "$model" = "$teacher" ] && name=teacher-itself
  disdepth evaluate "$model" --data "$data" --offline --json --per-image "$out/$name.csv" >"$out/$name.json"
done
python "$(dirname "$0")/compare_runs.py" "$out"/{teacher-itself,teacher,control,student}.json
