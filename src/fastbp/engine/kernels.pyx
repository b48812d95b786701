"""The one module that links the C kernels: which instruction set is in use, and the way to its functions."""

import os
import time

import numpy as np


cdef extern from "fastbp.h":
    const char **fbp_isa_names
    bint fbp_isa_available(const char *isa) nogil
    const fbp_kernels *fbp_kernels_for(const char *isa, fbp_dtype dtype) nogil
    int fbp_gains_by_bf16() nogil
    bint fbp_may_use_amx() nogil
    const fbp_narrow_kernels *fbp_narrow_kernels_for(const char *isa, fbp_bf16_kind kind) nogil
    int fbp_activation_named(const char *name) nogil
    bint fbp_stores_slope(fbp_activation activation) nogil
    int fbp_optimizer_named(const char *name) nogil
    const char *fbp_state_name(fbp_optimizer optimizer, int i) nogil
    int fbp_loss_named(const char *name) nogil
    bint fbp_takes_Z(fbp_loss loss) nogil
    bint fbp_averages_outputs(fbp_loss loss) nogil
    void fbp_philox(const uint32_t *counter, const uint32_t *key, uint32_t *out) nogil
    bint fbp_prefetches_writes() nogil
    bint fbp_gains_by_half_panels() nogil
    unsigned long fbp_flush_denormals() nogil
    void fbp_restore_denormals(unsigned long former) nogil


# The tables in use, one a dtype; the narrow products, or NULL; and how those were asked for: see select_isa.
cdef const fbp_kernels *_in_use[2]
cdef const fbp_narrow_kernels *_narrow = NULL
cdef bint _narrow_pays = False
_narrow_wish = ""

# Whether the system has been asked for AMX, and whether it has refused.
cdef bint _asked_for_amx = False
cdef bint _amx_refused = False

_BF16_WISHES = ("amx", "always", "emulate")
_BF16_KINDS = ("native", "emulated", "amx")  # by fbp_bf16_kind


cdef const fbp_kernels *kernels_in_use(fbp_dtype dtype) noexcept nogil:
    return _in_use[<int>dtype]


cdef const fbp_narrow_kernels *narrow_in_use() noexcept:
    _ask_for_amx()
    return _narrow


cdef void _choose_narrow() noexcept:
    """The narrow products that go with the instruction set in use, as they were asked for."""
    global _narrow, _narrow_pays
    cdef const char *isa_name = _in_use[0].isa
    _narrow = NULL
    _narrow_pays = True
    if _narrow_wish in ("", "amx") and not _amx_refused:
        _narrow = fbp_narrow_kernels_for(isa_name, FBP_BF16_AMX)
    if _narrow == NULL and _narrow_wish in ("", "always"):
        _narrow = fbp_narrow_kernels_for(isa_name, FBP_BF16_NATIVE)
        _narrow_pays = _narrow != NULL and (_narrow_wish == "always" or fbp_gains_by_bf16())
    if _narrow_wish == "emulate":
        _narrow = fbp_narrow_kernels_for(isa_name, FBP_BF16_EMULATED)


cdef void _ask_for_amx() noexcept:
    """Asks the system where AMX is to be used, as late as this: small signal stacks are refused from then on."""
    global _asked_for_amx, _amx_refused
    if _asked_for_amx or _narrow == NULL or _narrow.kind != FBP_BF16_AMX:
        return
    _asked_for_amx = True
    _amx_refused = not fbp_may_use_amx()
    if _amx_refused:
        _choose_narrow()


cdef bint narrow_pays() noexcept nogil:
    return _narrow_pays


cdef fbp_activation activation_named(str name) except *:
    cdef int activation
    key = name.encode()
    activation = fbp_activation_named(key)
    if activation < 0:
        raise ValueError(f"the kernels have no activation {name!r}")
    return <fbp_activation>activation


cdef bint stores_slope(fbp_activation activation) noexcept nogil:
    return fbp_stores_slope(activation)


