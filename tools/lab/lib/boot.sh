# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# One laboratory boot: the QEMU command line, the channels, the verdict.

# Everything a boot needs that does not depend on the job.
lab_prepare()
{
	need_packages "to run the laboratory" "${PACKAGES_RUN[@]}"
	KERNEL_STOCK=
	if [ "${OPT_DEBUG_KERNEL:-0}" = 1 ]; then
		debug_kernel_prepare
	elif [ -n "${OPT_KERNEL:-}" ]; then
		named_kernel_prepare "$OPT_KERNEL"
	else
		stock_kernel_prepare
		KERNEL_STOCK=1
	fi
	lab_initrd_prepare
	accel_choose
	build_prepare
	guest_image_prepare
}

# results_make KIND: a fresh folder, RESULTS, and the link "latest".
results_make()
{
	local stamp

	stamp=$(date -u +%Y%m%d-%H%M%S)-$1
	RESULTS=$CACHE/results/$stamp
	mkdir -p "$CACHE/results"
	until mkdir "$RESULTS" 2>/dev/null; do
		stamp=$stamp+
		RESULTS=$CACHE/results/$stamp
	done
	ln -sfn "$stamp" "$CACHE/results/latest"
	results_prune
}

# Keep the newest 40 runs.
results_prune()
{
	local d

	find "$CACHE/results" -mindepth 1 -maxdepth 1 -type d | sort | head -n -40 |
	while read -r d; do
		rm -rf "$d"
	done
}

# job_write DIR KIND [CMD...]: what rc reads.
job_write()
{
	local dir=$1 JOB_KIND=$2 JOB_CMD=() JOB_NONCE JOB_MODULES JOB_UNLOAD JOB_BUILD_DIR
	local JOB_KERNEL_MODULES JOB_CWD JOB_TERM JOB_TTY_SIZE JOB_ALLOW JOB_HUNG_SECS
	shift 2

	JOB_CMD=("$@")
	JOB_NONCE=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
	JOB_MODULES=${OPT_MODULES:-1} JOB_UNLOAD=${OPT_UNLOAD:-1}
	JOB_BUILD_DIR=$BUILD_DIR JOB_KERNEL_MODULES=$KERNEL_MODULES
	JOB_CWD=/trivio JOB_TERM=${TERM:-linux} JOB_ALLOW=${OPT_ALLOW:-}
	JOB_TTY_SIZE=$(stty size 2>/dev/null </dev/tty || true)
	JOB_HUNG_SECS=150
	mkdir -p "$dir"
	cp "$LAB_DIR/guest/rc" "$dir/rc"
	declare -p JOB_KIND JOB_CMD JOB_NONCE JOB_MODULES JOB_UNLOAD JOB_BUILD_DIR \
		JOB_KERNEL_MODULES JOB_CWD JOB_TERM JOB_TTY_SIZE JOB_ALLOW JOB_HUNG_SECS >"$dir/job"
	{
		echo "export LAB_ACCEL=$ACCEL LAB_ICOUNT=${OPT_ICOUNT:-0}"
		echo "export LAB_DEBUG=${OPT_DEBUG_KERNEL:-0} LAB_JSON=${OPT_JSON:-0}"
		echo "export LAB_GUEST_DIR=$GUEST_DIR LAB_SLOW=$(lab_slowness)"
		echo "export LAB_KDIR=$KERNEL_BUILD LAB_TREE=$BUILD_DIR"
		echo "export KSFT_DIR=$KSFT_DIR KHDR_INCLUDES='-isystem $UAPI_DIR'"
		echo "export TRIVIO_LAB=1 TRIVIO_SIM=${SIM_DIR:-}"
	} >>"$dir/job"
	echo "$JOB_NONCE" >"$dir/nonce"
}

# By how much time limits are to be stretched in there.
lab_slowness()
{
	local f=1

	[ "$ACCEL" = kvm ] || f=3
	[ "${OPT_ICOUNT:-0}" = 0 ] || f=5
	[ "${OPT_DEBUG_KERNEL:-0}" = 0 ] || f=$((f * 4))
	echo $f
}

