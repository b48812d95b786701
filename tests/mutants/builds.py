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
STUBS = {f"csrc/isa/{table}.c": isa for table, isa in TABLES.items()}

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
        sources = [*STUBS, *(path.relative_to(root).as_posix() for path in root.glob("csrc/*.c"))]
        self._expansions = {source: self._expanded(source) for source in sources}

    def _instruction_sets(self):
        """Return the instruction sets that this CPU runs, the best one first, as seen in a process of its own."""
        ask = "from fastbp.engine import kernels; print(*kernels.available_isas())"
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "src")}
        return subprocess.check_output([sys.executable, "-c", ask], env=environment, text=True).split()

    def close(self):
        self._holder.cleanup()

    def each(self, file, source):
        """Yield (a changed module's name, its file, FASTBP_ISA or None) of every module that the change may be seen in.

        The file is "no build" where it does not compile, and "same" where the compiler makes of it what it made before.
        Nothing where only modules change that this CPU does not run.
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
                made = self._run([sys.executable, "setup.py", "build_ext", "--inplace"])
                yield path.stem, ("same" if built.read_bytes() == former else built) if made else "no build", None
            finally:
                for i, each in enumerate(files):
                    shutil.copy2(Path(aside) / str(i), each)

    def _each_table(self, file):
        (objects,) = self.folder.glob("build/temp*")
        changed, module = self.folder / "changed.o", self.folder / f"{KERNELS}{SUFFIX}"
        for source, isa in self._tables_with(file):
            former = objects / Path(source).with_suffix(".o")
            if not self._run([*self._compiler, *FLAGS, "-c", source, "-o", str(changed)]):
                yield KERNELS, "no build", isa
                continue
            if changed.read_bytes() == former.read_bytes():
                yield KERNELS, "same", isa
                continue
            others = [path for path in objects.glob("csrc/**/*.o") if path != former]
            others += objects.glob(f"build/**/{KERNELS}.o")
            if self._run([*self._compiler, "-shared", str(changed), *map(str, others), "-o", str(module)]):
                yield KERNELS, module, isa

    def _tables_with(self, file):
        """Return (source, FASTBP_ISA or None) of the tables that change, those that this CPU runs first; none without.

        After the tables what is compiled once for all of them. What the preprocessor makes of a source tells it at
        once, where the compiler takes half a minute.
        """
        sources = self._expansions if file.endswith(".h") else [file]
        changed = [(each, STUBS.get(each)) for each in sources if self._expanded(each) != self._expansions.get(each)]
        changed.sort(key=lambda stub: not self.runs(stub[1]))
        return changed if changed and self.runs(changed[0][1]) else []

    def runs(self, isa):
        """Return whether this CPU runs an instruction set; None is for all."""
        return isa is None or isa in self.available

    def _expanded(self, source):
        command = [*self._compiler, "-E", "-P", "-Icsrc", source]
        return subprocess.run(command, cwd=self.folder, capture_output=True).stdout

    def _run(self, command):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True).returncode == 0
