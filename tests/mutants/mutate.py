"""Mutation testing: a small change of one expression, and the tests that should notice it.

    python tests/mutants/mutate.py --seconds 3600      try mutants that are waiting, for so long
    python tests/mutants/mutate.py --list              what has been found out
    python tests/mutants/mutate.py --show 17           the change of one mutant
    python tests/mutants/mutate.py --again 17 --tests tests/data/test_frames.py
    python tests/mutants/mutate.py --engine ...        the same of the engine's Cython and the kernels' C

The mutants are drawn once, evenly over all places that can be changed, by a seed, and kept in mutants.json with what
became of each: waiting, killed (a test failed), slow (the tests did not end in time), survived, equivalent (read by
somebody, who says why no test can fail), or choice (read by somebody: a size or a shade of a picture, or a number that
was chosen by measurement, which no test should hold fast). With --coverage each is tried against the tests that run its
line (CONTRIBUTING.md says how to record them); without, or where no test was seen to run it, as in another process,
against the tests of its folder that name its module. A run goes on where the one before ended; --draw draws others in
the place of those whose code has changed.

With --engine an operator or a whole number of a .pyx or of csrc/ is changed (tokens.py), the module is built with it or
the kernels with one table of an instruction set after the other, until a test notices (builds.py), and the tests run
that covering.py names for the file. The list is mutants_engine.json. There are more verdicts: same, where the compiler
makes the code that it made before; "no build" where it makes none; and elsewhere, where only code changes that this
machine's CPU does not run, so that another machine may try it. A module that crashes is killed.
"""

import argparse
import collections
import json
import random
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import expressions
import tokens
from builds import Builds
from covering import Covering, other_instruction_sets, tests_of_engine
from trials import Trials

ROOT = expressions.ROOT
UNTRIED = "waiting", "elsewhere"
LANGUAGES = {".py": "Python", ".pyx": "Cython", ".c": "C", ".h": "C"}
COLUMNS = [
    ("noticed", ["killed"]),
    ("by a test that does not end", ["slow"]),
    ("survived", ["survived"]),
    ("changes nothing", ["equivalent", "same", "no build"]),
    ("a chosen number", ["choice"]),
    ("for other CPUs", ["elsewhere"]),
    ("not yet tried", ["waiting", "unclear", "no tests"]),
]