cdef fbp_optimizer optimizer_named(str name) except *:
    cdef int optimizer
    key = name.encode()
    optimizer = fbp_optimizer_named(key)
    if optimizer < 0:
        raise ValueError(f"the kernels have no optimizer {name!r}")
    return <fbp_optimizer>optimizer


cdef list state_names(fbp_optimizer optimizer):
    cdef int i
    return [fbp_state_name(optimizer, i).decode() for i in range(FBP_STATES) if fbp_state_name(optimizer, i) != NULL]


cdef fbp_loss loss_named(str name) except *:
    cdef int loss
    key = name.encode()
    loss = fbp_loss_named(key)
    if loss < 0:
        raise ValueError(f"the kernels have no loss {name!r}")
    return <fbp_loss>loss


cdef bint loss_takes_Z(fbp_loss loss) noexcept nogil:
    return fbp_takes_Z(loss)


cdef bint averages_outputs(fbp_loss loss) noexcept nogil:
    return fbp_averages_outputs(loss)


cdef bint prefetches_writes() noexcept nogil:
    return fbp_prefetches_writes()


cdef bint gains_by_half_panels() noexcept nogil:
    return fbp_gains_by_half_panels()


cdef unsigned long flush_denormals() noexcept nogil:
    return fbp_flush_denormals()


cdef void restore_denormals(unsigned long former) noexcept nogil:
    fbp_restore_denormals(former)


def compiled_isas() -> list[str]:
    """Names of the instruction sets this build has kernels for, best first."""
    cdef Py_ssize_t i = 0
    names = []
    while fbp_isa_names[i] != NULL:
        names.append(fbp_isa_names[i].decode())
        i += 1
    return names


def available_isas() -> list[str]:
    """Names of those that this CPU and operating system run, best first."""
    return [name for name in compiled_isas() if fbp_isa_available(name.encode())]


def isa() -> str:
    """Name of the instruction set in use."""
    return _in_use[0].isa.decode()


def bf16() -> str | None:
    """How narrow products are made with the instruction set in use.

    By the tiles of AMX, "amx"; by an instruction on vectors, "native"; "emulated"; or None: not at all.
    """
    _ask_for_amx()
    return None if _narrow == NULL else _BF16_KINDS[<int>_narrow.kind]


def bf16_pays() -> bool:
    """Whether precision "bf16-mixed" makes narrow products: not where they would be slower than float32's."""
    _ask_for_amx()
    return _narrow_pays


def amx_refused() -> bool:
    """Whether this CPU has AMX, and the system has refused it to this process."""
    return _amx_refused


def select_isa(name: str, bf16: str | None = None) -> None:
    """Use the kernels of another instruction set for the networks made from now on.

    bf16 says how narrow products are made: "amx", in the tiles of AMX; "always", by the instruction on vectors, even a
    slow one; "emulate"; or "", by AMX, or by the instruction on vectors if it is faster than float32. None: as
    FASTBP_BF16 says.

    Raises
    ------
    ValueError
        If this build has no such kernels, or this machine cannot run them.
    """
    if name not in available_isas():
        raise ValueError(
            f"instruction set {name!r} is not available on this machine: choose one of {', '.join(available_isas())} "
            f"(compiled in: {', '.join(compiled_isas())})"
        )
    global _narrow_wish
    key = name.encode()
    _in_use[0] = fbp_kernels_for(key, FBP_FLOAT32)
    _in_use[1] = fbp_kernels_for(key, FBP_FLOAT64)
    _narrow_wish = os.environ.get("FASTBP_BF16", "") if bf16 is None else bf16
    _choose_narrow()


def _select_first() -> None:
    """The best there is, or what FASTBP_ISA forces."""
    wish = os.environ.get("FASTBP_BF16")
    if wish and wish not in _BF16_WISHES:
        raise ImportError(f"FASTBP_BF16 is {wish!r}, expected 'amx', 'always' or 'emulate': correct or unset it")
    forced = os.environ.get("FASTBP_ISA")
    if not forced:
        select_isa(available_isas()[0])
        return
    try:
        select_isa(forced)
    except ValueError as error:
        raise ImportError(
            f"FASTBP_ISA forces an instruction set that cannot be used: {error}, or unset FASTBP_ISA"
        ) from None


