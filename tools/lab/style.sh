#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every static check: style.sh [-o DIR] [CHECK...]. With -o the results go to DIR as the
# test results do. Needs no laboratory boot. "make check-style" runs it.

set -u
LAB_DIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
TOP_DIR=$(cd "$LAB_DIR/../.." && pwd)
for f in "$LAB_DIR"/lib/*.sh; do
	# shellcheck source=/dev/null
	. "$f"
done

CHECKS=(sparse_w1 checkpatch coccinelle kernel_doc shellcheck python no_bug L24_no_bitfields
	K06_nospec file_size)
MAX_LINES=${MAX_LINES:-950}	# the aim is 700; nothing may outgrow this

# Files of the tree by pattern, without what was built. A checkout that belongs to another
# user is fine; a tree without git is taken as it is.
files()
{
	local f list

	list=$(cd "$TOP_DIR" && git -c safe.directory='*' ls-files -co --exclude-standard 2>/dev/null)
	[ -n "$list" ] || list=$(cd "$TOP_DIR" && find . -type f -not -path './.git/*' -printf '%P\n')
	while read -r f; do
		[ -e "$TOP_DIR/$f" ] && files_match "$f" "$@" && echo "$f"
	done <<<"$list"
}

files_match()
{
	local f=$1 pattern
	shift

	[ $# -gt 0 ] || return 0
	for pattern in "$@"; do
		# shellcheck disable=SC2053	# the pattern is one
		[[ $f == $pattern ]] && return 0
	done
	return 1
}

# Advice that only holds for kernel code: other helpers, other string functions.
USER_IGNORE=REPEATED_WORD,ARRAY_SIZE,EMBEDDED_FUNCTION_NAME,PREFER_DEFINED_ATTRIBUTE_MACRO
USER_IGNORE+=,STRNCPY,STRCPY,STRLCPY,VOLATILE,COMPLEX_MACRO,SPLIT_STRING,CONSTANT_COMPARISON,SSCANF_TO_KSTRTO
# table macros, harness macros that are several statements
USER_IGNORE+=,LEADING_SPACE,BRACES,MACRO_WITH_FLOW_CONTROL
# yield() in queue.c is meant: the producer it waits for is on the same CPU
KERNEL_IGNORE=YIELD
USER_IGNORE+=,MACRO_ARG_REUSE,PREFER_KERNEL_TYPES,MISSING_EOF_NEWLINE,NAKED_SSCANF,AVOID_EXTERNS

# shellcheck disable=SC2317	# called by name
check_checkpatch()
{
	local f bad=0 out ignore=()

	while read -r f; do
		ignore=(--ignore "$KERNEL_IGNORE")
		case $f in
		# stand-ins with the kernel's names, for files compiled in user space
		selftests/*/shim/*) continue ;;
		# the last: modules that tests load
		drivers/* | include/* | selftests/*/*/*) ;;
		*) ignore=(--ignore "$USER_IGNORE") ;;
		esac
		out=$(cd "$TOP_DIR" && perl "$SOURCE_TREE/scripts/checkpatch.pl" --no-tree --strict \
			--show-types --terse --quiet "${ignore[@]}" -f "$f" 2>&1) || true
		out=$(grep -E '(ERROR|WARNING)' <<<"$out")
		[ -z "$out" ] || { echo "$out"; bad=1; }
	done < <(files '*.c' '*.h')
	return $bad
}

# A build of its own, so that C=2 W=1 sees every file and disturbs nobody.
# shellcheck disable=SC2317
check_sparse_w1()
{
	local dir log m

	dir=$CACHE/build/$(printf '%s' "$TOP_DIR" | sha256sum | cut -c1-10)-style
	log=$dir.log
	mkdir -p "$dir"
	rsync -a --delete --delete-excluded --exclude=/.git --filter=':- .gitignore' "$TOP_DIR/" "$dir/" || return 1
	: >"$log"
	# Modules that tests load have Kbuild files of their own.
	for m in "$dir" "$dir"/selftests/*/*/Kbuild; do
		[ -e "$m" ] || continue
		make -s -C "$KERNEL_BUILD" M="${m%/Kbuild}" C=2 W=1 \
			CF=-D__CHECK_ENDIAN__ modules >>"$log" 2>&1 || { tail -n 30 "$log"; return 1; }
	done
	! grep -E '(warning|error):' "$log"
}

# shellcheck disable=SC2317
check_kernel_doc()
{
	local f bad=0 out

	while read -r f; do
		out=$(cd "$TOP_DIR" && perl "$SOURCE_TREE/scripts/kernel-doc" -none "$f" 2>&1)
		[ -z "$out" ] || { echo "$out"; bad=1; }
	done < <(files 'drivers/*.[ch]' 'include/*.h')
	return $bad
}