class Roll:
    """The list of mutants in one language, in its file."""

    def __init__(self, language):
        self.language = language

    def load(self):
        file = self.language.LIST
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []

    def save(self, mutants):
        text = "\n".join(["[", ",\n".join(json.dumps(each) for each in mutants), "]", ""])
        self.language.LIST.write_text(text, encoding="utf-8")

    def source_of(self, mutant):
        return (self.language.BASE / mutant["file"]).read_text(encoding="utf-8")

    def mutated(self, mutant):
        """Return (source of the changed file, before and after); None where the file no longer has what it changes."""
        if not (self.language.BASE / mutant["file"]).exists():
            return None
        return self.language.mutated(mutant, self.source_of(mutant))

    def note(self, mutant, state):
        """Write down what became of a mutant; others may have been looked at in the meantime."""
        mutants = self.load()
        for each in mutants:
            if _key(each) == _key(mutant) and "why" not in each:
                each["state"] = state
        self.save(mutants)

    def draw(self):
        """Draw mutants in the place of those whose code is no longer there; keep the others with what is known."""
        kept = [each for each in self.load() if self.mutated(each) is not None]
        known = {_key(each) for each in kept}
        drawn = [each for each in self._drawn() if _key(each) not in known]
        wanted = max(self.language.N_MUTANTS - len(kept), 0)
        kept += [drawn[k * len(drawn) // wanted] for k in range(wanted)]
        self.save(sorted(kept, key=lambda each: (each["file"], each["line"], each["column"])))

    def _drawn(self):
        """Return mutants, evenly over all places in the order of the files."""
        found = []
        for path in self.language.files():
            source = path.read_text(encoding="utf-8")
            file, lines = path.relative_to(self.language.BASE).as_posix(), source.splitlines()
            for line, column, text in sorted(self.language.places(source)):
                place = {"file": file, "line": line, "column": column, "text": text}
                found.append({**place, "source": lines[line - 1].strip(), "state": "waiting"})
        shift, n = random.Random(self.language.SEED).random(), self.language.N_MUTANTS
        return [found[int((k + shift) * len(found) / n)] for k in range(n)]


def _key(mutant):
    return mutant["file"], mutant["text"], mutant["source"], mutant["column"]


class Judge:
    """Tries mutants in a copy of the package."""

    def __init__(self, roll):
        self._roll = roll
        self._trials = Trials(ROOT)
        self._fail_anyway = {}  # test -> whether it fails without a mutant too, as on a busy machine

    def close(self):
        self._trials.close()

    def verdict(self, mutant, tests=None):
        """Return what becomes of a mutant, by these tests or by its own, and the test that noticed it or None."""
        made = self._roll.mutated(mutant)
        if made is None:
            return "moved", None  # the line has changed since: draw anew
        batches = [tests] if tests else self._batches(mutant)
        state, failed = self._tried(mutant, made[0], batches)
        return ("unclear" if state == "killed" and self._fails_anyway(failed) else state), failed

    def _tried_in(self, change, batches, chosen=""):
        """Run lists of tests, one after the other and each within a change, until one notices it."""
        state, failed = "no tests", None
        for tests in batches:
            with change():
                state, failed = self._trials.run(tests, chosen)
            if state != "survived":
                break
        return state, failed

    def _fails_anyway(self, test):
        if test is None or "::" not in test:
            return False
        if test not in self._fail_anyway:
            self._fail_anyway[test] = self._trials.run([test])[0] == "killed"
        return self._fail_anyway[test]


class PythonJudge(Judge):
    """Of mutants in Python."""

    def __init__(self, roll, coverage_file):
        super().__init__(roll)
        self._covering = Covering(ROOT, coverage_file)

    def _batches(self, mutant):
        line = self._roll.language.line_of(mutant, self._roll.source_of(mutant))
        return self._covering.batches(mutant["file"], line)

    def _tried(self, mutant, source, batches):
        return self._tried_in(partial(self._trials.changed, mutant["file"], source), batches)


class EngineJudge(Judge):
    """Of mutants in Cython and C, each in a build of its own."""

    def __init__(self, roll):
        super().__init__(roll)
        self._builds = Builds(ROOT)

    def close(self):
        self._builds.close()
        super().close()

    def _batches(self, mutant):
        return tests_of_engine(ROOT, mutant["file"])

    def _tried(self, mutant, source, batches):
        state, failed = "elsewhere", None
        with closing(self._builds.each(mutant["file"], source)) as builds:
            for module, built, isa in builds:
                if isinstance(built, str):
                    state = state if state == "survived" else built  # so far: another table may change
                    continue
                if not self._builds.runs(isa):
                    return (state if state == "survived" else "elsewhere"), None
                change = partial(self._trials.replaced, module, built, isa)
                chosen = other_instruction_sets(isa or self._builds.available[0])
                state, failed = self._tried_in(change, batches, chosen)
                if state != "survived":  # else what is compiled from the same lines may do more elsewhere
                    break
        return state, failed


def judge_of(roll, coverage_file=None):
    return EngineJudge(roll) if roll.language is tokens else PythonJudge(roll, coverage_file)


def try_waiting(roll, seconds, only, coverage_file):
    waiting = [each for each in roll.load() if each["state"] in UNTRIED and each["file"].startswith(only)]
    random.Random(roll.language.SEED).shuffle(waiting)  # a run that is cut short has seen something of everything
    waiting.sort(key=lambda each: each["state"] == "elsewhere")
    with closing(judge_of(roll, coverage_file)) as judge:
        until = time.monotonic() + seconds
        for mutant in waiting:
            if time.monotonic() > until:
                break
            began = time.monotonic()
            state, test = judge.verdict(mutant)
            print(f"{state} {mutant['file']}:{mutant['line']} in {time.monotonic() - began:.1f} s, {test}", flush=True)
            roll.note(mutant, state)


def try_again(roll, numbers, tests):
    """Try mutants against these tests, as those that were written for them."""
    with closing(judge_of(roll)) as judge:
        for mutant in [roll.load()[i] for i in numbers]:
            state, test = judge.verdict(mutant, [ROOT / each for each in tests])
            print(f"{state} {mutant['file']}:{mutant['line']}, {test}", flush=True)
            roll.note(mutant, state)


def tell(roll):
    for i, each in enumerate(roll.load()):
        if each["state"] == "survived":
            print(f"{i}: {each['file']}:{each['line']}: {each['source']}")
    print("\n".join(table_of_counts()))


def table_of_counts():
    """Return the lines of a table of what became of all mutants, as CONTRIBUTING.md has it; a test compares them."""
    states = collections.defaultdict(collections.Counter)
    for language in (expressions, tokens):
        for each in Roll(language).load():
            states[LANGUAGES[Path(each["file"]).suffix]][each["state"]] += 1
    rows = [("", "drawn", *(name for name, _ in COLUMNS)), ("---",) * (2 + len(COLUMNS))]
    for language, counts in states.items():
        rows.append((language, sum(counts.values()), *(sum(counts[each] for each in group) for _, group in COLUMNS)))
    return [f"| {' | '.join(map(str, row))} |".replace("|  |", "| |") for row in rows]


def show(roll, i):
    mutant = roll.load()[i]
    _, before, after = roll.mutated(mutant)
    print(f"{mutant['file']}:{mutant['line']}: {mutant['source']}\n    {before}\n    {after}\n{mutant['state']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", action="store_true", help="mutants of Cython and C")
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--show", type=int)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--only", default="", help="files that begin so, such as data/ or csrc/")
    parser.add_argument("--coverage", help="a file of coverage with the tests that run each line; of Python")
    parser.add_argument("--again", type=int, nargs="+", metavar="MUTANT", help="try these against --tests")
    parser.add_argument("--tests", nargs="+", default=["tests"], help="test files, for --again")
    options = parser.parse_args()
    roll = Roll(tokens if options.engine else expressions)
    if options.draw:
        roll.draw()
    if options.seconds:
        try_waiting(roll, options.seconds, options.only, options.coverage)
    if options.again:
        try_again(roll, options.again, options.tests)
    if options.show is not None:
        show(roll, options.show)
    if options.list:
        tell(roll)


if __name__ == "__main__":
    main()
