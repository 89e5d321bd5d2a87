#!/usr/bin/env bash
# The day a GPU is there: tests on it, what a step costs on it, and the papers' own CIFAR-10 tables for the minutes that are
# left: VAT + NS3L, then VAT with SPL, then DNLL's, then the rest of NS3L's.
# Needs no network: Python's packages (PyTorch with CUDA, semilearn and what pyproject.toml names) are there already.
#
#   benchmarks/gpu.sh [MINUTES]         default 60; the same command again goes on with what is not done yet
#   OUT=folder PYTHON=python3 CIFAR10=folder DEVICE=cuda benchmarks/gpu.sh 15
#
#   SKIP="tests bench" STUDIES="cifar10_spl cifar10_open_set" JOBS=16 CIFAR10=folder benchmarks/gpu.sh 15
#
# CIFAR10 is a folder of images (train/CLASS/*, test/CLASS/*); without it one run of VAT + NS3L on images of digits.
# STUDIES are tables in small (benchmarks/studies/*.yaml), which come before the papers' own; JOBS of their runs share the
# GPU, whose kernels such small networks do not fill. SKIP leaves out the parts that it names.
# Leaves in OUT (default: gpu): log.txt, bench/bench.csv and bench/bench.md, and a folder a table with its rows and pages.
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
    case " ${SKIP:-} " in *" $name "*) return ;; esac
    if part "$@"; then touch "$out/$name.done"; else failures=$((failures + 1)); fi
}

once tests 35 "$python" -m pytest -q -p no:cacheprovider -m gpu tests
once bench 60 "$python" -m usb_negsamp bench --device "$device" --options all --turns "${TURNS:-5}" \
    --steps "${STEPS:-20}" ${CASE:+--case "$CASE"} ${BENCH_KEYS:-} --out "$out/bench"

trained() { # trained COMMAND: a training for what is left, which ends in order at its time and goes on at the next start
    part 95 "$python" -m usb_negsamp "$@" --device "$device" ${TRAIN_KEYS:-}
    local code=$?
    [ $code = 0 ] || [ $code = 124 ] || [ $code = 130 ] || failures=$((failures + 1))
    return $code
}

in_small() { # the tables in small, one after the other, until the minutes end
    local study
    for study in ${STUDIES:-}; do
        trained reproduce "$study" --jobs "${JOBS:-1}" --data_dir "$CIFAR10" --save_dir "$out" \
            --decoded_dir "$out/decoded" || return
    done
}

if [ -n "${CIFAR10:-}" ]; then
    images=(--dataset image_folder --data_dir "$CIFAR10" --save_dir "$out")
    # The papers' own tables in the order of what is asked for first; one whose rows are all there ends at once.
    in_small &&
        trained reproduce cifar10/ns3l --scale full --only table1_cifar10_vat_ns3l "${images[@]}" &&
        trained reproduce cifar10/spl --scale full --only table1_cifar10_vat,table1_cifar10_vat_spl "${images[@]}" &&
        trained reproduce cifar10/dnll --scale full "${images[@]}" &&
        trained reproduce cifar10/ns3l --scale full "${images[@]}"
else
    resume=()
    [ -f "$out/vat_ns3l/manifest.json" ] && resume=(--resume)
    if ! grep -q '"exit_reason": "finished"' "$out/vat_ns3l/manifest.json" 2> /dev/null; then
        trained train --c vat_ns3l_digits --save_dir "$out" --save_name vat_ns3l "${resume[@]}"
    fi
fi
for results in "$out"/*/results.csv; do
    [ -f "$results" ] && "$python" -m usb_negsamp report "$(dirname "$results")"
done
echo "== $failures parts failed; $out"
exit $((failures > 0))