# The kernel's own semantic patches that fit code outside the tree; COCCI names one of them.
# shellcheck disable=SC2317
check_coccinelle()
{
	local c out bad=0 opts

	for c in "$SOURCE_TREE"/scripts/coccinelle/{free,locks,null,iterators,misc,api,tests}/*.cocci; do
		grep -q 'virtual report' "$c" || continue
		[[ $c == *${COCCI:-} ]] || continue
		case $c in
		# wants files of the whole tree, or only knows kmalloc style that 6.12 has left
		*/misc/struct_size.cocci | */api/device_attr_show.cocci | */misc/cond_no_effect.cocci) continue ;;
		esac
		opts=$(sed -n 's|^// Options: ||p' "$c" | head -n 1)
		# shellcheck disable=SC2086
		out=$(cd "$TOP_DIR" && timeout 120 spatch -D report --very-quiet $opts \
			--cocci-file "$c" --dir drivers 2>/dev/null | grep -E '^[^ ]+:[0-9]+')
		[ -z "$out" ] || { echo "$(basename "$c"): $out"; bad=1; }
	done
	return $bad
}

# shellcheck disable=SC2317
check_shellcheck()
{
	local list=()

	mapfile -t list < <(files | while read -r f; do
		case $f in
		*.sh) echo "$f" ;;
		*.[ch] | *.py | *.rst | *.md | *.yaml | *.config) ;;
		*) head -c 64 "$TOP_DIR/$f" | head -n 1 | grep -qaE '^#!.*\b(bash|sh)\b' && echo "$f" ;;
		esac
	done)
	(cd "$TOP_DIR" && shellcheck -x "${list[@]}")
}

# shellcheck disable=SC2317
check_python()
{
	local f bad=0

	while read -r f; do
		python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$TOP_DIR/$f" || bad=1
	done < <(files '*.py')
	return $bad
}

# Hosts run with panic_on_warn: nothing of ours may reach BUG or an unguarded WARN.
# shellcheck disable=SC2317
check_no_bug()
{
	! (cd "$TOP_DIR" && grep -nE '\b(BUG|BUG_ON|WARN|WARN_ON)\(' -r drivers include \
		--include='*.[ch]' | grep -vE '^[^:]+:[0-9]+:\s*(/?\*|//)')
}

# A bitfield that two contexts write loses one of the writes; a bool does not.
# shellcheck disable=SC2317
check_L24_no_bitfields()
{
	! (cd "$TOP_DIR" && grep -nE '^\s+(const )?(unsigned|signed|int|bool|u8|u16|u32|u64|struct [a-z_]+)[a-z ]*\s+\w+\s*:\s*[0-9A-Z_]+;' \
		-r drivers include/trivio --include='*.[ch]')
}

# An index that a guest or a caller chose goes through array_index_nospec() where it is used.
# The check knows such indexes by their names.
# shellcheck disable=SC2317
check_K06_nospec()
{
	! (cd "$TOP_DIR" && grep -nE '\[[^]]*\b(queue_sel|nla_get_u32|index|(f|s|a|ring)\.index)\b' \
		-r drivers --include='*.c' |
		grep -vE 'nospec|^[^:]+:[0-9]+:\s*(/?\*|//)|\[q->index|\[TRIVIO_')
}

# shellcheck disable=SC2317
check_file_size()
{
	local f n bad=0

	while read -r f; do
		n=$(wc -l <"$TOP_DIR/$f")
		[ "$n" -le "$MAX_LINES" ] || { echo "$f: $n lines, more than $MAX_LINES"; bad=1; }
	done < <(files 'drivers/*.[ch]')
	return $bad
}

# run_check CHECK [OUT]: says how it went, and how long it took; its result also goes to OUT.
run_check()
{
	local c=$1 out=${2:-} rc=0 start=$SECONDS text

	text=$("check_$c" 2>&1) || rc=1
	# One piece, as another check may speak at the same time.
	echo "$(printf '%-4s static:%-36s %s s' "$([ $rc = 0 ] && echo pass || echo FAIL)" "$c" $((SECONDS - start))
		[ $rc = 0 ] || { echo; head -n 40 <<<"$text" | sed 's/^/     | /'; })"
	if [ -n "$out" ]; then
		{
			echo "1..1"
			[ -z "$text" ] || echo "# ${text//$'\n'/$'\n'# }"
			[ $rc = 0 ] && echo "ok 1 $c" || echo "not ok 1 $c"
		} >"$out/$c.tap"
		echo "$rc $((SECONDS - start)) 0" >"$out/$c.rc"
	fi
	return $rc
}

main()
{
	local out='' c running=0 failed=0

	[ -n "$(files 'drivers/*.c')" ] || die "no source files found in $TOP_DIR"

	if [ "${1:-}" = -o ]; then
		out=$2
		shift 2
		mkdir -p "$out"
	fi
	[ $# -eq 0 ] || CHECKS=("$@")
	cache_init
	need_packages "static checks" "${PACKAGES_STATIC[@]}"
	stock_kernel_prepare
	source_prepare
	# As many at a time as there are processors: each keeps one busy.
	for c in "${CHECKS[@]}"; do
		if [ $running -ge "$(nproc)" ]; then
			wait -n || failed=1
			running=$((running - 1))
		fi
		run_check "$c" "$out" &
		running=$((running + 1))
	done
	while [ $running -gt 0 ]; do
		wait -n || failed=1
		running=$((running - 1))
	done
	return $failed
}

main "$@"
