"""The extension modules: one that holds the C kernels, and the Cython floor above it, which knows OpenMP.

Switches, from the environment:

FASTBP_DEBUG=1                        hardly any optimisation, debug symbols, bounds checks in the Cython code
FASTBP_SANITIZE=address,undefined     instrumented by those sanitizers, with debug symbols
FASTBP_NO_OPENMP=1                    serial, as where the compiler has no OpenMP
FASTBP_CLANG_CL=clang-cl              on Windows: the compiler of the kernels, whose vectors Microsoft's lacks
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("FASTBP_DEBUG", "0") not in ("", "0")
SANITIZE = os.environ.get("FASTBP_SANITIZE", "")
CLANG_CL = os.environ.get("FASTBP_CLANG_CL", "")
NO_OPENMP = os.environ.get("FASTBP_NO_OPENMP", "0") not in ("", "0")

KERNEL_SOURCES = sorted(str(path) for folder in ("csrc", "csrc/isa") for path in Path(folder).glob("*.c"))
ENGINE_MODULES = sorted(path.stem for path in Path("src/fastbp/engine").glob("*.pyx") if path.stem != "kernels")
KERNEL_HEADERS = sorted(str(path) for path in Path("csrc").rglob("*.h"))

# Multiply and add may become one instruction, rounded once; nothing else may change a result. Comparisons
# may be turned into masks, and square roots into instructions, as nobody reads the floating-point flags or errno.
GNU_FLAGS = ["-ffp-contract=fast", "-fno-trapping-math", "-fno-math-errno", "-fvisibility=hidden"]
MSVC_FLAGS = ["/O2", "/fp:precise", "/std:c11", "/Zc:preprocessor"]
# clang-cl has no switch of its own for them, and takes the others as Microsoft's compiler does.
CLANG_CL_FLAGS = ["/O2", "/std:c11", *(f"/clang:{flag}" for flag in GNU_FLAGS[:3])]
# What Cython's memoryviews need, once; else every module has a copy of it, and a wheel has 1 MB more.
SHARED_MODULE = "fastbp.engine.shared_utility"
KERNELS_MODULE = "fastbp.engine.kernels"  # all that has vectors

# To try in turn, as (compile flags, link flags). Apple's clang takes the flag only through the preprocessor.
OPENMP_FLAGS = {
    "msvc": [(["/openmp"], [])],
    "darwin": [(["-Xpreprocessor", "-fopenmp"], ["-lomp"])],
    "unix": [(["-fopenmp"], ["-fopenmp"])],
}

# The one module that starts teams of threads. Where no module has this name the build fails: it would be serial.
OPENMP_MODULE = "fastbp.engine.team"

OPENMP_PROBE = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"


def general_flags(compiler_type: str) -> tuple[list[str], list[str]]:
    """Compile and link flags of every module."""
    if compiler_type == "msvc":
        return MSVC_FLAGS, []
    optimise = ["-O1", "-g", "-UNDEBUG"] if DEBUG or SANITIZE else ["-O3", "-g0"]
    sanitize = [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer"] if SANITIZE else []
    return GNU_FLAGS + optimise + sanitize, sanitize


class build_fastbp(build_ext):
    """Adds the flags, once the compiler is known; builds modules side by side."""

    def finalize_options(self):
        super().finalize_options()
        if self.parallel is None:
            self.parallel = True

    def build_extensions(self):
        compiler_type = self.compiler.compiler_type
        compile_flags, link_flags = general_flags(compiler_type)
        openmp_compile, openmp_link = self.openmp_flags(compiler_type)
        if OPENMP_MODULE not in {extension.name for extension in self.extensions}:
            raise LookupError(f"setup.py gives OpenMP to {OPENMP_MODULE}, and there is no module of that name.")
        for extension in self.extensions:
            extension.extra_compile_args += compile_flags
            extension.extra_link_args += link_flags
            if extension.name == OPENMP_MODULE:
                extension.extra_compile_args += openmp_compile
                extension.extra_link_args += openmp_link
        if CLANG_CL and compiler_type == "msvc":
            self.build_by_clang_cl([each for each in self.extensions if each.name == KERNELS_MODULE])
            self.extensions = [each for each in self.extensions if each.name != KERNELS_MODULE]
        super().build_extensions()

    def build_by_clang_cl(self, extensions):
        """Build modules with another compiler; alone, because all that are built at a time share one."""
        if not self.compiler.initialized:
            self.compiler.initialize()
        builtins = subprocess.check_output(
            [CLANG_CL, "/clang:--print-libgcc-file-name", "/clang:--rtlib=compiler-rt"], text=True
        )
        former, self.compiler.cc = self.compiler.cc, CLANG_CL
        try:
            for extension in extensions:
                extension.extra_compile_args = CLANG_CL_FLAGS
                extension.extra_objects = [builtins.strip()]  # which tell what the CPU has
                self.build_extension(extension)
        finally:
            self.compiler.cc = former

    def openmp_flags(self, compiler_type: str) -> tuple[list[str], list[str]]:
        """What makes OpenMP compile and link here; nothing, with a warning, where it does not."""
        if not NO_OPENMP:
            platform = "msvc" if compiler_type == "msvc" else "darwin" if sys.platform == "darwin" else "unix"
            for compile_flags, link_flags in OPENMP_FLAGS[platform]:
                if self.compiles(OPENMP_PROBE, compile_flags, link_flags):
                    return compile_flags, link_flags
        reason = "FASTBP_NO_OPENMP is set" if NO_OPENMP else "this compiler cannot build an OpenMP program"
        self.warn(
            f"fastbp is built WITHOUT OpenMP, because {reason}: it will use one thread only. Install OpenMP for your "
            "compiler (Linux: libgomp comes with gcc; macOS: brew install libomp) and build again."
        )
        return [], []

    def compiles(self, source: str, compile_flags: list[str], link_flags: list[str]) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "probe.c"
            path.write_text(source)
            try:
                objects = self.compiler.compile([str(path)], output_dir=folder, extra_postargs=compile_flags)
                self.compiler.link_executable(objects, str(Path(folder) / "probe"), extra_postargs=link_flags)
            except (OSError, subprocess.SubprocessError, self.compile_errors()):
                return False
        return True

    @staticmethod
    def compile_errors() -> type[Exception]:
        from setuptools.errors import CCompilerError

        return CCompilerError


def extension(name: str, sources: tuple[str, ...] = (), depends: tuple[str, ...] = ()) -> Extension:
    return Extension(
        f"fastbp.engine.{name}",
        sources=[f"src/fastbp/engine/{name}.pyx", *sources],
        depends=list(depends),
        include_dirs=["csrc"],
    )


setup(
    ext_modules=cythonize(
        [
            extension("kernels", tuple(KERNEL_SOURCES), tuple(KERNEL_HEADERS)),
            *(extension(name, depends=("csrc/fastbp.h",)) for name in ENGINE_MODULES),
            Extension(SHARED_MODULE, sources=["src/fastbp/engine/shared_utility.c"]),  # which Cython writes
        ],
        shared_utility_qualified_name=SHARED_MODULE,
        include_path=["src"],
        build_dir="build/cython",
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": DEBUG,
            "embedsignature": True,
        },
    ),
    cmdclass={"build_ext": build_fastbp},
)
