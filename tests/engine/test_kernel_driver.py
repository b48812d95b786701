"""The kernels where Python does not run them: by other compilers, for Arm in an emulator, for Windows under Wine.

``kernel_driver.c`` does one training step on the kernels alone, without engine and threads; here it is compiled in
several ways and its every figure is compared with the oracle. ``narrow_driver.c`` compares the products of rounded
operands itself. A compiler or an emulator that is missing is named.
"""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import reference as ref
from fastbp.engine import kernels

special = pytest.importorskip("scipy.special", reason="SciPy is the independent source of these functions")

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["-std=c11", "-O2", "-ffp-contract=fast"]

ACTIVATIONS = list(ref.ACTIVATIONS)  # in the order of fbp_activation
LOSSES = re.findall(r"X\(FBP_\w+, (\w+), [01], [01], [01]\)", (ROOT / "csrc" / "fastbp.h").read_text())  # by fbp_loss
KERNELS = re.findall(r"\(\*(\w+)\)\(", (ROOT / "csrc" / "fastbp.h").read_text())  # in the order of fbp_kernels
FROM_Z = ("cross_entropy", "cross_entropy_labels", "binary_cross_entropy", "focal", "policy_gradient")

NATIVE_ISAS = kernels.available_isas()
BUILDS = {
    # name: (compiler, its own flags, emulators that could run the program, instruction sets in it)
    "clang": ("clang", [], None, NATIVE_ISAS),
    "plain C": ("cc", ["-DFASTBP_PLAIN_C"], None, ["baseline"]),
    "cc": ("cc", ["-O0"], None, NATIVE_ISAS),  # for the tables alone; the package's own build is tested everywhere else
    "arm": ("aarch64-linux-gnu-gcc", ["-static"], ["qemu-aarch64", "qemu-aarch64-static"], ["neon", "baseline"]),
    # MinGW's headers and libraries, but never its compiler, which misaligns vectors on the stack there.
    "windows": ("clang", ["--target=x86_64-w64-mingw32", "-static"], ["wine64", "wine"], NATIVE_ISAS),
}
HERE = ("clang", "windows")  # with the vector kernels of this CPU
CASES = [(build, isa) for build, (_, _, _, isas) in BUILDS.items() if build != "cc" for isa in isas]

# hidden layers, last activation, loss: every activation and every loss at least once
NETWORKS = [
    (["relu", "gelu"], "softmax", "cross_entropy_labels"),
    (["leaky_relu", "tanh"], "softmax", "cross_entropy"),
    (["silu", "sigmoid"], "sigmoid", "binary_cross_entropy"),
    (["softmax", "linear"], "tanh", "mse"),
    (["relu"], "softmax", "mae"),
    (["tanh"], "gelu", "mse"),
    (["exp"], "tanh", "mse"),
    (["gelu_tanh", "elu"], "selu", "mse"),
    (["softplus", "softsign"], "mish", "mse"),
    (["hard_sigmoid", "hard_swish"], "softplus", "mae"),
    *[(["relu"], last, loss) for loss, last in ref.EXAMPLES if loss not in ("mse", "mae", "cross_entropy")],
]
LEARNING_RATE = 0.01
FIRST_STEPS = {  # in the order of fbp_optimizer: the numbers that are not the oracle's own
    "sgd": {"momentum": 0.9},
    "adam": {"amsgrad": True},
    "rmsprop": {"beta_2": 0.999, "momentum": 0.9, "centered": True},
    "adagrad": {"initial": 0.1, "epsilon": 1e-8},
    "adadelta": {"beta_2": 0.999, "epsilon": 1e-8},
    "adamax": {},
    "nadam": {},
    "radam": {},
    "lion": {"beta_2": 0.999},
    "rprop": {},
}
SHAPES = [(1, 1, [1, 1], 2), (45, 50, [37, 19], 5), (130, 16, [70, 33], 3)]  # n_samples, n_inputs, hidden, n_outputs


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """Build name -> the compiled kernels, each made once."""
    made = {}

    def get(build):
        if build not in made:
            made[build] = compile_kernels(build, tmp_path_factory.mktemp("kernels"))
        return made[build]

    return get


