"""Look into the extension modules of the Linux wheels named on the command line, as the dynamic linker sees them.

What each of them gives out, what it needs, where it looks for that, and how new a C library has to be. It needs
pyelftools.
"""

import io
import sys
import zipfile
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

# Of the system, or grafted by auditwheel. Anything else is on the machine that built the wheel, and nowhere else.
OF_THE_SYSTEM = ("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "libgcc_s.so.1", "ld-linux-", "libc.musl-")
DEBUGGING = (".symtab", ".debug_info", ".debug_line")


def module_of(name):
    return Path(name).name.partition(".")[0]


def dynamic_entries(elf, tag):
    for section in elf.iter_sections():
        if isinstance(section, DynamicSection):
            yield from (entry for entry in section.iter_tags() if entry.entry.d_tag == tag)


def search_paths(elf):
    """Where the linker looks for libraries, as DT_RPATH and DT_RUNPATH say."""
    entries = [entry.rpath for entry in dynamic_entries(elf, "DT_RPATH")]
    entries += [entry.runpath for entry in dynamic_entries(elf, "DT_RUNPATH")]
    return [path for entry in entries for path in entry.split(":")]


def given_out(elf):
    """The names that other libraries may bind to."""
    symbols = elf.get_section_by_name(".dynsym").iter_symbols()
    return {each.name for each in symbols if each["st_shndx"] != "SHN_UNDEF" and each["st_info"]["bind"] != "STB_LOCAL"}


def newest_glibc(elf):
    """The newest version of glibc that a symbol needs, as (2, 14)."""
    versions = [(0,)]
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            names = [auxiliary.name for _, each in section.iter_versions() for auxiliary in each]
            versions += [tuple(map(int, name[6:].split("."))) for name in names if name.startswith("GLIBC_2")]
    return max(versions)


def problems_of(name, elf):
    """What is wrong with an extension module, as sentences."""
    module = module_of(name)
    problems = [f"{module} looks for libraries in {path}" for path in search_paths(elf) if "$ORIGIN" not in path]
    more = given_out(elf) - {f"PyInit_{module}", "_init", "_fini"}
    problems += [f"{module} gives out {symbol}" for symbol in sorted(more)]
    problems += [f"{module} has {part}" for part in DEBUGGING if elf.get_section_by_name(part) is not None]
    for entry in dynamic_entries(elf, "DT_NEEDED"):
        if not entry.needed.startswith((*OF_THE_SYSTEM, "libgomp")):
            problems.append(f"{module} needs {entry.needed}")
        if entry.needed.startswith("libgomp.so"):
            problems.append(f"{module} needs {entry.needed} of the system, not the one in the wheel")
    return problems


def check(path):
    """Print what a wheel's modules need, and return what is wrong."""
    problems, newest, with_openmp, count = [], (0,), [], 0
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not name.endswith(".so") or not name.startswith("fastbp/"):
                continue
            elf = ELFFile(io.BytesIO(archive.read(name)))
            problems += problems_of(name, elf)
            newest, count = max(newest, newest_glibc(elf)), count + 1
            if any(entry.needed.startswith("libgomp") for entry in dynamic_entries(elf, "DT_NEEDED")):
                with_openmp.append(module_of(name))
    if with_openmp != ["team"]:
        problems.append(f"the modules with OpenMP are {with_openmp}; expected team alone")
    print(f"{path.name}: {count} modules, which need glibc {'.'.join(map(str, newest))}")
    return problems


def main(paths):
    problems = [problem for path in map(Path, paths) for problem in check(path)]
    print("\n".join(problems) or "symbols, paths and libraries are as they should be")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
