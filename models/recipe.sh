# What the recipes share: MODEL/recipe LISTS [SEED [OUT]] trains, converts and measures.
# LISTS is what models/lists.py wrote; `converter` is on the PATH. A recipe sets labels, events (those
# that make some), training (options) and seed, and reads this file.
set -euo pipefail
here=$(dirname "$0") name=$(basename "$(dirname "$(realpath "$0")")")
lists=$1/$name seed=${2:-$seed} out=${3:-$here}
if [ -f "$lists/validation.csv" ]; then training+=(--validation "$lists/validation.csv"); fi
thresholds=()
for label in "${events[@]}"; do thresholds+=(--thresholds "$label=0.6"); done

rm -f "$out/$name.keras" # made here before; `converter train` replaces only what it knows as its own
converter train --data "$lists/train.csv" --test "$lists/test.csv" --labels "$labels" \
    "${training[@]}" --seed "$seed" --out "$out/$name.keras"
converter convert "$out/$name.keras" --calibration "$lists/train.csv" --data "$lists/test.csv" \
    --labels "$labels" --name "$name" "${thresholds[@]}" --out "$out/model.tflite"
if [ -f "$lists/all.csv" ]; then
    converter evaluate "$out/model.tflite" --data "$lists/all.csv" --slices "$lists/sources.csv"
fi