@pytest.fixture(scope="module")
def programs(tmp_path_factory, objects):
    """Build name -> the command that runs the driver, each made once."""
    made = {}

    def get(build):
        if build not in made:
            made[build] = compile_driver(build, tmp_path_factory.mktemp("driver"), objects(build))
        return made[build]

    return get


def compile_kernels(build, directory, csrc=ROOT / "csrc"):
    """The object files, compiled two at a time: the vector kernels take the longest of all."""
    command = [*compiler_of(build), *FLAGS, *BUILDS[build][1], f"-I{csrc}", "-c"]
    sources = sorted(csrc.rglob("*.c"))
    made = [directory / f"{source.stem}.o" for source in sources]

    def compile_one(source, to):
        result = subprocess.run([*command, source, "-o", to], capture_output=True, text=True, timeout=600, check=False)
        assert result.returncode == 0, result.stderr

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compile_one, sources, made))
    return made


def compiler_of(build):
    compiler, _, emulators, _ = BUILDS[build]
    need(build, compiler)
    need(build, *(emulators or [compiler]))  # before anything is compiled for it
    if build != "windows":
        return [compiler]
    if not os.environ.get("FASTBP_WINE"):
        pytest.skip("windows: Wine takes half a minute to compile for and to set up; FASTBP_WINE=1 runs it")
    mingw = need(build, "x86_64-w64-mingw32-gcc")
    libgcc = subprocess.check_output([mingw, "-print-libgcc-file-name"], text=True)
    return [compiler, f"-B{Path(libgcc).parent}", f"-L{Path(libgcc).parent}"]


def need(build, *names):
    """The first of these programs that is here."""
    for name in names:
        if shutil.which(name):
            return name
    return pytest.skip(f"{build}: there is no {' and no '.join(names)} here")


def compile_driver(build, directory, kernels_of_build, driver="kernel_driver.c"):
    _, flags, emulators, _ = BUILDS[build]
    prefix = [need(build, *emulators)] if emulators else []
    if build == "windows":
        subprocess.run([*prefix, "wineboot", "--init"], timeout=300, check=True)
    program = directory / ("driver.exe" if build == "windows" else "driver")
    sources = [ROOT / "tests" / driver, *kernels_of_build]
    command = [*compiler_of(build), *FLAGS, *flags, f"-I{ROOT / 'csrc'}", *sources, "-lm", "-o", program]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stderr
    return [*prefix, program]


