#!/usr/bin/env bash
# Kills a tiny pipeline at random moments and inside saves, runs the same command again, and checks that
# nothing tells the result from that of an undisturbed run: outputs and loss traces bit for bit, each step
# logged once, no process left behind.
#
#   tests/faults/run.sh [--program build/bin/peryton] [--config configs/tiny.yaml] [--kills 20] [--saves 10]
#                       [--seed N] [--folder DIR]
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

program=build/bin/peryton config=configs/tiny.yaml kills=20 saves=10 seed=$$ folder=""
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }
  case "$1" in
    --program) program="$2" ;;
    --config) config="$2" ;;
    --kills) kills="$2" ;;
    --saves) saves="$2" ;;
    --seed) seed="$2" ;;
    --folder) folder="$2" ;;
    *) echo "unknown option '$1'" >&2; exit 2 ;;
  esac
  shift 2
done
own_folder=no
[ -n "$folder" ] || { folder="$(mktemp -d)"; own_folder=yes; }
mkdir -p "$folder"
RANDOM=$seed
echo "seed $seed, folder $folder"

# Points inside a save, in the order in which it passes them; ":2" is the second save, so that one is there.
points=(begin:2 temporary-made:2 tensors-half:2 tensors-written:2 part-written:2 state-written:2
  files-hashed:2 manifest-written:2 renamed:2 deleted:1)

# start TRIAL [VARIABLE=VALUE]: starts the pipeline in the background; its processes carry PERYTON_TRIAL.
start() {
  local trial="$1"
  shift
  setsid env "$@" PERYTON_PROGRESS=off PERYTON_TRIAL="$folder/$trial" \
    "$program" run "$config" --set "run.folder=$folder/$trial" >>"$folder/$trial.log" 2>&1 &
  launcher=$!
}

# processes TRIAL [PATTERN]: ids of its processes, or of those whose command line matches.
processes() {
  local file id
  for file in $(grep -lsz "^PERYTON_TRIAL=$folder/$1\$" /proc/[0-9]*/environ); do
    id="${file#/proc/}" id="${id%/environ}"
    tr '\0' ' ' 2>/dev/null <"/proc/$id/cmdline" | grep -q -- "${2:-.}" && echo "$id" || true
  done
}

# wait_for_end TRIAL: until nothing of it runs; fails after 20 s.
wait_for_end() {
  local tick
  for tick in $(seq 200); do
    [ -z "$(processes "$1")" ] && return 0
    sleep 0.1
  done
  echo "FAILED: left behind by $1: $(processes "$1" | xargs)"
  return 1
}

kill_now() {
  local trial="$1" kind="$2" ranks
  case "$kind" in
    launcher) kill -9 "$launcher" 2>/dev/null || true ;;
    group) processes "$trial" | xargs -r kill -9 2>/dev/null || true ;;
    rank)
      mapfile -t ranks < <(processes "$trial" '^[^ ]*peryton worker ')
      [ ${#ranks[@]} -gt 0 ] || return 1
      kill -9 "${ranks[RANDOM % ${#ranks[@]}]}" 2>/dev/null || return 1 ;;
  esac
}

# trace FOLDER: every step of every stage without what depends on time and place.
trace() {
  local file
  for file in "$1"/stages/*/metrics.jsonl; do
    echo "${file#"$1"}"
    sed -E 's/"(tokens_per_second|model_flop_utilisation|memory_bytes)":[^,}]*,?//g' "$file"
  done
}

# outputs FOLDER: names and checksums of what the stages hand on, and of the weights of every checkpoint.
outputs() {
  (cd "$1/stages" && find . -type f \( -path '*/checkpoints/*.safetensors' -o -path '*/hf/*' -o -name '*.bin' \
    -o -name tokenizer.json -o -name evaluation.json -o -name samples.json \) -print0 | sort -z | xargs -0 sha256sum)
}

same_as_reference() {
  local trial="$1" bad=0
  diff <(trace "$folder/reference") <(trace "$folder/$trial") >"$folder/$trial.trace" ||
    { echo "FAILED: the loss trace of $trial differs:"; head -5 "$folder/$trial.trace"; bad=1; }
  diff <(outputs "$folder/reference") <(outputs "$folder/$trial") >"$folder/$trial.outputs" ||
    { echo "FAILED: the outputs of $trial differ:"; head -5 "$folder/$trial.outputs"; bad=1; }
  return $bad
}

passed=0 failed=0
# finish TRIAL TITLE: runs the interrupted trial to its end and judges it.
finish() {
  local trial="$1" title="$2"
  wait "$launcher" 2>/dev/null || true
  if wait_for_end "$trial" && start "$trial" && wait "$launcher" && wait_for_end "$trial" &&
    same_as_reference "$trial"; then
    passed=$((passed + 1))
    echo "ok: $title"
    rm -rf "${folder:?}/$trial"
  else
    failed=$((failed + 1))
    echo "FAILED: $title (see $folder/$trial.log)"
    tail -5 "$folder/$trial.log"
  fi
}

begin=$(date +%s%N)
start reference
wait "$launcher" || { echo "FAILED: the undisturbed run"; tail -20 "$folder/reference.log"; exit 1; }
length=$((($(date +%s%N) - begin) / 1000000))
echo "the undisturbed run took $length ms"

kinds=(launcher rank group)
for ((i = 0; i < kills; ++i)); do
  kind="${kinds[i % 3]}"
  for ((try = 0; try < 20; ++try)); do
    rm -rf "$folder/kill-$i"
    delay=$((length * (5 + RANDOM % 85) / 100))
    start "kill-$i"
    sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
    kill -0 "$launcher" 2>/dev/null && kill_now "kill-$i" "$kind" && break
    # It had ended already, or no rank lived at that moment: another moment.
    wait "$launcher" || true
    wait_for_end "kill-$i" || true
  done
  [ "$try" -lt 20 ] || { failed=$((failed + 1)); echo "FAILED: no moment for killing the $kind"; continue; }
  finish "kill-$i" "$kind killed after $delay ms"
done

for ((i = 0; i < saves && i < ${#points[@]}; ++i)); do
  start "save-$i" "PERYTON_FAULT=${points[i]}"
  if wait "$launcher"; then
    failed=$((failed + 1))
    echo "FAILED: no save came to ${points[i]}"
    continue
  fi
  finish "save-$i" "killed in a save at ${points[i]}"
done

[ "$own_folder" = yes ] && [ "$failed" -eq 0 ] && rm -rf "$folder"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
