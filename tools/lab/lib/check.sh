# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# "lab check": every test, on the host or in laboratory boots, and one sum.

CHECK_LIMIT=4200	# seconds for one kernel's tests
CHECK_LIMIT_DEBUG=14400	# if that is the debug kernel alone, with every program there is
CHECK_LIMIT_BOTH=4800	# for everything when both kernels are tested: CI allows 90 minutes
CHECK_SHARE=60		# percent of --within that are over when the stock kernel, which is first, ends
CHECK_LEAST=${CHECK_LEAST:-900}		# --within leaves at least these for each kernel's tests

# The folder's own word on a point (its settings file), e.g. where=host, append=...
check_setting()
{
	sed -n "s/^$2=//p" "$BUILD_DIR/selftests/$1/settings" 2>/dev/null | tail -n 1
}

# When both kernels are tested, time is short and the debug kernel slow: a folder may name
# the programs that go there (debug=...). "check --debug-kernel" runs them all.
check_left_out()
{
	local list

	[ "$OPT_BOTH" = 1 ] && [ "$OPT_DEBUG_KERNEL" = 1 ] || return 1
	list=$(check_setting "${1%%:*}" debug)
	case " ${list:-${1#*:}} " in
	*" ${1#*:} "*) return 1 ;;
	esac
}

# Those that show least for their time come last (late=...): a slow machine may not reach them.
# The vhost road's are first, all else stands on it.
check_rank()
{
	local t late rank

	while read -r t; do
		late=$(check_setting "${t%%:*}" late)
		[ "$OPT_DEBUG_KERNEL" = 0 ] || late+=" $(check_setting "${t%%:*}" debug_late)"
		rank=1
		case " $late " in
		*" ${t#*:} "*) rank=2 ;;
		*) [ "${t%%:*}" != vhost ] || rank=0 ;;
		esac
		echo "$rank $t"
	done | sort -s -n -k 1,1 | cut -d' ' -f2
}

# check_emit FOLDER TARGET [MAKE-OPTIONS]: FOLDER:PROGRAM lines from its Makefile.
check_emit()
{
	local dir=$1 target=$2
	shift 2

	make -s --no-print-directory -C "$BUILD_DIR/selftests/$dir" \
		OUTPUT="$BUILD_DIR/selftests/$dir" COLLECTION="$dir" "$@" "$target" \
		2>/dev/null | grep "^$dir:"
}

# Those that are no part of the check.
check_extended()
{
	# shellcheck disable=SC2016	# for make
	check_emit "$1" emit_extended --eval 'emit_extended: ; @printf "$(COLLECTION):%s\n" \
		$(notdir $(TEST_PROGS_EXTENDED) $(TEST_GEN_PROGS_EXTENDED))' | grep -v ':$'
}

# They run if --only names the program, not just its folder.
check_only_extended()
{
	[ -n "$OPT_ONLY" ] && ! grep -qE -- "$OPT_ONLY" <<<"$1:-"
}

