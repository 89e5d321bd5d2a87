#!/usr/bin/env bash
# The day a GPU is there: tests on it, what a step costs on it, and VAT + NS3L on CIFAR-10 for the minutes that are left.
# Needs no network: Python's packages (PyTorch with CUDA, semilearn and what pyproject.toml names) are there already.
#
#   benchmarks/gpu.sh [MINUTES]         default 60; the same command again goes on with what is not done yet
#   OUT=folder PYTHON=python3 CIFAR10=folder DEVICE=cuda benchmarks/gpu.sh 15
#
# CIFAR10 is a folder of images (train/CLASS/*, test/CLASS/*); without it the training is of images of digits.
# Leaves in OUT (default: gpu): log.txt, bench/bench.csv and bench/bench.md, and the run vat_ns3l/ with its results.
set -uo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-60}
out=$(realpath -m "${OUT:-gpu}")
python=${PYTHON:-python3}
device=${DEVICE:-cuda}
end=$((SECONDS + minutes * 60))
failures=0
mkdir -p "$out"
exec > >(tee -a "$out/log.txt") 2>&1

left() { echo $((end - SECONDS)); }

part() { # part SHARE COMMAND: run a command for at most this share (in percent) of the seconds that are left
    local share=$1
    shift
    echo "== $* ($(left) s left)"
    timeout --signal INT --kill-after 60 "$(($(left) * share / 100))" "$@"
    local code=$?
    echo "== exit code $code"
    return $code
}

echo "== $(date -u +%FT%TZ) commit $(git rev-parse HEAD 2> /dev/null || echo unknown), $minutes minutes"
nvidia-smi || true
"$python" -m pip install --quiet --no-index --no-deps --no-build-isolation --editable . || exit 2
part 20 "$python" -m usb_negsamp doctor || exit 2

once() { # once NAME SHARE COMMAND: a part that is left out where an earlier start has done it
    local name=$1
    shift
    [ -f "$out/$name.done" ] && return
    if part "$@"; then touch "$out/$name.done"; else failures=$((failures + 1)); fi
}

once tests 35 "$python" -m pytest -q -p no:cacheprovider -m gpu tests
once bench 60 "$python" -m usb_negsamp bench --device "$device" --options all --turns "${TURNS:-5}" \
    --steps "${STEPS:-20}" ${CASE:+--case "$CASE"} ${BENCH_KEYS:-} --out "$out/bench"

if [ -n "${CIFAR10:-}" ]; then
    data=(--dataset image_folder --data_dir "$CIFAR10")
    config=ns3l/table1_cifar10_vat_ns3l
else
    data=()
    config=vat_ns3l_digits
fi
run=$out/vat_ns3l
resume=()
[ -f "$run/manifest.json" ] && resume=(--resume)
if ! grep -q '"exit_reason": "finished"' "$run/manifest.json" 2> /dev/null; then
    part 95 "$python" -m usb_negsamp train --c "$config" "${data[@]}" --device "$device" ${TRAIN_KEYS:-} \
        --save_dir "$out" --save_name vat_ns3l "${resume[@]}"
    code=$?
    # 124: the minutes are over; the run ended in order with a checkpoint, and the same command goes on.
    [ $code = 0 ] || [ $code = 124 ] || [ $code = 130 ] || failures=$((failures + 1))
fi
[ -f "$run/results.csv" ] && "$python" -m usb_negsamp report "$run"
echo "== $failures parts failed; $out"
exit $((failures > 0))
