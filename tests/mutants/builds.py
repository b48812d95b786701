"""The engine built with one change: a module of Cython, or the kernels with one instruction set's table changed."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

# As setup.py has them.
FLAGS = ["-DNDEBUG", "-fwrapv", "-fPIC", "-ffp-contract=fast", "-fno-trapping-math", "-fno-math-errno",
         "-fvisibility=hidden", "-O3", "-g0", "-Icsrc"]  # fmt: skip

# The tables that a header may be in, those that are built soonest first, and the FASTBP_ISA under which each is used.
TABLES = {"avx2": "avx2", "avx512_bf16": "avx512", "avx512": "avx512", "baseline": "baseline"}

ENGINE, KERNELS = "src/fastbp/engine", "kernels"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


class Builds:
    """A copy of the sources and of what was built from them, in which one file at a time is changed."""

    def __init__(self, root):
        self._holder = tempfile.TemporaryDirectory()
        self.folder = Path(self._holder.name)
        listing = ["git", "ls-files", "-z", "csrc", "src", "setup.py", "pyproject.toml"]
        tracked = subprocess.check_output(listing, cwd=root)
        for name in tracked.decode().split("\0")[:-1]:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, self.folder / name)
        if (root / "build").exists():
            shutil.copytree(root / "build", self.folder / "build", copy_function=shutil.copy2)
        for path in (root / ENGINE).glob(f"*{SUFFIX}"):
            shutil.copy2(path, self.folder / ENGINE)
        os.environ["CCACHE_BASEDIR"] = str(self.folder)
        self._compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC")).split()
        if not self._run([sys.executable, "setup.py", "build_ext", "--inplace"]):
            raise RuntimeError("the engine does not build without a change: python setup.py build_ext --inplace")
        self.available = self._instruction_sets()

    def _instruction_sets(self):
        """Return the instruction sets that this CPU runs, the best one first, as seen in a process of its own."""
        ask = "from fastbp.engine import kernels; print(*kernels.available_isas())"
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "src")}
        return subprocess.check_output([sys.executable, "-c", ask], env=environment, text=True).split()

    def close(self):
        self._holder.cleanup()

    def each(self, file, source):
        """Yield (a changed module's name, its file, FASTBP_ISA or None) of every module that the change may be seen in.

        Nothing where it does not compile; and the file is None where the compiler makes of it what it made before.
        """
        path = self.folder / file
        former, times = path.read_bytes(), path.stat()
        try:
            path.write_text(source, encoding="utf-8")
            yield from self._each_table(file) if file.startswith("csrc/") else self._each_module(path)
        finally:
            path.write_bytes(former)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def _each_module(self, path):
        built = path.with_name(path.stem + SUFFIX)
        former = built.read_bytes()
        files = [built, *self.folder.glob(f"build/**/{path.stem}.*")]
        with tempfile.TemporaryDirectory() as aside:
            for i, each in enumerate(files):
                shutil.copy2(each, Path(aside) / str(i))
            try:
                if self._run([sys.executable, "setup.py", "build_ext", "--inplace"]):
                    yield path.stem, None if built.read_bytes() == former else built, None
            finally:
                for i, each in enumerate(files):
                    shutil.copy2(Path(aside) / str(i), each)

    def _each_table(self, file):
        (objects,) = self.folder.glob("build/temp*")
        changed, module = self.folder / "changed.o", self.folder / f"{KERNELS}{SUFFIX}"
        stubs = {f"csrc/isa/{table}.c": isa for table, isa in TABLES.items()}
        here = sorted(stubs.items(), key=lambda stub: stub[1] not in self.available)
        for source, isa in [(file, stubs.get(file))] if file.endswith(".c") else here:
            former = objects / Path(source).with_suffix(".o")
            if not self._run([*self._compiler, *FLAGS, "-c", source, "-o", str(changed)]):
                continue
            if changed.read_bytes() == former.read_bytes():
                yield KERNELS, None, isa
                continue
            others = [path for path in objects.glob("csrc/**/*.o") if path != former]
            others += objects.glob(f"build/**/{KERNELS}.o")
            if self._run([*self._compiler, "-shared", str(changed), *map(str, others), "-o", str(module)]):
                yield KERNELS, module, isa

    def _run(self, command):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True).returncode == 0
