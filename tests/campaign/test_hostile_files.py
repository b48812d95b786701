"""Files changed by their structure: they load and work, or a documented exception says in a sentence why not."""

import pytest

import fastbp as fb
from campaign_files import LOAD, WAYS, make_files
from campaign_helpers import Findings, block_name, blocks, is_sentence, random_of, time_limit

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.filterwarnings("ignore"),  # what a warning says of strange numbers is not the subject
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("files"))


def use(kind, loaded, data, out):
    repr(loaded)
    if kind == "trainer":
        loaded.evaluate(*data)
        loaded.fit(*data, epochs=1, callbacks=[fb.EarlyStopping("loss")])
    else:
        loaded.predict(data)
    loaded.save(out)


def try_file(rng, files, folder):
    """Return (what was done, an error that should not be or None)."""
    name = rng.choice(list(files))
    kind, path, data = files[name]
    way, done, out, loaded = rng.choice(WAYS), [], folder / "changed", None
    way(rng, kind, path, out, done)
    try:
        with time_limit(30):
            loaded = LOAD[kind](out)
            use(kind, loaded, data, folder / "again")
    except (TypeError, ValueError, OSError) as error:
        refused = isinstance(error, (ValueError, OSError)) and "is not a" in str(error)
        if is_sentence(error) and (loaded is not None or refused):  # what is allowed in a file need not fit these data
            return None, None
        return f"{name}, {way.__name__}: {'; '.join(done)}", error
    except FloatingPointError as error:
        return (None, None) if loaded is not None else (f"{name}: {'; '.join(done)}", error)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{name}, {way.__name__}: {'; '.join(done)}", error
    return None, None


@pytest.mark.parametrize("block", blocks(300, 100_000, of=100), ids=block_name)
def test_changed_files(files, tmp_path, block):
    findings = Findings()
    for case in block:
        what, error = try_file(random_of("file", case), files, tmp_path)
        if error is not None:
            findings.add(case, error, what)
    findings.check()


def test_the_files_load_as_they_are(files, tmp_path):
    """The campaign proves something only if the files are good before they are changed."""
    for kind, path, data in files.values():
        use(kind, LOAD[kind](path), data, tmp_path / "again")
