#!/usr/bin/env bash
# The whole path on two CPU cores, offline: rooms -> acclimated teacher -> student, beside a control that has no
# teacher; then figures and pictures.
#
#     bash examples/quickstart.sh [FOLDER]        default: ./quickstart
set -euo pipefail

examples="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
out="${1:-quickstart}"
data="$out/rooms/data.yaml"
teacher="$examples/tiny_teacher"
export HF_HUB_OFFLINE=1

training=(--student resnet18 --input-size 96x128 --data "$data" --batch-size 8 --seed 0 --offline)
acclimate_steps="${QUICKSTART_ACCLIMATE_STEPS:-120}"
distill_steps="${QUICKSTART_DISTILL_STEPS:-200}"

say() { # print the command, then run it
  printf '\n\033[1m$ %s\033[0m\n' "$*" >&2
  "$@"
}

evaluate() { # evaluate NAME MODEL: figures on the val rooms into NAME.json
  say disdepth evaluate "$2" --data "$data" --offline --json >"$out/$1.json"
}

train() { # train RUN VERB OPTIONS...: begin a run, or go on with one that was stopped
  local run="$1" verb="$2"
  shift 2
  if [ -f "$run/config.yaml" ]; then say disdepth "$verb" --resume -o "$run"; else say disdepth "$verb" "$@" -o "$run"; fi
}

mkdir -p "$out"
say python "$examples/render_rooms.py" "$out/rooms" --count 240 --size 96x128 --seed 0

# The teacher learns to speak the student's language: its features get the student's channels and strides.
train "$out/teacher" acclimate --teacher "$teacher" "${training[@]}" --max-steps "$acclimate_steps"

# The student learns from it; the control has the same start, data and steps, but no teacher.
train "$out/student" distill --teacher "$out/teacher" --no-pretrained "${training[@]}" --max-steps "$distill_steps"
train "$out/control" distill --no-distill --no-pretrained "${training[@]}" --max-steps "$distill_steps"

evaluate eval-teacher "$teacher"
evaluate eval-acclimated "$out/teacher"
evaluate eval-student "$out/student/student.safetensors"
evaluate eval-control "$out/control/student.safetensors"

mapfile -t photos < <(head -n 4 "$out/rooms/val.txt" | cut -d ' ' -f 1 | sed "s|^|$out/rooms/|")
for name in student control; do
  folder="$out/predictions"
  [ "$name" = control ] && folder="$out/predictions-control"
  say disdepth predict "${photos[@]}" --checkpoint "$out/$name/student.safetensors" -o "$folder"
done

say python "$examples/show_results.py" "$out"
printf 'done in %d seconds\n' "$SECONDS" >&2
