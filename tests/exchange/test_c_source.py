"""Models as C source: what compilers make of it computes what predict does, and fits into small machines."""

import re
import subprocess

import numpy as np
import pytest

import fastbp as fb
from c_helpers import COMPILERS, Library, main_of_selftests, require, run
from fastbp.layers.activations import ACTIVATIONS
from layer_models import MODELS, N_INPUTS, make_model
from preparation_helpers import make_data, make_mixed
from preparation_helpers import make_model as make_prepared

TOLERANCES = {"float32": 1e-5, "float64": 1e-12}  # of the largest output


def make_all():
    """Name to model and rows: every layer, activation and preparation in both dtypes."""
    rng = np.random.default_rng(0)
    made = {}
    for dtype in TOLERANCES:
        rows = rng.normal(size=(20, N_INPUTS)).astype(dtype)
        for i, name in enumerate(MODELS):
            made[f"layers{i}_{dtype}"] = make_model(name, dtype)[0], rows
        for activation in ACTIVATIONS:
            layers = [fb.Dense(33, activation), fb.Dense(3)]
            made[f"{activation}_{dtype}"] = fb.Model(layers, inputs=N_INPUTS, dtype=dtype), 3 * rows
        tables = fb.Model([fb.Dense(8, "relu"), fb.Dense(2)], inputs=fb.Tabular(2, [7, 3], [4, 2]), dtype=dtype)
        codes = rows[:8, :4].copy()
        codes[:, 2] = [0, 6, 7, -1, 2.5, np.nan, np.inf, 1]
        made[f"tables_{dtype}"] = tables, codes
        X, y = make_data()
        prepared = make_prepared(dtype=dtype)
        prepared.build(X, y)
        made[f"numbers_{dtype}"] = prepared, X
        mixed, y = make_mixed()
        for i, categorical in enumerate([fb.OneHot(), [fb.Ordinal(), fb.Standardize()]]):
            model = make_prepared(fb.Columns(fb.Impute(indicator=True), categorical), dtype=dtype)
            model.build(mixed, y)
            made[f"mixed{i}_{dtype}"] = model, mixed
        grades = np.stack([rng.integers(0, 5, 99) * 1.5, rng.normal(size=99)], axis=1)
        model = make_prepared(fb.Columns(fb.Scale(), fb.Ordinal(), categories=[0]), targets=None, dtype=dtype)
        model.build(grades)
        grades[:3, 0] = [7.25, -0.0, np.nan]
        made[f"grades_{dtype}"] = model, grades
    return made


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """All models, their rows, and the folder of their sources."""
    folder, made = tmp_path_factory.mktemp("c"), make_all()
    for name, (model, _) in made.items():
        model.to_c(folder / f"{name}.c", name)
    return folder, made


def as_inputs(model, rows):
    """The numbers that the C function takes: text as codes, in its type."""
    if model.prepare is None:
        return np.asarray(rows, model.dtype)
    return np.asarray(model.feed.read(rows, "rows"), np.float64)


@pytest.mark.parametrize(
    "compiler", [name if name == "gcc" else pytest.param(name, marks=pytest.mark.slow) for name in COMPILERS]
)
def test_every_model(compiler, sources):
    require(compiler)
    folder, made = sources
    files = [folder / f"{name}.c" for name in made]
    library = Library(folder, compiler, COMPILERS[compiler], files, "-O0")
    for name, (model, rows) in made.items():
        expected = model.predict(rows)
        found = library.predict(name, as_inputs(model, rows), model.n_outputs, model.dtype)
        assert np.abs(found - expected).max() <= TOLERANCES[model.dtype.name] * np.abs(expected).max(), name
        assert library.selftest(name) == 0, name


@pytest.mark.slow
def test_every_model_on_arm_linux(sources):
    require("aarch64-linux-gnu-gcc", "qemu-aarch64")
    folder, made = sources
    (folder / "main.c").write_text(main_of_selftests(made))
    files = [folder / f"{name}.c" for name in made]
    compile_ = ["aarch64-linux-gnu-gcc", *COMPILERS["gcc"], "-O1", "-static", folder / "main.c", *files]
    run(*compile_, "-o", folder / "arm", "-lm")
    run("qemu-aarch64", folder / "arm")