@pytest.fixture(scope="module", autouse=True)
def _wine(tmp_path_factory):
    """Wine keeps its Windows in a folder that goes away, and its remarks to itself."""
    folder = tmp_path_factory.mktemp("wine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WINEDEBUG", "-all")
        patch.setenv("WINEPREFIX", str(folder / "prefix"))
        yield
        if (folder / "prefix").exists() and shutil.which("wineserver"):
            subprocess.run(["wineserver", "--kill", "--wait"], timeout=60, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def make_problem(network, shape, dtype, points):
    """The oracle's layers, X and targets, rounded to the dtype, and the same as the driver reads it."""
    hidden, last, loss = network
    name, parameters = ref.parse_loss(loss)
    n_samples, n_inputs, sizes, n_targets = shape
    n_outputs = n_targets * ref.outputs_a_target(loss)
    rng = np.random.default_rng(len(hidden) + n_samples)
    specs = [(n, name, 0.1) for n, name in zip(sizes, hidden, strict=False)] + [(n_outputs, last, 0.1)]
    layers = [
        ref.Layer(layer.W.astype(dtype).astype(float), layer.b.astype(dtype).astype(float), *layer[2:])
        for layer in ref.make_layers(rng, n_inputs, specs)
    ]
    X = rng.normal(size=(n_samples, n_inputs)).astype(dtype).astype(float)
    targets = ref.make_targets(rng, (name.removesuffix("_labels"), parameters), n_samples, n_targets)
    if name == "cross_entropy":
        targets = rng.random((n_samples, n_targets))
    if targets.ndim == 2:
        targets = targets.astype(dtype).astype(float)
    n_columns = n_targets if targets.ndim == 1 else targets.shape[1]
    words = [dtype == "float64", LOSSES.index(name), len(parameters), *parameters, n_columns]
    words += [n_samples, n_inputs, len(layers), LEARNING_RATE, len(points)]
    for i, layer in enumerate(layers):
        from_z = i == len(layers) - 1 and name in FROM_Z
        words += [layer.W.shape[1], ACTIVATIONS.index("linear" if from_z else layer.activation), layer.parameter]
        words += [*layer.W.T.ravel(), *layer.b]
    words += [*X.ravel(), *targets.ravel(), *points]
    return layers, X, targets, np.array(words, dtype=np.float64)


def solve(network, layers, X, targets, points):
    """What the driver should answer but for the updated weights: name -> array."""
    name, parameters = ref.parse_loss(network[2])
    loss = (name.removesuffix("_labels"), parameters)
    value, gradients = ref.loss_and_gradients(layers, X, targets, loss)
    Zs, As = ref.forward(layers, X)
    answer = {"loss": np.array([value]), "outputs": (Zs if name in FROM_Z else As)[-1]}
    for i, (dW, db) in enumerate(gradients):
        answer |= {f"dW{i}": dW.T, f"db{i}": db}
    answer |= {"exp": np.exp(points), "log": np.log(np.abs(points)), "tanh": np.tanh(points)}
    answer |= {"sigmoid": special.expit(points), "normal_cdf": special.ndtr(points)}
    answer |= {f"first step of {name}": first_step(name, points) for name in FIRST_STEPS}
    return answer | {"dropped": X * ref.dropout_factors(0.4, *X.shape, 2**40 + 5, 2**33 + 2, first_sample=7)}


def first_step(name, points):
    """The points after one step of that optimizer, their gradient being the points from the last to the first."""
    numbers = {"learning_rate": LEARNING_RATE} | FIRST_STEPS[name]
    if name != "rprop":
        numbers["weight_decay"] = 0.1
    layer = ref.Layer(points[None, :].copy(), np.zeros(1), "linear")
    ref.make_optimizer(name, numbers).step([layer], [(points[None, ::-1], np.zeros(1))])
    return layer.W[0]


def split_solutions(content, made, n_points):
    """The driver's answers to the problems made, in their order: of each, name -> array."""
    shapes = [shapes_of_solution(layers, X, n_points) for layers, X, _, _ in made]
    numbers = np.frombuffer(content)
    ends = np.cumsum([np.prod(shape) for of_one in shapes for shape in of_one.values()])
    assert len(numbers) == ends[-1]
    parts = iter(np.split(numbers, ends[:-1]))
    return [{name: next(parts).reshape(shape) for name, shape in of_one.items()} for of_one in shapes]


def shapes_of_solution(layers, X, n_points):
    """The driver's answer to one problem: name -> shape."""
    shapes = {"loss": (1,), "outputs": (len(X), layers[-1].W.shape[1])}
    for prefix in ("d", "updated "):
        for i, layer in enumerate(layers):
            shapes |= {f"{prefix}W{i}": layer.W.T.shape, f"{prefix}b{i}": layer.b.shape}
    shapes |= dict.fromkeys(("exp", "log", "tanh", "sigmoid", "normal_cdf"), (n_points,))
    shapes |= dict.fromkeys((f"first step of {name}" for name in FIRST_STEPS), (n_points,))
    return shapes | {"dropped": X.shape}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("build", "isa"), CASES)
