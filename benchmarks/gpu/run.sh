#!/usr/bin/env bash
# What one GPU can show in ten minutes, on a machine without a network; see README.md beside this file.
# Usage: benchmarks/gpu/run.sh [--dry]     --dry: every step at toy size on the CPU, with generated drawings
set -u
REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PYTHON=${PYTHON:-python3}
DATA=${DATA:-$REPO/gpu_data}          # archives of prepare.py, and wheels/
OUT=${OUT:-$REPO/gpu_results}         # where the archive of all results and the summary go
TOTAL=${TOTAL:-590}                   # seconds
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
SECONDS=0
RESULTS=$WORK/results SUMMARY=$WORK/results/summary.txt
mkdir -p "$OUT" "$RESULTS" "$WORK/run" && OUT=$(cd "$OUT" && pwd) && cd "$REPO" || exit 2
export PYTHONPATH=$WORK/site:$REPO PYTHONUNBUFFERED=1
: >"$SUMMARY"
FAILED=0

note() {  # NAME STATUS SECONDS [LINES]: add to the summary, and pack all results, so that nothing is lost where this is killed
    local text
    text=$(printf '%-12s %-34s %4d s' "$1" "$2" "$3")${4:+$'\n'$4}
    printf '%s\n' "$text" >>"$SUMMARY"
    printf '%s\n' "$text"
    tar -C "$WORK" -czf "$OUT/.part.$BASHPID" results 2>/dev/null; mv "$OUT/.part.$BASHPID" "$OUT/gpu_results.tar.gz"
}

step() {  # NAME LIMIT PATTERN COMMAND...: run it for LIMIT seconds or what is left; its lines with PATTERN go to the summary
    local name=$1 limit=$2 pattern=$3 log=$RESULTS/$1.log begun=$SECONDS left=$((TOTAL - 10 - SECONDS)) code status=ok
    shift 3
    [[ $DEVICE == cuda ]] && ((limit < left)) || limit=$left  # a CPU may be busy with other work
    ((limit >= 5)) || { note "$name" "skipped: no time left" 0; return 1; }
    { timeout --kill-after=5 "$limit" "$@" >"$log" 2>&1; } 2>/dev/null
    code=$?
    case $code in
        0) ;;
        124 | 137) status="stopped after $limit s" ;;
        *) status="failed, status $code: see $name.log" ;;
    esac
    ((code == 0)) || FAILED=1
    note "$name" "$status" $((SECONDS - begun)) "$(grep -aE "$pattern" "$log" | tail -n 20 | cut -c -200 | sed 's/^/    /')"
    return $code
}

BEHIND=()
beside() {  # a step that runs beside the next ones where there is no GPU to measure
    if [[ $DEVICE == cpu ]]; then "$@" & BEHIND+=($!); else "$@"; fi
}

