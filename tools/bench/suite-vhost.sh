# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The vhost road without a guest: vhost-bench plays driver and VMM on both nodes.

# Rows of vhost-bench are one a node; here is one a comparison. Packed rows have two: against
# in-tree vhost_net, and the worker's part against our own split ring, as the rest is the load
# generator's ring. Half a percent is what the same row differs by from run to run.
# shellcheck disable=SC2016	# jq's variables
VHOST_JQ='
	def cost($w): if $w then .worker else .total end;
	reduce .[] as $x ({ref: {}, split: {}, rows: []};
		if $x.ratio == null and ($x.node == $ref) then .ref[$x.case] = $x
		else .rows += [$x + {against: .ref[$x.case], split: .split[$x.case]}] |
			if $x.packed then . else .split[$x.case] = $x end end) |
	.rows[] | (.case | test("worker")) as $w | .packed as $p | (.against != null) as $c |
	([(.case + (if $p then ", packed" else "" end) +
	   (if .case == "ring size" then " \(.ring)" elif .case == "regions" then " \(.regions)" else "" end)),
	  (if $c then .against | cost($w) else "" end), cost($w),
	  (if $c and ($p | not) then .target else "" end)],
	 (select($p and $c and .split) |
	  ["\(.case | sub(" worker"; "")), packed to split, worker", .split.worker, .worker, 1.005])) |
	map(tostring) | join("|")'

suite_vhost()
{
	local json=$BENCH_TMP/vhost.json case ref ours asked

	modprobe -qa tun vhost_net
	for node in /dev/vhost-net /dev/trivio-vhost-net; do
		[ -c $node ] || bench_fail "$SUITE: no $node: load its module (make load)" || return 1
	done
	"$BENCH_DIR/vhost-bench" --table ${TEXT:+--only "$TEXT"} --json="$json" >&2 ||
		bench_fail "$SUITE: vhost-bench: a case could not run"
	while IFS='|' read -r case ref ours asked; do
		row "$case" "instr/packet" "$ref" "$ours" "$asked"
	done < <(jq -r --arg ref /dev/vhost-net "$VHOST_JQ" "$json")
	[ -z "${BENCH_PROFILE:-}" ] ||
		profile "vhost-bench" 0 "$BENCH_DIR/vhost-bench" --packets 12800
}