# qemu_args DIR KIND: the outer machine, in QEMU_ARGS.
qemu_args()
{
	local dir=$1 kind=$2 append

	accel_args
	append="console=ttyS0 panic=-1 oops=panic loglevel=4 rcupdate.rcu_cpu_stall_timeout=120"
	append+=" watchdog_thresh=60 net.ifnames=0"
	[ "$ACCEL" = kvm ] || append+=" mitigations=off"
	# What closes a device waits for RCU, which was half of a test's time and more. The debug
	# kernel has the grace periods that users have, and so has what is counted in instructions.
	[ "${OPT_DEBUG_KERNEL:-0}${OPT_ICOUNT:-0}" != 00 ] || append+=" rcupdate.rcu_expedited=1"
	[ "${OPT_DEBUG_KERNEL:-0}" = 0 ] || append+=" panic_on_warn=1 kmemleak=on"
	[ -z "${OPT_APPEND:-}" ] || append+=" $OPT_APPEND"
	QEMU_ARGS=(-M "${OPT_MACHINE:-q35}" "${ACCEL_ARGS[@]}" -m "${OPT_MEM:-3072}"
		-nodefaults -no-user-config -display none -nic none -no-reboot
		-kernel "$KERNEL_IMAGE" -initrd "$LAB_INITRD" -append "$append"
		-serial "file:$dir/console"
		-fsdev "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"
		-device virtio-9p-pci,fsdev=root,mount_tag=root
		-fsdev "local,id=job,path=$dir,security_model=none,multidevs=remap"
		-device virtio-9p-pci,fsdev=job,mount_tag=job
		-device virtio-serial-pci
		-chardev "file,id=status,path=$dir/status"
		-device virtserialport,chardev=status,name=trivio.status
		-chardev "file,id=out,path=$dir/stdout"
		-device virtserialport,chardev=out,name=trivio.out
		-chardev "file,id=err,path=$dir/stderr"
		-device virtserialport,chardev=err,name=trivio.err)
	if [ "$kind" = shell ]; then
		QEMU_ARGS+=(-chardev stdio,id=tty,signal=off
			    -device virtconsole,chardev=tty)
	fi
	[ ${#OPT_QEMU[@]} -eq 0 ] || QEMU_ARGS+=("${OPT_QEMU[@]}")
}

# lab_boot DIR KIND TIMEOUT CMD...: boot, run, judge. Sets VERDICT (ok, exit, kernel,
# hang, lab), VERDICT_WHY and returns the exit code for it.
lab_boot()
{
	local dir=$1 kind=$2 limit=$3 pid start=$SECONDS why=
	shift 3

	job_write "$dir" "$kind" "$@"
	: >"$dir/console"; : >"$dir/status"; : >"$dir/stdout"; : >"$dir/stderr"
	qemu_args "$dir" "$kind"
	printf '%q ' qemu-system-x86_64 "${QEMU_ARGS[@]}" >"$dir/qemu.cmd"
	verbose "booting $KERNEL_RELEASE ($ACCEL), console in $dir/console"

	if [ "$kind" = shell ]; then
		qemu-system-x86_64 "${QEMU_ARGS[@]}" 2>"$dir/qemu.err"
		[ ! -t 0 ] || stty sane
	else
		qemu-system-x86_64 "${QEMU_ARGS[@]}" >/dev/null 2>"$dir/qemu.err" </dev/null &
		pid=$!
		lab_trap "$pid"
		lab_follow "$dir" "$pid"
		lab_watch "$dir" "$pid" "$limit" || why=$?
		wait "$pid" 2>/dev/null
		wait "${FOLLOW_PIDS[@]}" 2>/dev/null
		trap - INT TERM
	fi
	BOOT_SECONDS=$((SECONDS - start))
	sed -i "/warning: TCG doesn't support requested feature/d" "$dir/qemu.err"
	lab_judge "$dir" "$why"
}

lab_trap()
{
	# shellcheck disable=SC2064
	trap "kill $1 2>/dev/null; exit 130" INT TERM
}

# Show the command's output while it comes. Polling, as the file grows under QEMU's hand.
lab_follow()
{
	FOLLOW_PIDS=()
	[ -z "${LAB_NO_FOLLOW:-}" ] || return 0
	tail -s 0.1 --pid="$2" -c +1 -f "$1/stdout" &
	FOLLOW_PIDS+=($!)
	tail -s 0.1 --pid="$2" -c +1 -f "$1/stderr" >&2 &
	FOLLOW_PIDS+=($!)
}

# Wait for QEMU; 1 = time was up, 2 = it did not switch itself off.
lab_watch()
{
	local dir=$1 pid=$2 limit=$3 start=$SECONDS ended=

	while kill -0 "$pid" 2>/dev/null; do
		if [ "$limit" -gt 0 ] && [ $((SECONDS - start)) -ge "$limit" ]; then
			kill "$pid"
			return 1
		fi
		if [ -z "$ended" ] && grep -q '^exit=' "$dir/status"; then
			ended=$SECONDS
		fi
		if [ -n "$ended" ] && [ $((SECONDS - ended)) -gt $((60 * $(lab_slowness))) ]; then
			kill "$pid"
			return 2
		fi
		sleep 0.1
	done
	return 0
}

lab_judge()
{
	local dir=$1 why=$2 rc nonce

	rc=$(sed -n 's/^exit=//p' "$dir/status" | tr -d '\r')
	nonce=$(cat "$dir/nonce")
	VERDICT=ok VERDICT_WHY=
	if grep -qaE 'Kernel panic|BUG: |KASAN: |^.{0,20}Oops' "$dir/console"; then
		VERDICT=kernel
		VERDICT_WHY=$(grep -aE 'Kernel panic|BUG: |KASAN: |WARNING: |Oops' "$dir/console" |
			head -n 1 | tr -d '\r')
	elif [ "$why" = 1 ]; then
		VERDICT=hang VERDICT_WHY="no end after $BOOT_SECONDS s"
	elif [ "$why" = 2 ]; then
		VERDICT=hang VERDICT_WHY="the command ended, the kernel did not switch off"
	elif ! grep -q '^up' "$dir/status"; then
		VERDICT=lab VERDICT_WHY="the laboratory did not come up"
		if grep -q '^loadfail' "$dir/status"; then
			VERDICT=kernel VERDICT_WHY="a module did not load"
		fi
	elif [ -z "$rc" ]; then
		VERDICT=kernel VERDICT_WHY="the kernel went away under the command"
	elif ! grep -q "^token=$nonce" "$dir/status"; then
		VERDICT=kernel VERDICT_WHY="no success token after the log scan"
	elif [ "$rc" != 0 ]; then
		VERDICT=exit VERDICT_WHY="the command ended with $rc"
	fi
	case $VERDICT in
	ok) return 0 ;;
	exit) return "$rc" ;;
	esac
	lab_report "$dir"
	case $VERDICT in
	hang) return "$LAB_EX_TIMEOUT" ;;
	kernel) return "$LAB_EX_KERNEL" ;;
	esac
	return "$LAB_EX_LAB"
}

lab_report()
{
	local dir=$1

	{
		echo "lab: FAILED: $VERDICT_WHY"
		[ ! -s "$dir/qemu.err" ] || { echo "--- QEMU says"; head -n 20 "$dir/qemu.err"; }
		[ ! -s "$dir/splats" ] || { echo "--- log scan"; head -n 20 "$dir/splats"; }
		echo "--- last lines of the console ($dir/console)"
		tr -d '\r' <"$dir/console" | tail -n "${LAB_TAIL:-40}"
		echo "---"
	} >&2
}
