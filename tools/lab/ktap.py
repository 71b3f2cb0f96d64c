#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Sum up test results: a folder with NAME.tap and NAME.rc files (selftests/lib/run_tests.sh)
for each run. Writes results.json and results.ktap beside them, prints the failures, the
reason of each skip, and "N passed, N failed, N skipped" as the last line."""

import argparse
import json
import os
import re
import sys

RESULT = re.compile(r'^(?P<indent>\s*)(?P<ok>ok|not ok)\b\s*(?P<num>\d+)?\s*-?\s*(?P<name>[^#]*)'
                    r'(#\s*(?P<directive>SKIP|TODO|XFAIL|TIMEOUT)\b\s*(?P<reason>.*)?)?',
                    re.IGNORECASE)
PLAN = re.compile(r'^(?P<indent>\s*)1\.\.(?P<count>\d+)\s*(#\s*SKIP\s*(?P<reason>.*))?')
SKIP_EXIT = 4


def parse_ktap(text):
    """Leaf results of a KTAP text. A result that follows deeper ones is their summary
    and counts only if it fails although none of them did."""
    leaves = []
    pending = {}    # indent -> results since the last one of a smaller indent
    plans = {}
    for line in text.splitlines():
        plan = PLAN.match(line)
        if plan:
            depth = len(plan['indent'])
            plans[depth] = int(plan['count'])
            if plan['reason'] is not None and int(plan['count']) == 0:
                leaves.append({'name': 'all', 'result': 'skip', 'reason': plan['reason'].strip()})
            continue
        m = RESULT.match(line)
        if not m:
            continue
        depth = len(m['indent'])
        directive = (m['directive'] or '').upper()
        result = 'pass' if m['ok'].lower() == 'ok' else 'fail'
        if directive == 'SKIP':
            result = 'skip'
        elif directive in ('TODO', 'XFAIL'):
            result = 'pass'
        leaf = {'name': m['name'].strip() or m['num'] or '?', 'result': result}
        if result == 'skip':
            leaf['reason'] = (m['reason'] or '').strip() or 'no reason given'
        deeper = [l for d, ls in pending.items() if d > depth for l in ls]
        for d in [d for d in pending if d > depth]:
            del pending[d]
        if deeper:
            if result == 'fail' and not any(l['result'] == 'fail' for l in deeper):
                leaves.append(leaf)
            for l in deeper:
                l['name'] = leaf['name'] + '.' + l['name']
            pending.setdefault(depth, []).extend(deeper)
            continue
        leaves.append(leaf)
        pending.setdefault(depth, []).append(leaf)
    missing = 0
    if 0 in plans and not any(d > 0 for d in plans):
        missing = plans[0] - len([l for l in leaves if l['name'] != 'kernel log stays clean'])
    return leaves, missing


def read(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as f:
            return f.read()
    except FileNotFoundError:
        return ''


def load_test(folder, name):
    """One program's results: what it printed, checked against how it ended."""
    text = read(os.path.join(folder, name + '.tap'))
    end = read(os.path.join(folder, name + '.rc')).split(None, 3)
    leaves, missing = parse_ktap(text)
    rc = int(end[0]) if end and end[0].lstrip('-').isdigit() else None
    failed = any(l['result'] == 'fail' for l in leaves)
    if rc is None:
        why = read(os.path.join(folder, name + '.crash')).strip() or 'no result was written'
        leaves.append({'name': 'ends', 'result': 'fail', 'reason': why})
    elif rc == 124:
        leaves.append({'name': 'ends in time', 'result': 'fail', 'reason': 'timeout'})
    elif rc == SKIP_EXIT and not any(l['result'] == 'skip' for l in leaves):
        note = [l for l in text.splitlines() if 'skip' in l.lower()] or text.splitlines()[-1:]
        leaves.append({'name': 'all', 'result': 'skip',
                       'reason': (note or ['exit status 4'])[0].lstrip('# ').strip()})
    elif rc not in (0, SKIP_EXIT) and not failed:
        leaves.append({'name': 'ends well', 'result': 'fail', 'reason': f'exit status {rc}'})
    elif not leaves:
        leaves.append({'name': 'all', 'result': 'pass'})
    elif missing > 0 and rc == 0:
        leaves.append({'name': 'runs what it planned', 'result': 'fail',
                       'reason': f'{missing} results missing'})
    return {'test': name, 'exit': rc, 'seconds': int(end[1]) if len(end) > 1 else None,
            'results': leaves, 'text': text}


