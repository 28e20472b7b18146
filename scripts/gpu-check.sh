#!/usr/bin/env bash
# Checks and measures a GPU in one command of at most nine minutes, on a machine that may have no Node and no network.
#
#   scripts/gpu-check.sh pack                 before: puts what the machine lacks into build/gpu/ (ignored by git)
#   scripts/gpu-check.sh [PART…]              there: all parts, or those named
#   scripts/gpu-check.sh --emulator [PART…]   the same here, the emulator in the GPU's place, at toy sizes
#
# Each part has a time of its own and says what it found in $OUT (default build/gpu-check); one that fails or runs out of
# time stops no other. All of it is in one file at the end, $OUT/CARD-DATE.json, with the log beside it; docs/performance.md
# says what is in it. Exit code 1 if a part failed. What is missing (torch, nvcc, compute-sanitizer) leaves out what needs it.
#
#   NODE, PYTHON          the interpreters (default: node, else the packed one; python3)
#   WHISPER_TUNE_ADDON    the addon (default: the one in build/Release if it has CUDA, else the packed one, else one built here)
#   DEVICE                the GPU (default cuda:0)
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
root=$PWD
packed=build/gpu
parts=scripts/gpu-check
limit=530 # seconds for everything
declare -A seconds=([environment]=45 [conformance]=20 [ops]=100 [kernels]=80 [step]=190 [train]=45 [sanitizer]=60)
order=(environment conformance ops kernels step train sanitizer)

usage() {
  echo "usage: scripts/gpu-check.sh pack | [--emulator] [PART…]; parts: ${order[*]}" >&2
  exit 2
}

emulator=0
asked=()
for argument in "$@"; do
  case $argument in
    pack) exec "${NODE:-node}" "$parts/pack.mjs" ;;
    --emulator) emulator=1 ;;
    *) [ -n "${seconds[$argument]:-}" ] || usage; asked+=("$argument") ;;
  esac
done
[ ${#asked[@]} -gt 0 ] || asked=("${order[@]}")

unpack() { # once: Node, its modules and the compiled TypeScript, unless they are here already
  [ -f $packed/pack.tar.xz ] && [ ! -x $packed/node ] || return 0
  local only=(build/gpu)
  [ -d node_modules ] || only+=(node_modules)
  [ -d dist ] || only+=(dist)
  if command -v xz >/dev/null; then
    tar -xJf $packed/pack.tar.xz "${only[@]}"
  else # a tar that knows xz by a library of its own
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(".", [m for m in tarfile.open(sys.argv[1]) if m.name.startswith(tuple(sys.argv[2:]))])' \
      $packed/pack.tar.xz "${only[@]}"
  fi
}
unpack || echo "$packed/pack.tar.xz cannot be unpacked"

node=${NODE:-$(command -v node)}
[ -n "$node" ] || node=$root/$packed/node
if ! "$node" --version >/dev/null 2>&1; then
  echo "no Node.js here: run scripts/gpu-check.sh pack where there is one, and bring $packed along" >&2
  exit 1
fi

has_cuda() { # whether an addon has kernels for GPUs in it
  [ -f "$1" ] && grep -q '\.nv_fatbin' "$1"
}

first() { # the first of some files that is there
  for file in "$@"; do [ -f "$file" ] && echo "$file" && return; done
}

if [ -n "${WHISPER_TUNE_ADDON:-}" ]; then
  addon=$(realpath "$WHISPER_TUNE_ADDON")
elif [ $emulator = 1 ]; then
  addon=$(first "$root/build/emulator/Release/cuda_emulator.node" "$root/$packed/cuda_emulator.node")
else
  built=$root/build/Release/whisper_tune.node
  if has_cuda "$built"; then
    addon=$built
  elif [ -f $packed/whisper_tune.node ]; then
    addon=$root/$packed/whisper_tune.node
  else
    echo "no addon with CUDA was packed: building one"
    timeout 300 "$node" scripts/build.mjs --native --cuda || exit 1
    addon=$built
  fi
fi
[ -f "$addon" ] || { echo "there is no addon: run npm run build:$([ $emulator = 1 ] && echo emulator || echo cuda)" >&2; exit 1; }

python=${PYTHON:-python3}
if ! "$python" -c 'import torch, transformers' 2>/dev/null; then
  echo "$python has no torch and transformers: nothing is measured beside them"
  python=
fi

export OUT=${OUT:-$root/build/gpu-check} WHISPER_TUNE_ADDON=$addon
mkdir -p "$OUT"
export GPU_CHECK_OUT=$OUT GPU_CHECK_EMULATOR=$emulator GPU_CHECK_PYTHON=$python
if [ $emulator = 1 ]; then GPU_CHECK_DEVICE=cuda-emulator; else GPU_CHECK_DEVICE=${DEVICE:-cuda:0}; fi
export GPU_CHECK_DEVICE
: >"$OUT/log"

ended=()
for part in "${asked[@]}"; do
  rm -f "$OUT/$part.json"
  started=$SECONDS
  left=$((limit - SECONDS))
  time=${seconds[$part]}
  [ "$time" -le "$left" ] || time=$left
  if [ "$time" -lt 5 ]; then
    code=124
  else
    echo "== $part, at most $time s" >>"$OUT/log"
    GPU_CHECK_SECONDS=$time timeout --kill-after=5 "$time" "$node" "$parts/$part.mjs" >>"$OUT/log" 2>&1
    code=$?
  fi
  took=$((SECONDS - started))
  case $code in
    0) echo "ok    $part ($took s)" ;;
    124 | 137) echo "FAIL  $part: out of time ($took s)" ;;
    *) echo "FAIL  $part ($took s)" ;;
  esac
  ended+=("$part=$code:$took")
done
"$node" "$parts/report.mjs" "${ended[@]}" | tee -a "$OUT/log"
