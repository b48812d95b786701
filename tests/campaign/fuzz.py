"""The campaign's files and calls, led by coverage: atheris (libFuzzer for Python) finds the cases that reach new lines.

    pip install atheris ".[test]"
    python tests/campaign/fuzz.py bytes folder -max_total_time=600

The first argument is what is fuzzed: ``bytes`` changes files byte by byte, ``files`` by their structure, ``calls``
calls what is public. The others are libFuzzer's: a folder that exists, in which it keeps cases from run to run, and its
options. It ends at the first case for which there is no documented exception with a sentence, and leaves that case in a
file; with the file
as an argument it is run again. pytest does not collect this file: it is for Linux, by hand and by night.
"""

import os
import random
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fastbp"]):
    import fastbp.ensembles.ensemble  # noqa: F401 - the package imports it later, where it would not be followed

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

import campaign_helpers  # noqa: E402

# libFuzzer has the alarm clock of the process, and its option -timeout.
campaign_helpers.time_limit = lambda seconds: warnings.catch_warnings()

from test_calls import try_call  # noqa: E402
from test_files import try_file, use  # noqa: E402

from campaign_files import LOAD, make_files  # noqa: E402


class RandomOfBytes(random.Random):
    """Random numbers that the fuzzer chooses: those of its bytes, and then zeros."""

    def __init__(self, data):
        super().__init__()
        self._provider = atheris.FuzzedDataProvider(data)

    def getrandbits(self, k):
        return self._provider.ConsumeIntInRange(0, (1 << k) - 1)

    def random(self):
        return self.getrandbits(53) / (1 << 53)


class UndocumentedError(Exception):
    """What ends the fuzzer: a case that neither works nor is refused by a sentence."""


def check(what, error):
    if error is not None:
        raise UndocumentedError(what) from error


def fuzz_files(files, folder):
    return lambda data: check(*try_file(RandomOfBytes(data), files, folder))


def fuzz_calls(files, folder):
    return lambda data: check(*try_call(RandomOfBytes(data)))


def fuzz_bytes(files, folder):
    """The first byte says as which kind of file the others are loaded."""
    usual = {kind: data for kind, _, data in files.values()}
    kinds = list(LOAD)

    def load(data):
        if not data:
            return
        kind = kinds[data[0] % len(kinds)]
        (folder / "changed").write_bytes(data[1:])
        try:
            loaded = LOAD[kind](folder / "changed")
        except ValueError as error:
            check("a file that cannot be loaded", None if campaign_helpers.is_sentence(error) else error)
            return
        try:
            use(kind, loaded, usual[kind], folder / "again")
        except (TypeError, ValueError, FloatingPointError) as error:  # it need not fit these data
            check("a file that was loaded", None if campaign_helpers.is_sentence(error) else error)

    return load


def seeds(files, folder):
    """Write the files as cases for the fuzzer to begin with; they are small, or it would not get far."""
    folder.mkdir()
    for name, (kind, path, _) in files.items():
        (folder / name).write_bytes(bytes([list(LOAD).index(kind)]) + path.read_bytes())
    return folder


WAYS = {"bytes": fuzz_bytes, "files": fuzz_files, "calls": fuzz_calls}


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in WAYS:
        sys.exit(f"expected one of {', '.join(WAYS)} and libFuzzer's arguments; see the top of this file")
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = make_files(folder)
        begin_with = [str(seeds(files, folder / "seeds"))] if sys.argv[1] == "bytes" else []
        options = ["-timeout=60", "-rss_limit_mb=0", "-max_len=20000", "-len_control=0"]
        options.append(f"-artifact_prefix={Path.cwd()}/")
        given = [argument if argument.startswith("-") else str(Path(argument).resolve()) for argument in sys.argv[2:]]
        if any(Path(argument).is_file() for argument in given):  # one case again
            begin_with = []
        os.chdir(folder)  # calls write where they are told to, often "f"
        atheris.Setup([sys.argv[0], *options, *given, *begin_with], WAYS[sys.argv[1]](files, folder))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
