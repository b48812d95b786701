"""Pack an sdist again, so that the same sources make the same bytes: python .ci/repack_sdist.py dist/*.tar.gz

setuptools writes into it when and by whom each file was made. Here all are of the time SOURCE_DATE_EPOCH, of nobody,
and in the order of their names.
"""

import gzip
import io
import os
import sys
import tarfile
from pathlib import Path


def of_nobody(member, seconds):
    member.mtime = seconds
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    member.pax_headers = {}
    return member


def repacked(content, seconds):
    """The bytes of the archive, packed again."""
    made = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as old,
        gzip.GzipFile("", "wb", 9, made, mtime=seconds) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda each: each.name):
            new.addfile(of_nobody(member, seconds), old.extractfile(member) if member.isfile() else None)
    return made.getvalue()


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_bytes(repacked(path.read_bytes(), int(os.environ["SOURCE_DATE_EPOCH"])))
        print(f"{path.name}: packed again")