setup() {  # what a bare machine lacks: wheels, the compiled kernel where it can be built, the drawings
    local wheels=("$DATA"/wheels/*.whl) archives=("$DATA"/*.tar.xz)
    [[ ! -e ${wheels[0]} ]] || "$PYTHON" -m pip install -q --no-index --no-deps --target "$WORK/site" "${wheels[@]}"
    "$PYTHON" -c "from fastpatent.retrieval import _rank" || "$PYTHON" setup.py -q build_ext --inplace ||
        echo "no compiled kernel: PyTorch ranks"
    for archive in "${archives[@]}"; do
        [[ ! -e $archive ]] || tar -C "$WORK" -xJf "$archive" || return
    done
    ls "$WORK"/multiview/data/*.txt || echo "no drawings: benchmarks/gpu/prepare.py makes them"
}
export -f setup
export PYTHON DATA WORK

TOY=() COMPILED=()
if [[ ${1-} == --dry ]]; then
    export CUDA_VISIBLE_DEVICES= OMP_NUM_THREADS=1 DATA=$WORK/gpu_data
    DEVICE=cpu
    TOY=(MODEL.BACKBONE.DEPTH 18x INPUT.SIZE_TRAIN "[32,32]" INPUT.SIZE_TEST "[32,32]"
        SOLVER.IMS_PER_BATCH 16 SOLVER.MAX_EPOCH 1 DATALOADER.NUM_WORKERS 0)
    STEP=(--small --steps 1 --images 128)
    TESTED=(--small --steps 1 --images 32 --ours-only)
    RANKED=(--small --steps 1 --images 760 --ours-only)
    NORMS=(--small --steps 1)
    step prepare 60 'MB$' "$PYTHON" benchmarks/gpu/prepare.py --generate 10 --side 48 --out "$DATA"
else
    DEVICE=cuda COMPILED=(--compile)
    STEP=(--steps 20 --images 3840)
    TESTED=(--images 6500 --ours-only --precision bf16)
    RANKED=(--device cuda --ours-only)
    NORMS=(--steps 10)
    nvidia-smi >"$RESULTS/nvidia-smi.txt" 2>&1 || { echo "error: no GPU here; --dry runs on a CPU" >&2; exit 2; }
fi

gpu_step() {  # as step, for what only a GPU can do
    if [[ $DEVICE == cuda ]]; then step "$@"; else note "$1" "skipped: no GPU" 0; fi
}

benchmark() {  # SCRIPT STEP OPTION...: set COMMAND to that of a benchmark; its rows go to the results, under the name of its step
    COMMAND=("$PYTHON" "benchmarks/$1.py" --json "$RESULTS/$2.json" "${@:3}")
}

SETS=()  # those whose drawings are here
[[ ! -e $DATA/multiview_val.tar.xz ]] || SETS+=(Patent)
[[ ! -e $DATA/multiview_test.tar.xz ]] || SETS+=(DeepPatentTest DeepPatentTestPlain)
MULTIVIEW=(--config-file configs/multiview/sbs_R50-ibn-nl_multiview_128.yml MODEL.DEVICE $DEVICE OUTPUT_DIR "$WORK/run/R50"
    DATASETS.ROOT "$WORK/multiview" DATASETS.TESTS "[$(IFS=,; echo "${SETS[*]}")]" "${TOY[@]}")
mapfile -t CUDA_TESTS < <(grep -rlE --include='test_*.py' 'mark\.cuda' tests)

step setup 90 '^no |rror' bash -c setup
step versions 30 '.' "$PYTHON" benchmarks/gpu/versions.py
beside step checks 90 'FAILED|checks on' "$PYTHON" benchmarks/gpu/gpu_checks.py --device $DEVICE
gpu_step tests 90 '(passed|failed|skipped|error).* in [0-9.]+s|^FAILED|^ERROR' \
    "$PYTHON" -m pytest -q -p no:cacheprovider -m cuda --continue-on-collection-errors "${CUDA_TESTS[@]}"
if [[ -e $DATA/multiview_train.tar.xz ]]; then
    step pack 60 'images, .* GB' "$PYTHON" -m fastpatent.commands data pack "${MULTIVIEW[@]}"
    step train 200 '^(system|best) |^epoch .* in [0-9]+ ' "$PYTHON" -m fastpatent.commands train "${MULTIVIEW[@]}"
    cp "$WORK"/run/R50/{log.txt,config.yaml,events*} "$RESULTS" 2>/dev/null
else
    note pack "skipped: no drawings" 0
    note train "skipped: no drawings" 0
fi
benchmark training_step step "${STEP[@]}"
step step 130 ' / |seconds a step' "${COMMAND[@]}"
benchmark evaluation_run evaluation "${TESTED[@]}"
step evaluation 120 'test, |drawings at' "${COMMAND[@]}"
benchmark ranking ranking "${RANKED[@]}"
beside step ranking 90 'AQE|reciprocal|^metrics|ours on' "${COMMAND[@]}"
benchmark norms norms "${NORMS[@]}"
step norms 60 'plain / ours|seconds a step' "${COMMAND[@]}"
benchmark training_step compile "${STEP[@]}" "${COMPILED[@]}"
gpu_step compile 200 ' / |seconds a step|MODEL.COMPILE' "${COMMAND[@]}"

for process in "${BEHIND[@]}"; do wait "$process" || FAILED=1; done
note total "$( ((FAILED)) && echo "a step has failed" || echo "no step has failed")" $SECONDS
cp "$SUMMARY" "$OUT/summary.txt"
printf '\n%s\n' "summary, also in $OUT:"
cat "$SUMMARY"
exit $FAILED