_select_first()


def permutation(seed: int, stream: int, n: int) -> np.ndarray:
    """The order in which an epoch (its number is the stream) takes n samples: int64, shape (n,)."""
    result = np.empty(n, dtype=np.int64)
    cdef int64_t[::1] index = result
    if n:
        _in_use[0].permutation(seed, stream, n, &index[0])
    return result


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox4x32-10: four random 32-bit words for four words of counter and two of key."""
    cdef uint32_t c[4]
    cdef uint32_t k[2]
    cdef uint32_t out[4]
    for i in range(4):
        c[i] = counter[i]
    for i in range(2):
        k[i] = key[i]
    fbp_philox(c, k, out)
    return out[0], out[1], out[2], out[3]


cdef const fbp_kernels *_table(isa_name, fbp_dtype dtype) except NULL:
    cdef const fbp_kernels *table
    if isa_name is None:
        return _in_use[<int>dtype]
    key = isa_name.encode()
    table = fbp_kernels_for(key, dtype)
    if table == NULL:
        raise ValueError(f"instruction set {isa_name!r} is not available on this machine")
    return table


def evaluate_function(name: str, x: np.ndarray, isa: str | None = None) -> np.ndarray:
    """One of the functions below, by its name, of a float32 or float64 array of shape (n,)."""
    source = np.ascontiguousarray(x)
    result = np.empty_like(source)
    cdef fbp_dtype dtype = FBP_FLOAT32 if source.dtype == np.float32 else FBP_FLOAT64
    cdef const fbp_kernels *table = _table(isa, dtype)
    cdef const unsigned char[::1] x_bytes = source.view(np.uint8)
    cdef unsigned char[::1] y_bytes = result.view(np.uint8)
    cdef Py_ssize_t n = source.size
    if n == 0:
        return result
    cdef const void *x_data = &x_bytes[0]
    cdef void *y_data = &y_bytes[0]
    if name == "exp":
        table.exp(x_data, y_data, n)
    elif name == "expm1":
        table.expm1(x_data, y_data, n)
    elif name == "log":
        table.log(x_data, y_data, n)
    elif name == "tanh":
        table.tanh(x_data, y_data, n)
    elif name == "sigmoid":
        table.sigmoid(x_data, y_data, n)
    elif name == "normal_cdf":
        table.normal_cdf(x_data, y_data, n)
    elif name == "sine_of_turns":
        table.sine_of_turns(x_data, y_data, n)
    elif name == "cosine_of_turns":
        table.cosine_of_turns(x_data, y_data, n)
    else:
        raise ValueError(f"name is {name!r}, expected one of the functions that csrc/kernels/vmath.h has for the tests")
    return result


def _burn(fbp_dtype dtype, double seconds) -> float:
    """FLOP/s of one core, multiplying and adding in registers for so long."""
    cdef double sink = 0, done = 0
    cdef const fbp_kernels *table = _in_use[<int>dtype]
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        with nogil:
            done += table.burn(20000, &sink)
    return done / (time.perf_counter() - start)


def fma_peak(dtype: str, seconds: float, n_threads: int = 1) -> float:
    """Measured peak of multiply-adds in FLOP/s, over n_threads cores: what the bench holds every figure against."""
    from concurrent.futures import ThreadPoolExecutor  # takes longer to import than most of fastbp

    code = FBP_FLOAT32 if dtype == "float32" else FBP_FLOAT64
    try:
        with ThreadPoolExecutor(n_threads) as pool:
            return sum(pool.map(lambda _: _burn(code, seconds), range(n_threads)))
    except RuntimeError as error:      # Python's, of a thread that cannot be started
        raise RuntimeError(
            f"n_threads is {n_threads}, and the system does not start so many threads now ({error}); expected fewer, "
            "or a higher limit of processes or of address space (ulimit -u, ulimit -v)") from error
