#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The table of hostile cases, made from what a check run found (results.json). A test belongs
to the cases whose ids are in its name (R15_R16_ring_too_small), and to those that name it in
cases.list. Prints reStructuredText; --gate fails if a case that should be tested has failed
or was not run."""

import argparse
import json
import os
import re
import sys

ID = re.compile(r'(?<![A-Za-z0-9])([RILEKM]\d\d)(?![0-9])')
GROUPS = {'R': 'Rings and descriptors', 'I': 'Interfaces', 'L': 'Life times and races',
          'E': 'Exhaustion and fairness', 'K': 'Leaks', 'M': 'Log and migration'}


def cases_read(path):
    """List of {id, title, why, kind, also} in the order of the file."""
    cases = []
    with open(path, encoding='utf-8') as f:
        for line in f:
            line = line.rstrip('\n')
            if not line or line.startswith('#'):
                continue
            if line.startswith('='):
                kind, why = line[1:].split(' ', 1)
                cases[-1].update(kind=kind, why=why)
            elif line.startswith('~'):
                prog, regex = line[1:].strip().split(': ', 1)
                cases[-1]['also'].append((prog, re.compile(regex)))
            else:
                ident, title = line.split(' ', 1)
                cases.append({'id': ident, 'title': title, 'kind': 'test', 'why': '', 'also': []})
    return cases


def merged(paths):
    """Results of one run, or of several: of each program the last on each kernel."""
    runs = {}
    for path in paths:
        try:
            with open(path, encoding='utf-8') as f:
                for run in json.load(f)['runs']:
                    runs.setdefault(run['run'], {}) \
                        .update({prog['test']: prog for prog in run['tests']})
        except (OSError, ValueError, KeyError) as e:
            sys.exit(f'cases.py: {path}: {e} (run "tools/lab/lab check" first)')
    return {'runs': [{'run': run, 'tests': list(t.values())} for run, t in runs.items()]}


def short(name):
    """Variants and fixtures are not part of a test's name: ring.split.R01_x is R01_x."""
    m = ID.search(name)
    return name[m.start():].split(':')[0] if m else name.split(':')[0].split(', ')[0]


def tests_of(case, doc):
    """{(program, test): {run: [results]}} of one case."""
    found = {}
    for run in doc['runs']:
        for prog in run['tests']:
            for leaf in prog['results']:
                mine = case['id'] in ID.findall(leaf['name'])
                also = any(p == prog['test'] and r.search(leaf['name'])
                           for p, r in case['also'])
                if not mine and not also:
                    continue
                # a whole program that was named: one row, not one for each of its tests
                name = short(leaf['name']) if mine or any(
                    p == prog['test'] and r.pattern != '.' for p, r in case['also']) else 'all'
                found.setdefault((prog['test'], name), {}) \
                     .setdefault(run['run'], []).append(leaf['result'])
    return found


def verdict(results):
    """Of one kernel: fail before pass before skip."""
    for word in ('fail', 'pass', 'skip'):
        if word in results:
            return word
    return None


def judge(case, found):
    """Where the case stands, and its results by kernel."""
    runs = {}
    for by_run in found.values():
        for run, results in by_run.items():
            runs.setdefault(run, []).extend(results)
    runs = {run: verdict(r) for run, r in runs.items()}
    if case['kind'] == 'none':
        return 'does not apply', runs
    if 'fail' in runs.values():
        return 'FAIL', runs
    if 'pass' in runs.values():
        return 'pass', runs
    return 'not tested', runs


def table(rows, head):
    width = [max(len(r[i]) for r in rows + [head]) for i in range(len(head))]
    rule = '  '.join('=' * w for w in width)
    yield rule
    yield '  '.join(c.ljust(w) for c, w in zip(head, width)).rstrip()
    yield rule
    for r in rows:
        yield '  '.join((c or '\\').ljust(w) for c, w in zip(r, width)).rstrip()
    yield rule


def rows_of(case, found, state, runs):
    order = [r for r in ('host', 'static', 'stock', 'debug') if r in runs]
    result = ', '.join(f'{r} {runs[r]}' for r in order) if state in ('pass', 'FAIL') else state
    first = [case['id'], case['title'], result, '']
    if state in ('does not apply', 'not tested'):
        return [first[:3] + [case['why'] or 'no test has run']]
    rows = []
    for prog, name in sorted(found):
        rows.append(['', '', '', f'``{prog}`` {name}'])
    rows[0][:3] = first[:3]
    return rows


HEAD = '''.. SPDX-License-Identifier: GPL-2.0-only

=============
Hostile cases
=============

Made by ``tools/lab/cases.py`` from the results of a check; not to be edited. What each case does
is told here in a few words, how it is judged in Documentation/security.rst. Results are those of
the test run on this machine (host), of static checks, and on the stock and the debug kernel.
Several tests of one name are variants: split and packed rings, memory tables and IOTLB.
'''


def page(cases, doc):
    done = 0
    out = []
    states = {}
    for letter, title in GROUPS.items():
        rows = []
        for case in (c for c in cases if c['id'][0] == letter):
            found = tests_of(case, doc)
            state, runs = judge(case, found)
            states[case['id']] = state
            done += state == 'pass'
            rows += rows_of(case, found, state, runs)
        out += ['', title, '=' * len(title), '']
        out += table(rows, ['case', 'what is done', 'result', 'tests'])
    total = f'{done} of {len(cases)} cases pass'
    no = [c for c in cases if states[c['id']] == 'does not apply']
    rest = [i for i, s in states.items() if s in ('not tested', 'FAIL')]
    if no:
        verb = 'does' if len(no) == 1 else 'do'
        total += f", {len(no)} {verb} not apply ({', '.join(c['id'] for c in no)})"
    if rest:
        total += f", {len(rest)} are not tested or fail ({', '.join(rest)})"
    return HEAD + '\n' + total + '.\n' + '\n'.join(out) + '\n', total, states


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('--list', default=os.path.join(here, 'cases.list'), help='the catalogue')
    ap.add_argument('--out', help='write the page there, print the total')
    ap.add_argument('--gate', action='store_true', help='fail unless every case passes')
    ap.add_argument('results', nargs='+',
                    help='results.json of "lab check"; of several, later ones go over earlier ones')
    args = ap.parse_args()

    doc = merged(args.results)
    text, total, states = page(cases_read(args.list), doc)
    if args.out:
        with open(args.out, 'w', encoding='utf-8') as f:
            f.write(text)
        print(total)
    else:
        print(text, end='')
    if args.gate and any(s in ('FAIL', 'not tested') for s in states.values()):
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