def test_one_training_step_agrees_with_the_oracle(programs, build, isa, dtype):
    """One program solves all problems: Windows takes a second to start it."""
    program = programs(build)
    points = np.linspace(-8, 8, 1000).astype(dtype).astype(float)
    problems = [(network, shape) for network in NETWORKS for shape in SHAPES]
    made = [make_problem(network, shape, dtype, points) for network, shape in problems]
    sent = b"".join(words.tobytes() for *_, words in made)
    result = subprocess.run([*program, isa], input=sent, capture_output=True, timeout=300, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    solutions = split_solutions(result.stdout, made, len(points))
    for (network, shape), (layers, X, targets, _), got in zip(problems, made, solutions, strict=True):
        want = solve(network, layers, X, targets, points)
        compare(got, want, layers, dtype, f"{network}, {shape}")


@pytest.mark.parametrize("build", BUILDS)
def test_no_table_lacks_a_kernel_or_scratch(programs, build):
    """A member of fbp_kernels that kernels/all.h does not set is NULL, and its first caller would crash."""
    result = subprocess.run(programs(build), capture_output=True, text=True, timeout=120, check=False)
    assert missing_kernels(result.stderr) == []
    assert (result.returncode, result.stderr) == (0, "")
    tables = [f"{isa} {dtype}" for isa in BUILDS[build][3] for dtype in ("float32", "float64")]
    assert sorted(result.stdout.splitlines()) == sorted(tables)


@pytest.mark.parametrize("build", ["clang", "plain C", "arm", "windows"])
def test_narrow_products_are_those_of_rounded_operands(tmp_path, objects, build):
    """Sums in double of what the driver rounds by itself; on Arm by its instruction, which the emulator has."""
    program = compile_driver(build, tmp_path, objects(build), driver="narrow_driver.c")
    result = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    kinds = [line.rsplit(" ", 1)[0] for line in result.stdout.splitlines()]
    emulated = [f"{isa} emulated" for isa in NATIVE_ISAS if build in HERE]
    assert sorted(kinds) == sorted({"arm": ["neon native"]}.get(build, emulated) + native_rows(build))


@pytest.mark.parametrize("build", BUILDS)
def test_features_of_single_numbers_and_products_of_groups(tmp_path, objects, build):
    """Each kernel beside its formula in double, with C's own cosine."""
    program = compile_driver(build, tmp_path, objects(build), driver="groups_driver.c")
    result = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    tables = [f"{isa} {dtype}" for isa in BUILDS[build][3] for dtype in ("float32", "float64")]
    assert sorted(result.stdout.splitlines()) == sorted(tables)


def native_rows(build):
    """The rows of the CPU's own instructions: avx512's and AMX's, where this CPU has them."""
    former, found = kernels.isa(), []
    try:
        for wish, kind in (("always", "native"), ("amx", "amx")):
            kernels.select_isa(kernels.available_isas()[0], wish)
            if kernels.bf16() == kind and (build == "clang" or (build in HERE and kind == "native")):
                found.append(f"{kernels.isa()} {kind}")
        return found
    finally:
        kernels.select_isa(former)


def test_a_forgotten_row_of_the_table_is_found(tmp_path):
    csrc = tmp_path / "csrc"
    shutil.copytree(ROOT / "csrc", csrc)
    rows = (csrc / "kernels" / "all.h").read_text()
    row = "    .clip = NAME(clip),\n"
    assert row in rows
    (csrc / "kernels" / "all.h").write_text(rows.replace(row, ""))
    (tmp_path / "objects").mkdir()
    program = compile_driver("plain C", tmp_path, compile_kernels("plain C", tmp_path / "objects", csrc))
    result = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 4
    assert missing_kernels(result.stderr) == ["baseline, float32: clip", "baseline, float64: clip"]


def missing_kernels(message):
    """What the driver says is missing, kernels by their names."""
    found = re.findall(r"kernel_driver: (.*): kernel (\d+), ", message)
    return [f"{table}: {KERNELS[int(place)]}" for table, place in found]


def compare(got, want, layers, dtype, problem):
    tolerance = 3e-6 if dtype == "float32" else 1e-13
    for name, array in want.items():
        error = np.linalg.norm(got[name] - array) / max(np.linalg.norm(array), 1e-2)
        assert error < tolerance, f"{name} of {problem}: relative error {error:.1e}"
    for i, layer in enumerate(layers):
        for name, before in ((f"W{i}", layer.W.T), (f"b{i}", layer.b)):
            gradient = got[f"d{name}"]  # the driver's own: where it is next to nothing, its rounding decides the step
            after = before - LEARNING_RATE * gradient / (np.abs(gradient) + 1e-8)  # Adam's first step
            error = np.max(np.abs(got[f"updated {name}"] - after)) / (LEARNING_RATE + np.max(np.abs(after)))
            assert error < tolerance, f"updated {name} of {problem}: relative error {error:.1e}"