BOARD = """\
MEMORY { flash (rx) : ORIGIN = 0x00000000, LENGTH = 4M  ram (rwx) : ORIGIN = 0x20000000, LENGTH = 4M }
SECTIONS {
    .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) } > flash
    .ARM.exidx : { *(.ARM.exidx*) } > flash
    .data : { *(.data*) } > ram
    .bss : { *(.bss*) *(COMMON) end = .; } > ram
}
"""
# Semihosting's call 0x18 ends the emulator; 0x20026 is "the application ended", the failure goes by another reason.
STARTUP = """\
extern int main(void);
void reset(void);
__attribute__((section(".vectors"), used)) static void *const vectors[2] = {(void *)0x20400000, (void *)reset};

void reset(void)
{
    *(volatile unsigned *)0xE000ED88 = 0xFu << 20; /* the floating-point unit */
    __asm__ volatile("dsb\\n isb");
    const int failed = main();
    register int call __asm__("r0") = 0x18;
    register int reason __asm__("r1") = failed ? 0x20024 : 0x20026;
    __asm__ volatile("bkpt 0xAB" : : "r"(call), "r"(reason));
    for (;;)
        ;
}
"""
CORTEX_M4 = ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]


def build_for_board(folder, main, files, output):
    (folder / "board.ld").write_text(BOARD)
    (folder / "startup.c").write_text(STARTUP)
    (folder / "board_main.c").write_text(main)
    gcc = ["arm-none-eabi-gcc", *CORTEX_M4, "-Os", "-std=gnu99", "-ffunction-sections", "-fdata-sections"]
    link = ["-nostartfiles", "-T", folder / "board.ld", "-Wl,--gc-sections", "--specs=nosys.specs"]
    objects = [folder / "startup.c", folder / "board_main.c", *files]
    run(*gcc, *link, *objects, "-o", output, "-lm")


def emulate(image):
    board = ["-machine", "mps2-an386", "-nographic", "-semihosting-config", "enable=on,target=native"]
    return subprocess.run(["qemu-system-arm", *board, "-kernel", str(image)], timeout=120, check=False).returncode


@pytest.mark.slow
def test_every_model_on_a_microcontroller(sources):
    """A Cortex-M4 of QEMU runs all self-tests; it sees one that fails."""
    require("arm-none-eabi-gcc", "qemu-system-arm")
    folder, made = sources
    strict = ["arm-none-eabi-gcc", *CORTEX_M4, *COMPILERS["gcc"], "-Os", "-fsyntax-only"]
    run(*strict, *(folder / f"{name}.c" for name in made))
    build_for_board(folder, main_of_selftests(made), [folder / f"{name}.c" for name in made], folder / "image.elf")
    assert emulate(folder / "image.elf") == 0
    build_for_board(folder, "int main(void) { return 1; }\n", [], folder / "failing.elf")
    assert emulate(folder / "failing.elf") != 0


def test_the_size_on_a_microcontroller(tmp_path):
    """16-64-64-4: 22,032 bytes of weights, at most 4 kB of flash besides with the self-test, and 1 kB of RAM."""
    require("arm-none-eabi-gcc", "arm-none-eabi-size")
    model = fb.Model([fb.Dense(64, "relu"), fb.Dense(64, "relu"), fb.Dense(4)], inputs=16)
    model.to_c(tmp_path / "net.c")
    build_for_board(tmp_path, main_of_selftests(["net"]), [tmp_path / "net.c"], tmp_path / "net.elf")
    text, data, bss = map(int, run("arm-none-eabi-size", tmp_path / "net.elf").splitlines()[1].split()[:3])
    assert 22_032 < text + data <= 22_032 + 4096
    assert data + bss <= 1024
    assert "Flash: 22,032 bytes of constants" in (tmp_path / "net.h").read_text()


def test_a_self_test_sees_another_weight(tmp_path):
    require("gcc")
    model = fb.Model([fb.Dense(5, "tanh"), fb.Dense(2)], inputs=3)
    model.to_c(tmp_path / "net.c")
    text = (tmp_path / "net.c").read_text()
    start = text.index("W_2[10] = {\n") + len("W_2[10] = {\n    ")
    (tmp_path / "net.c").write_text(text[:start] + "0.1f + " + text[start:])
    assert Library(tmp_path, "gcc", COMPILERS["gcc"], [tmp_path / "net.c"]).selftest("net") != 0


