#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Where executed instructions went, function by function.

"lab bench -- --profile" counts them (tools/lab/src/insns.c) and calls this. A profile is
three files: X.counts (address, instructions, times), X.syms (/proc/kallsyms of that
moment) and X.what (its name, and how many packets or requests it was, or 0).
"""
import argparse
import bisect
import collections
import json
import sys

USER = "(user space)"
UNKNOWN = "(below a guest, or unknown)"
# No function is longer: what lies further behind a symbol is somebody else's.
SPAN = 1 << 16


class Symbols:
    """Functions by address."""

    def __init__(self, path):
        found = {}
        with open(path, encoding="ascii", errors="replace") as f:
            for line in f:
                word = line.split()
                if len(word) >= 3 and word[1] in "tTwW":
                    module = word[3].strip("[]") if len(word) > 3 else "kernel"
                    found.setdefault(int(word[0], 16), (word[2], module))
        if 0 in found:
            raise ValueError(f"{path}: addresses are hidden: kernel.kptr_restrict=0 is needed")
        self.at = sorted(found)
        self.names = [found[a] for a in self.at]

    def find(self, addr):
        """(name, module, is its first instruction)"""
        if addr < 1 << 63:
            return USER, "-", False
        i = bisect.bisect_right(self.at, addr) - 1
        if i < 0 or addr - self.at[i] >= SPAN:
            return UNKNOWN, "-", False
        return *self.names[i], addr == self.at[i]


def read(stem):
    """A profile as {name, units, total, modules, functions}."""
    with open(stem + ".what", encoding="utf-8") as f:
        name, units = f.read().splitlines()[:2]
    symbols = Symbols(stem + ".syms")
    insns, calls, modules = (collections.Counter() for _ in range(3))
    module_of = {}
    with open(stem + ".counts", encoding="ascii") as f:
        for line in f:
            addr, n, times = line.split()
            func, module, entry = symbols.find(int(addr, 16))
            key = (func, module)
            module_of[key] = module
            insns[key] += int(n)
            modules[module if module != "-" else func] += int(n)
            if entry:
                calls[key] += int(times)
    return {
        "name": name,
        "units": int(units),
        "total": sum(insns.values()),
        "modules": dict(modules.most_common()),
        "functions": [{"name": k[0], "module": k[1], "instructions": n, "calls": calls[k]}
                      for k, n in insns.most_common()],
    }


def show(prof, top):
    """As a table; per packet or request if it is known how many there were."""
    total, per = prof["total"] or 1, prof["units"] or 1
    unit = "each" if prof["units"] else "instructions"
    print(f"\n{prof['name']}: {prof['total'] / per:.1f} instructions" +
          (f" each of {prof['units']}" if prof["units"] else ""))
    print(f"{unit:>14} {'%':>6} {'calls':>10}  function")
    for f in prof["functions"][:top]:
        tail = f" [{f['module']}]" if f["module"] not in ("kernel", "-") else ""
        calls = f"{f['calls'] / per:.2f}" if prof["units"] else str(f["calls"])
        print(f"{f['instructions'] / per:14.1f} {100 * f['instructions'] / total:6.2f} "
              f"{calls:>10}  {f['name']}{tail}")
    print("by module: " + ", ".join(f"{m} {100 * n / total:.1f} %" for m, n in
                                    list(prof["modules"].items())[:8]))


def main():
    """One table for each profile named."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                epilog="The files are in the run's folder, in profile/.")
    p.add_argument("profile", nargs="+", help="its files without .counts, .syms, .what")
    p.add_argument("--top", type=int, default=40, help="functions to show (40)")
    p.add_argument("--json", action="store_true", help="everything, as JSON")
    opt = p.parse_args()
    try:
        found = [read(stem) for stem in opt.profile]
    except (OSError, ValueError) as e:
        print(f"profile.py: {e}; made by: tools/lab/lab bench -- --only SUITE --profile",
              file=sys.stderr)
        return 1
    if opt.json:
        json.dump(found, sys.stdout, indent=1)
        print()
    else:
        for prof in found:
            show(prof, opt.top)
    return 0


if __name__ == "__main__":
    sys.exit(main())
