#!/usr/bin/env bash
# What half and twice each constant of the learner cost: for each it changes a copy
# of the tree, runs the laboratory, and prints what moves. Usage:
#   bench/sensitivity.sh [SEEDS] [CONSTANT…]
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-8}
shift || true
scenarios="hard-1 hard-5 noise-1pct-l4 noise-2pct-l8 soft-l4 drift-slow-8 drift-quick-8 lag-1s-l4 lag-varying-l4 outsiders-30s pace-3s pace-level-l4-3s bucket fixed-minute penalty-30s hints-half-l2 mixed holding-l3 batch-cold batch-lag-cold batch-lag-learned"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
git ls-files -z | grep -zv '^e2e/\|^bench/\|_test.go$' | xargs -0 cp --parents -t "$tree"

measure() { # prints: scenario goodput-or-makespan refused, in percent
	(cd "$tree" && go build -o weir-lab ./cmd/weir && ./weir-lab lab $scenarios --seeds "$seeds" --json) |
		awk -v names="$scenarios" 'BEGIN { split(names, name, " ") } {
			good = ""; if (match($0, /"goodput":[0-9.]+/)) good = 100 * substr($0, RSTART+10, RLENGTH-10)
			if (match($0, /"makespan_ratio":[0-9.]+/)) good = -100 * substr($0, RSTART+17, RLENGTH-17)
			match($0, /"refused":[0-9.e-]+/); printf "%s %.2f %.2f\n", name[NR], good, 100 * substr($0, RSTART+10, RLENGTH-10)
		}'
}

# try CONSTANT FILE VALUE: what moves by more than a point, or a seventh of the refusals.
try() {
	cp "$tree/limit/$2" "$tree/kept.go.txt"
	sed -i -E "s#^(\s*$1\s*=\s*)[^/]*#\1$3 #" "$tree/limit/$2"
	if cmp -s "$tree/limit/$2" "$tree/kept.go.txt"; then
		echo "$1: not found in limit/$2" >&2
		return 1
	fi
	measure > "$tree/now"
	cp "$tree/kept.go.txt" "$tree/limit/$2"
	printf '%s = %s:' "$1" "$3"
	paste -d' ' "$tree/base" "$tree/now" | awk '{
		d = $5 - $2; r = $6 - $3
		if (d > 1 || d < -1 || r > 0.1 && r > $3 / 7 || r < -0.1 && r < -$3 / 7)
			printf " %s %+.1f/%+.2f", $1, d, r
	}'
	echo
}

measure > "$tree/base"
cat "$tree/base"
while read -r constant file half twice; do
	if [ $# -gt 0 ] && [[ " $* " != *" $constant "* ]]; then continue; fi
	try "$constant" "$file" "${half//_/ }"
	try "$constant" "$file" "${twice//_/ }"
done <<'CONSTANTS'
DefaultEager limit.go 0.0045 0.018
firstTokens limit.go 1.0 4.0
maxTokens limit.go 1.5 6.0
minTokens limit.go -0.5 -2.0
firstWait limit.go 5*time.Second 20*time.Second
maxWait limit.go 4*time.Minute 16*time.Minute
scoreRefused limit.go 1.25 5.0
scoreAccepted limit.go 0.135 0.54
scoreBad limit.go 4.0 16.0
maxRest limit.go 2500*time.Millisecond 10*time.Second
minRest limit.go 250*time.Millisecond time.Second
spacing limit.go 200*time.Millisecond 800*time.Millisecond
staleAfter limit.go 5*time.Minute 20*time.Minute
doubtAfter limit.go 30*time.Second 2*time.Minute
undecided limit.go 10*time.Second 40*time.Second
calmAtMost limit.go 15*time.Second time.Minute
shutFactor limit.go 25 100
maxGate limit.go 30*time.Second 2*time.Minute
awaits limit.go 2500*time.Millisecond 10*time.Second
patience limit.go 4 14
inTransit limit.go 10*time.Millisecond 40*time.Millisecond
lately limit.go 15*time.Minute time.Hour
shortCall limit.go 1500*time.Millisecond 6*time.Second
crashWithin limit.go 30*time.Second 2*time.Minute
mostLag limit.go 1750*time.Millisecond 7*time.Second
mostPace limit.go 6*time.Second 24*time.Second
paceProof limit.go 45*time.Second 3*time.Minute
gapProofs gap.go 3 12
lagClose gap.go 1.05 1.2
paceClose gap.go 1.025 1.1
gapNarrow gap.go 30*time.Millisecond 120*time.Millisecond
gapGuess gap.go 1.3 2.2
gapWide gap.go 2.0 8.0
gapMargin gap.go 15*time.Millisecond 60*time.Millisecond
gapLook gap.go 0.64 0.9
firstLook gap.go 100 400
soonLook gap.go 20 80
gapWiden gap.go 1.2 1.8
gapStrikes gap.go 10 40
windowSize window.go 16 64
forgets history.go time.Hour 4*time.Hour
CONSTANTS