def test_a_gap_is_seen_in_the_outputs(tmp_path):
    """No activation makes a number of NaN."""
    require("gcc")
    for name in ACTIVATIONS:
        fb.Model([fb.Dense(20, name), fb.LayerNorm(), fb.Dense(2, name)], inputs=3).to_c(tmp_path / f"{name}.c", name)
    library = Library(tmp_path, "gcc", COMPILERS["gcc"], [tmp_path / f"{name}.c" for name in ACTIVATIONS])
    for name in ACTIVATIONS:
        assert np.isnan(library.predict(name, np.full((1, 3), np.nan, np.float32), 2, np.float32)).all(), name


def test_columns_and_classes_are_in_the_header(tmp_path):
    """Text of any kind: it neither ends the comment nor begins another."""
    require("gcc")
    rows = [["*/ /* ??/", 1.0], ["ü\\\n", 2.0], [None, 3.0]] * 9
    pd = pytest.importorskip("pandas")
    model = fb.Model([fb.Dense(2, "softmax")], prepare=fb.Columns(fb.Standardize(), fb.OneHot()))
    model.build(pd.DataFrame(rows, columns=["what */ is it", "size"]))
    model.classes = ["*/ x", "/* y"]
    model.to_c(tmp_path / "net.c")
    header = (tmp_path / "net.h").read_text()
    assert r"x[0] what * / is it: -1 unknown, NAN missing; 0 * / / * ? ?/, 1 \xfc\\\n" in header
    assert "* / x, / * y" in header
    Library(tmp_path, "gcc", COMPILERS["gcc"], [tmp_path / "net.c"])


def test_it_allocates_nothing_and_prints_nothing(sources):
    folder, made = sources
    for name in made:
        text = (folder / f"{name}.c").read_text() + (folder / f"{name}.h").read_text()
        assert not re.search(r"malloc|printf|<stdlib.h>|<stdio.h>|goto", text)
        assert re.findall(r"#include <(\S+)>", text) == ["math.h", "stddef.h"]


def test_threads_have_scratch_of_their_own(tmp_path):
    require("gcc")
    model = fb.Model([fb.Dense(40, "relu"), fb.Residual([fb.Dense(40, "gelu")]), fb.Dense(3)], inputs=4)
    model.to_c(tmp_path / "net.c")
    (n,) = re.findall(r"#define NET_SCRATCH (\d+)", (tmp_path / "net.h").read_text())
    assert int(n) == 80  # two buffers: the block adds to its input in place
    (body,) = re.findall(r"void net_predict_with\(.*?\n}", (tmp_path / "net.c").read_text(), re.DOTALL)
    assert "static" not in body


@pytest.mark.parametrize("name", ["", "2x", "a-b", "_x", "a" * 31, "é"])
def test_names_that_c_lacks_are_refused(name, tmp_path):
    model = fb.Model([fb.Dense(2)], inputs=3)
    with pytest.raises(ValueError, match=r"name is .*; expected a letter and up to 29 letters, digits and underscores"):
        model.to_c(tmp_path / "net.c", name)
    assert list(tmp_path.iterdir()) == []


def test_what_is_refused(tmp_path):
    model = fb.Model([fb.Dense(2)], inputs=3)
    with pytest.raises(TypeError, match=r"name is 3; expected text that begins names in C"):
        model.to_c(tmp_path / "net.c", 3)
    with pytest.raises(ValueError, match=r"path is .*net.cpp.*; expected a name that ends with .c"):
        model.to_c(tmp_path / "net.cpp")
    with pytest.raises(ValueError, match=r"16,781,312 weights; expected 16,777,216 at most"):
        fb.Model([fb.Dense(4096)], inputs=4096).to_c(tmp_path / "net.c")
    with pytest.raises(ValueError, match=r"the model is not built yet"):
        fb.Model([fb.Dense(3)]).to_c(tmp_path / "net.c")
    assert list(tmp_path.iterdir()) == []