def load_run(spec):
    label, folder = spec.split('=', 1)
    names = sorted({os.path.splitext(f)[0] for f in os.listdir(folder)
                    if f.endswith(('.tap', '.rc', '.crash'))})
    return {'run': label, 'folder': folder, 'tests': [load_test(folder, n) for n in names]}


def ktap_write(path, runs):
    with open(path, 'w', encoding='utf-8') as f:
        tests = [(r, t) for r in runs for t in r['tests']]
        f.write(f'KTAP version 1\n1..{len(tests)}\n')
        for i, (r, t) in enumerate(tests, 1):
            f.write('  KTAP version 1\n')
            f.write(f"  1..{len(t['results'])}\n")
            for j, l in enumerate(t['results'], 1):
                word = 'not ok' if l['result'] == 'fail' else 'ok'
                tail = f" # SKIP {l['reason']}" if l['result'] == 'skip' else ''
                if l['result'] == 'fail' and l.get('reason'):
                    f.write(f"  # {l['reason']}\n")
                f.write(f"  {word} {j} {l['name']}{tail}\n")
            bad = any(l['result'] == 'fail' for l in t['results'])
            f.write(f"{'not ok' if bad else 'ok'} {i} {r['run']}/{t['test']}\n")


def skips_grouped(skips):
    """One line for all results of a program that were skipped for the same reason."""
    groups = {}
    for where, reason, name in skips:
        groups.setdefault((where, reason), []).append(name)
    return groups


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('--out', required=True, help='folder for results.json and results.ktap')
    ap.add_argument('--json', action='store_true', help='print the JSON, not the table')
    ap.add_argument('runs', nargs='+', metavar='LABEL=FOLDER')
    args = ap.parse_args()

    runs = [load_run(s) for s in args.runs]
    total = {'pass': 0, 'fail': 0, 'skip': 0}
    skips, fails = [], []
    for r in runs:
        for t in r['tests']:
            for l in t['results']:
                total[l['result']] += 1
                where = f"{r['run']}/{t['test']}"
                if l['result'] == 'skip':
                    skips.append((where, l['reason'], l['name']))
                elif l['result'] == 'fail':
                    fails.append((f"{where}: {l['name']}", l.get('reason', '')))
    ktap_write(os.path.join(args.out, 'results.ktap'), runs)
    doc = {'passed': total['pass'], 'failed': total['fail'], 'skipped': total['skip'],
           'runs': [{'run': r['run'], 'tests': [{k: v for k, v in t.items() if k != 'text'}
                                                for t in r['tests']]} for r in runs]}
    with open(os.path.join(args.out, 'results.json'), 'w', encoding='utf-8') as f:
        json.dump(doc, f, indent=1)
    line = f"{total['pass']} passed, {total['fail']} failed, {total['skip']} skipped"
    if args.json:
        json.dump(doc, sys.stdout, indent=1)
        print()
        print(line, file=sys.stderr)
        return 1 if total['fail'] or not total['pass'] else 0
    print()
    print(f"{'run/test':<46} {'pass':>5} {'fail':>5} {'skip':>5} {'s':>5}")
    for r in runs:
        for t in r['tests']:
            n = {k: sum(l['result'] == k for l in t['results']) for k in total}
            print(f"{r['run'] + '/' + t['test']:<46} {n['pass']:>5} {n['fail']:>5} {n['skip']:>5} "
                  f"{t['seconds'] if t['seconds'] is not None else '-':>5}")
    if skips:
        print('\nskipped:')
        for (where, reason), names in skips_grouped(skips).items():
            what = names[0] if len(names) == 1 else f'{len(names)} results ({names[0]}, ...)'
            print(f'  {where}: {what}: {reason}')
    if fails:
        print('\nFAILED:')
        for where, reason in fails:
            print(f'  {where}{": " + reason if reason else ""}')
    print(f"\nresults: {args.out}")
    print(line)
    return 1 if total['fail'] or not total['pass'] else 0


if __name__ == '__main__':
    sys.exit(main())
