#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The forecast beside reacting (load / 0.7) and the day before, on each trace: scaler.sh "DELAY..." [TRACE...]
set -eu
cd "$(dirname "$0")/../.."
delays=$1
shift

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
if [ $# -eq 0 ]; then
        for load in bursts growth noise; do
                python3 tests/bench/loads.py $load 21 > "$folder/$load.csv"
        done
        set -- "$folder"/*.csv
fi

echo "The last 40 % of each trace. Too few: the share of cycles with fewer workers ready than the load needed, at the mean pool of"
echo "reacting; \"by itself\": with the quantile that the scaler finds, and its pool against reacting's. At p90: how often the load ten"
echo "minutes on was at or below its 90 % forecast."
echo
printf '%-28s %6s  %9s  %9s  %6s  %9s  %10s %6s  %6s\n' \
        trace delay reactive predictive ratio "day before" "by itself" pool "at p90"
for trace; do
        for delay in $delays; do
                build/skep-forecast compare "$trace" --start-delay "$delay" --json > "$folder/json"
                python3 - "$trace" "$delay" "$folder/json" <<'P'
import json, os, sys

with open(sys.argv[3]) as file:
    c = json.load(file)
same = c["at_the_same_mean_pool"]


def percent(value):
    return "-" if value is None else f"{value * 100:.3f} %"


ratio = f"{same['predictive'] / same['reactive']:.2f}" if same["reactive"] and same["predictive"] is not None else "-"
pool = c["predictive"]["mean_ready"] / c["reactive"]["mean_ready"]
print(f"{os.path.basename(sys.argv[1]):28} {sys.argv[2] + ' s':>6}  {percent(same['reactive']):>9}  {percent(same['predictive']):>9}  "
      f"{ratio:>6}  {percent(same['seasonal_naive']):>9}  {percent(c['predictive']['time_under_provisioned']):>10} {pool:6.3f}  "
      f"{percent(c['at_or_below_p90'])[:4]:>4} %")
P
        done
done
