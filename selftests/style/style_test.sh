#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Seeds one defect for each check of tools/lab/style.sh into a small tree and sees the check
# fail there; the same tree without it passes.

# shellcheck disable=SC2317	# seeds are called by name
KSFT_SKIP=4
HERE=$(cd "$(dirname "$0")" && pwd)
TOP=$(cd "$HERE/../.." && pwd)
[ -x "$TOP/tools/lab/style.sh" ] || { echo "tools/lab is not there"; exit $KSFT_SKIP; }
TREE=$(mktemp -d)
trap 'rm -rf "$TREE"' EXIT
# the copies' build folder, not that of the tree under test
export HOME=${HOME:-/root}

# A module of one file that no check has anything to say about.
tree_make()
{
	rm -rf "${TREE:?}"/*
	mkdir -p "$TREE/drivers/core" "$TREE/include/trivio" "$TREE/tools"
	cp -r "$TOP/tools/lab" "$TREE/tools/lab"
	cp "$TOP/.gitignore" "$TREE/.gitignore" 2>/dev/null || touch "$TREE/.gitignore"
	cp "$TOP/.shellcheckrc" "$TREE/" 2>/dev/null
	printf '# SPDX-License-Identifier: GPL-2.0-only\nobj-m += drivers/core/\n' >"$TREE/Kbuild"
	printf '# SPDX-License-Identifier: GPL-2.0-only\nobj-m += one.o\n' >"$TREE/drivers/core/Kbuild"
	cat >"$TREE/include/trivio/one.h" <<'END'
/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TRIVIO_ONE_H
#define TRIVIO_ONE_H

#include <linux/types.h>

int trivio_one(const __le16 *p);

#endif
END
	cat >"$TREE/drivers/core/one.c" <<'END'
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/slab.h>

#include "../../include/trivio/one.h"

/**
 * trivio_one() - a value
 * @p: where it is
 *
 * Return: the value.
 */
int trivio_one(const __le16 *p)
{
	return le16_to_cpu(*p);
}
EXPORT_SYMBOL_GPL(trivio_one);

MODULE_DESCRIPTION("one");
MODULE_LICENSE("GPL");
END
}

C=drivers/core/one.c

seed_checkpatch() { sed -i 's/^\treturn le16/        return le16/' "$TREE/$C"; }
seed_sparse_w1() { sed -i 's/le16_to_cpu(\*p)/(__force int)*p + (*p > 1)/' "$TREE/$C"; }
seed_kernel_doc() { sed -i '/@p: where/d' "$TREE/$C"; }
seed_coccinelle()
{
	cat >>"$TREE/$C" <<'END'

void trivio_two(void *p)
{
	if (p)
		kfree(p);
}
END
}
# shellcheck disable=SC2016
seed_shellcheck() { printf '#!/bin/bash\nrm -rf $1/*\n' >"$TREE/tools/lab/bad.sh"; }
seed_python() { printf 'def f(:\n' >"$TREE/tools/lab/bad.py"; }
seed_no_bug() { sed -i 's/^\treturn le16/\tWARN_ON(!p);\n&/' "$TREE/$C"; }
seed_L24_no_bitfields() { sed -i 's/^int trivio_one/struct trivio_bits {\n\tunsigned int a : 1;\n};\n\n&/' "$TREE/include/trivio/one.h"; }
seed_K06_nospec() { sed -i 's/^\treturn le16_to_cpu(\*p)/\treturn le16_to_cpu(p[queue_sel])/' "$TREE/$C"; }
seed_file_size() { yes '/* a line */' | head -n 960 >>"$TREE/$C"; }

# One semantic patch is enough to see that they are applied: all take minutes.
style()
{
	COCCI=free/ifnullfree.cocci "$TREE/tools/lab/style.sh" "$1" >"$TREE/out" 2>&1
}

checks=$(declare -F | sed -n 's/^declare -f seed_//p')
# none may be forgotten here
known=$(sed -n 's/^check_\([A-Za-z0-9_]*\)()$/\1/p' "$TOP/tools/lab/style.sh" | sort)
echo "TAP version 13"
echo "1..$(($(wc -w <<<"$checks") + 1))"
n=1 fail=0
if [ "$known" = "$(sort <<<"$checks")" ]; then
	echo "ok 1 every check of style.sh has a defect here"
else
	diff <(echo "$known") <(sort <<<"$checks") | sed 's/^/# /'
	echo "not ok 1 every check of style.sh has a defect here"
	fail=1
fi
for c in $checks; do
	n=$((n + 1)) word=ok
	tree_make
	style "$c" || { word="not ok"; echo "# without a defect:"; sed 's/^/# /' "$TREE/out"; }
	tree_make
	"seed_$c"
	if style "$c"; then
		word="not ok"
		echo "# the defect was not found"
	fi
	[ "$word" = ok ] || fail=1
	echo "$word $n $c fails on its defect, and only then"
done
exit $fail