# Sets CHECK_TESTS to FOLDER:PROGRAM lines, those that --only picks.
check_collect()
{
	local dir

	mapfile -t CHECK_TESTS < <(
		for dir in "$BUILD_DIR"/selftests/*/Makefile; do
			dir=$(basename "$(dirname "$dir")")
			check_emit "$dir" emit_tests || check_extended "$dir" >/dev/null ||
				warn "selftests/$dir: its Makefile names no tests (emit_tests of lib.mk)"
			! check_only_extended "$dir" || check_extended "$dir"
		done | grep -E -- "${OPT_ONLY:-.}" | check_rank)
	[ ${#CHECK_TESTS[@]} -gt 0 ] || die "no test matches '${OPT_ONLY:-}'"
}

check_on_host()
{
	[ "${1%%:*}" = core ] || [ "$(check_setting "${1%%:*}" where)" = host ]
}

# Programs that need no kernel of ours run right here.
check_host()
{
	local out=$RESULTS/host t list=()

	for t in "${CHECK_TESTS[@]}"; do
		check_on_host "$t" && list+=("$t")
	done
	[ ${#list[@]} -gt 0 ] || return 0
	mkdir -p "$out"
	say "${#list[@]} user-space test programs on this machine"
	LAB_OPTIONS=$([ "$OPT_DEBUG_KERNEL$OPT_BOTH" != 10 ] || echo --debug-kernel) \
		"$BUILD_DIR/selftests/lib/run_tests.sh" -o "$out" "${list[@]}"
	CHECK_RUNS+=("host=$out")
}

# check_lab LABEL: the others, in as few boots as possible. Folders that ask for other kernel
# parameters (append=) get a boot of their own.
check_lab()
{
	local label=$1 t append groups=() out=$RESULTS/$1/tap

	mkdir -p "$out"
	CHECK_RUNS+=("$label=$out")
	mapfile -t groups < <(for t in "${CHECK_TESTS[@]}"; do
		check_on_host "$t" || check_setting_line "${t%%:*}"
	done | sort -u)
	for append in "${groups[@]}"; do
		check_group "$label" "$out" "$append"
	done
}

check_setting_line()
{
	printf '%s\n' "$(check_setting "$1" append)"
}

# check_group LABEL OUT APPEND. A kernel that dies takes one test with it: the next boot
# goes on behind it.
check_group()
{
	local label=$1 out=$2 append=$3 t left=() boot=0 rc saved=$OPT_APPEND dir current scale=1

	for t in "${CHECK_TESTS[@]}"; do
		check_on_host "$t" && continue
		check_left_out "$t" && continue
		[ "$(check_setting "${t%%:*}" append)" = "$append" ] && left+=("$t")
	done
	[ "$OPT_DEBUG_KERNEL" = 0 ] || scale=4
	OPT_APPEND="$saved $append"
	while [ ${#left[@]} -gt 0 ]; do
		boot=$((boot + 1))
		dir=$RESULTS/$label/boot$(find "$RESULTS/$label" -maxdepth 1 -name 'boot*' | wc -l)
		mkdir -p "$dir/tap"
		say "$label: ${#left[@]} test programs${append:+, kernel parameters $append}"
		rc=0
		lab_boot "$dir" run "$(check_left)" \
			/trivio/selftests/lib/run_tests.sh -o /lab/tap -s "$scale" -b "$(check_budget)" \
			"${left[@]}" || rc=$?
		cp -f "$dir"/tap/* "$out/" 2>/dev/null
		[ ! -s "$dir/tap/lost" ] || sed "s/^/$label /" "$dir/tap/lost" >>"$RESULTS/emulator"
		mapfile -t left < <(for t in "${left[@]}"; do
			[ -e "$out/${t/:/.}.rc" ] || echo "$t"
		done)
		if [ ${#left[@]} -eq 0 ]; then
			check_verdict "$out" "$boot$append" "$rc" "$dir"
			break
		fi
		current=${left[0]}
		if check_emulator "$dir" "$label" "$current"; then
			continue
		fi
		echo "${VERDICT_WHY:-the laboratory ended early} (console: $dir/console)" \
			>"$out/${current/:/.}.crash"
		say "$label: $current did not come back: $VERDICT_WHY"
		left=("${left[@]:1}")
		if [ "$(check_left)" -le 60 ]; then
			for t in "${left[@]}"; do
				echo "no time was left to run it" >"$out/${t/:/.}.crash"
			done
			break
		fi
	done
	OPT_APPEND=$saved
}

# check_emulator DIR LABEL TEST: the boot was lost to a fault of the emulator's that is known
# (Documentation/lab.rst), so the program may run again, once. That is said at the end.
check_emulator()
{
	[ "$ACCEL" = tcg ] || return 1
	grep -a -m 1 'Oops: \|BUG: \|WARNING: ' "$1/console" | grep -q 'Oops: int3: 0000 \[#1\]' || return 1
	! grep -qsx "$2 $3" "$RESULTS/emulator" || return 1
	echo "$2 $3" >>"$RESULTS/emulator"
	say "$2: $3: the emulator ran a breakpoint that was gone already: once more"
}

# Seconds in which programs may still be started (--within), 0 for no end. Each kernel gets a quarter
# of an hour at least: where the debug kernel had to be built first, the rest may be gone.
check_budget()
{
	local within=$OPT_WITHIN secs least=$((CHECK_START + CHECK_LEAST - SECONDS))

	[ "$within" != 0 ] || { echo 0; return; }
	[ "$OPT_BOTH$OPT_DEBUG_KERNEL" != 10 ] || within=$((within * CHECK_SHARE / 100))
	secs=$((within - SECONDS))
	[ $secs -ge $least ] || secs=$least
	[ $secs -gt 0 ] || secs=1
	echo $secs
}

# Seconds that are left for this kernel.
check_left()
{
	local limit=$CHECK_LIMIT secs

	[ "$OPT_DEBUG_KERNEL" != 1 ] || [ "$OPT_BOTH" = 1 ] || limit=$CHECK_LIMIT_DEBUG
	secs=$((${OPT_TIMEOUT:-$limit} - (SECONDS - CHECK_START)))

	if [ "$OPT_BOTH" = 1 ] && [ $secs -gt $((CHECK_LIMIT_BOTH - SECONDS)) ]; then
		secs=$((CHECK_LIMIT_BOTH - SECONDS))
	fi
	[ $secs -gt 30 ] || secs=30
	echo $secs
}

# The end of a boot is a test as well: clean log, modules unloaded, nothing leaked. (A boot
# that ended early has failed the program that ran.)
check_verdict()
{
	local out=$1 n=${2//[^A-Za-z0-9]/_} rc=$3 dir=$4 name

	name=lab.boot_$n
	{
		echo "1..1"
		if [ "$VERDICT" = ok ] || [ "$VERDICT" = exit ]; then
			echo "ok 1 log scan, unload and leak scan"
		else
			echo "# $VERDICT_WHY"
			[ ! -s "$dir/splats" ] || sed 's/^/# /' "$dir/splats"
			grep -a '^LAB: ' "$dir/console" | tr -d '\r' | sed 's/^/# /'
			echo "not ok 1 log scan, unload and leak scan"
		fi
	} >"$out/$name.tap"
	echo "0 $BOOT_SECONDS 0" >"$out/$name.rc"
	verbose "boot ended: $VERDICT (exit $rc) after $BOOT_SECONDS s"
}

check_kernel()
{
	local BUILD_HOST_TESTS=1

	OPT_DEBUG_KERNEL=$1
	CHECK_START=$SECONDS
	[ "$OPT_BOTH" = 1 ] || BUILD_HOST_TESTS=
	lab_prepare
	check_collect
	if [ "$OPT_LIST" = 1 ]; then
		printf '%s\n' "${CHECK_TESTS[@]}"
		exit 0
	fi
	[ "${RESULTS:-}" ] || results_make check
	[ "$OPT_BOTH" = 1 ] || check_host
	CHECK_START=$SECONDS
	if [ "$OPT_DEBUG_KERNEL" = 1 ]; then
		check_lab debug
	else
		# vdpa's diff_fuzz and diff_net compare with it; the debug kernel has its own
		case "${CHECK_TESTS[*]}" in
		*vdpa:diff_fuzz* | *vdpa:diff_net*) sim_prepare ;;
		esac
		check_lab stock
	fi
}

# Both kernels, one after the other. The stock kernel's laboratory bears company: what needs none runs
# beside it, and the debug kernel is built there. The debug kernel bears none: it
# waits for memory, of which two have half (Documentation/lab.rst). What both need is there before they start, or the two
# would meet in apt and in the cache.
check_both()
{
	local pid rc=0

	need_packages "for both kernels" "${PACKAGES_RUN[@]}" "${PACKAGES_BUILD[@]}" \
		"${PACKAGES_GUEST[@]}" "${PACKAGES_KERNEL_BUILD[@]}"
	stock_kernel_prepare
	KERNEL_STOCK=1
	lab_initrd_prepare
	accel_choose
	build_environment
	source_prepare
	guest_image_prepare
	[ "${RESULTS:-}" ] || results_make check
	check_branch host &
	pid=$!
	check_branch stock || rc=$?
	wait $pid || rc=$?
	check_branch debug || rc=$?
	[ $rc = 0 ] || die "the laboratory could not run all tests (see above); results so far: $RESULTS"
	mapfile -t CHECK_RUNS < <(cat "$RESULTS"/runs.*)
}

# check_branch stock|debug|host: in a process of its own, whose lines say which; it leaves behind a
# file with the names of its results.
check_branch()
{
	local label

	printf -v label '%-6s ' "$1"
	(check_branch_here "$1") > >(sed -u "s/^/$label/") 2> >(sed -u "s/^/$label/" >&2)
}

check_branch_here()
{
	local CHECK_RUNS=()

	"check_branch_$1"
	printf '%s\n' "${CHECK_RUNS[@]}" >"$RESULTS/runs.$1"
}

check_branch_stock()
{
	check_kernel 0
}

check_branch_debug()
{
	check_kernel 1
}

check_branch_host()
{
	local BUILD_HOST_TESTS=

	renice -n 19 "$BASHPID" >/dev/null
	OPT_DEBUG_KERNEL=1
	lab_prepare
	check_collect
	check_host
	[ "$OPT_STATIC" = 0 ] || check_static
}

check_static()
{
	local out=$RESULTS/static

	mkdir -p "$out"
	say "static checks"
	"$LAB_DIR/style.sh" -o "$out" || true
	CHECK_RUNS+=("static=$out")
}

# The table of hostile cases, from what was found; a part of the tests has a part of them.
check_cases()
{
	[ -z "$OPT_ONLY" ] || return 0
	"$LAB_DIR/ktap.py" --out "$RESULTS" "${CHECK_RUNS[@]}" >/dev/null
	say "hostile cases: $("$LAB_DIR/cases.py" --out "$RESULTS/hostile-cases.rst" \
		"$RESULTS/results.json")"
}

cmd_check()
{
	local json=() rc=0

	CHECK_RUNS=()
	need_packages "to sum up results, and the clients the tests drive" python3 "${PACKAGES_CHECK[@]}"
	[ "$OPT_JSON" = 0 ] || json=(--json)
	if [ "$OPT_JSON" = 1 ]; then
		exec {json_fd}>&1 1>&2
	else
		exec {json_fd}>&1
	fi
	[ "$OPT_STATIC" = 0 ] || need_packages "static checks" "${PACKAGES_STATIC[@]}"
	if [ "$OPT_STATIC" = 1 ] && [ "$OPT_BOTH" = 0 ]; then
		results_make check
		stock_kernel_prepare
		build_environment
		source_prepare
		check_static
	fi
	if [ "$OPT_BOTH" = 1 ] && [ "$OPT_LIST" = 0 ]; then
		check_both
	else
		check_kernel "$OPT_DEBUG_KERNEL"
	fi
	check_cases
	[ ! -s "$RESULTS/emulator" ] || say "lost to the emulator once, and run again: $(sort "$RESULTS/emulator" | paste -sd,)"
	"$LAB_DIR/ktap.py" --out "$RESULTS" "${json[@]}" "${CHECK_RUNS[@]}" >&"$json_fd" || rc=$?
	return $rc
}

cmd_demo()
{
	local rc=0 BUILD_SOURCE=0 BUILD_TARGETS=(modules tools/trivio tools/lab/src)

	need_packages "the vhost-user backend beside trivio: DPDK's testpmd" "${PACKAGES_DEMO[@]}"
	lab_prepare
	results_make demo
	say "kernel $KERNEL_RELEASE on $ACCEL ($ACCEL_WHY)"
	lab_boot "$RESULTS" run "${OPT_TIMEOUT:-600}" /trivio/tools/lab/demo/demo.sh "${OPT_REST[@]}" || rc=$?
	if [ $rc != 0 ] && check_emulator "$RESULTS" lab demo; then
		rc=0
		results_make demo
		lab_boot "$RESULTS" run "${OPT_TIMEOUT:-600}" /trivio/tools/lab/demo/demo.sh \
			"${OPT_REST[@]}" || rc=$?
	fi
	say "$([ $rc = 0 ] && echo finished || echo FAILED) after $SECONDS s; $RESULTS/demo.json"
	return $rc
}

# The kernel's vDPA simulator, to compare with: Debian builds none. Sets SIM_DIR.
sim_prepare()
{
	SIM_DIR=$CACHE/vdpa-sim/$KERNEL_RELEASE
	[ ! -e "$SIM_DIR/done" ] || return 0
	source_prepare
	say "building the kernel's vdpa_sim, to compare with"
	(lock_cache vdpa-sim
	[ ! -e "$SIM_DIR/done" ] || exit 0
	logged "vdpa_sim" "$SIM_DIR.log" "$TOP_DIR/tools/bench/build-vdpa-sim.sh" \
		"$SOURCE_TREE" "$KERNEL_BUILD" "$SIM_DIR" && touch "$SIM_DIR/done") ||
		warn "no vdpa_sim: rows that compare with it will fail"
}

# What "bench -- --profile" counted, in profile.txt, too.
profile_tables()
{
	local f stems=()

	for f in "$RESULTS"/profile/*.counts; do
		[ ! -e "$f" ] || stems+=("${f%.counts}")
	done
	[ ${#stems[@]} = 0 ] || "$TOP_DIR/tools/bench/profile.py" "${stems[@]}" | tee "$RESULTS/profile.txt"
}

cmd_bench()
{
	local rc=0 BUILD_TARGETS=(modules tools)

	OPT_ICOUNT=1
	[ -x "$TOP_DIR/tools/bench/run" ] || die "no tools/bench/run in this tree"
	lab_prepare
	sim_prepare
	results_make bench
	[[ " ${OPT_REST[*]} " != *" --profile "* ]] ||
		OPT_QEMU+=(-plugin "$BUILD_DIR/tools/lab/src/insns.so,dir=$RESULTS")
	lab_boot "$RESULTS" run "${OPT_TIMEOUT:-3600}" /trivio/tools/bench/run \
		--sim "$SIM_DIR" "${OPT_REST[@]}" || rc=$?
	profile_tables >&2
	say "$([ $rc = 0 ] && echo finished || echo FAILED) after $SECONDS s; folder $RESULTS"
	return $rc
}
