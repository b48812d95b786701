"""Reading a user's array where it lies: any strides, any numeric dtype, through the buffer protocol."""

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_SIMPLE, PyBUF_STRIDES, Py_buffer, PyBuffer_IsContiguous, PyBuffer_Release,
    PyObject_GetBuffer,
)

from libc.stdint cimport int32_t, int64_t

from fastbp.engine.kernels cimport (
    FBP_SRC_BOOL, FBP_SRC_FLOAT16, FBP_SRC_FLOAT32, FBP_SRC_FLOAT64, FBP_SRC_INT8, FBP_SRC_INT16, FBP_SRC_INT32,
    FBP_FLOAT32, FBP_FLOAT64, FBP_SRC_INT64, FBP_SRC_UINT8, FBP_SRC_UINT16, FBP_SRC_UINT32, FBP_SRC_UINT64,
    fbp_kernels, fbp_source_type, kernels_in_use,
)
from fastbp.engine.team cimport run_team, store_flag

from numpy import float64, ndarray


cdef int _source_type(char kind, Py_ssize_t itemsize) noexcept:
    """The type of the elements, from their letter in the struct module and their size; -1: none that is read."""
    if kind == c"f":
        return FBP_SRC_FLOAT32
    if kind == c"d":
        return FBP_SRC_FLOAT64
    if kind == c"e":
        return FBP_SRC_FLOAT16
    if kind == c"?":
        return FBP_SRC_BOOL
    if kind in b"bhilq":
        return {1: FBP_SRC_INT8, 2: FBP_SRC_INT16, 4: FBP_SRC_INT32, 8: FBP_SRC_INT64}[itemsize]
    if kind in b"BHILQ":
        return {1: FBP_SRC_UINT8, 2: FBP_SRC_UINT16, 4: FBP_SRC_UINT32, 8: FBP_SRC_UINT64}[itemsize]
    return -1


cdef class ArrayReader:
    """A two-dimensional array of numbers, kept alive and read where it lies.

    Parameters
    ----------
    array : ndarray, shape (n_rows, n_columns)
        Any strides; bool, (u)int8 to (u)int64, float16, float32 or float64 in native byte order.

    Raises
    ------
    TypeError
        If the elements are of another type.
    """

    def __cinit__(self, array):
        PyObject_GetBuffer(array, &self.buffer, PyBUF_STRIDES | PyBUF_FORMAT)
        self.held = True
        cdef const char *letter = self.buffer.format
        cdef int type_code = _source_type(letter[0], self.buffer.itemsize) if letter[1] == 0 else -1
        if type_code < 0 or self.buffer.ndim != 2:
            raise TypeError(
                f"cannot read a {self.buffer.ndim}-dimensional array of format {letter.decode()!r} in place"
            )
        self.n_rows = self.buffer.shape[0]
        self.n_columns = self.buffer.shape[1]
        self.source.data = self.buffer.buf
        self.source.row_stride = self.buffer.strides[0]
        self.source.column_stride = self.buffer.strides[1]
        self.source.n_columns = self.n_columns
        self.source.type = <fbp_source_type>type_code
        self.source.starts = NULL
        self.source.columns = NULL

    @staticmethod
    def sparse(data, const int32_t[::1] columns, const int64_t[::1] starts, Py_ssize_t n_columns):
        """A sparse array, compressed by rows, kept alive and read where it lies.

        Parameters
        ----------
        data : ndarray, shape (n_elements,), C-contiguous
            Of one of the types above.
        columns : int32 ndarray, shape (n_elements,)
            Each element's column; no column occurs twice in a row of the array.
        starts : int64 ndarray, shape (n_rows + 1,)
            Row r has the elements starts[r] .. starts[r + 1].
        n_columns : int
        """
        cdef ArrayReader rows = ArrayReader(data.reshape(-1, 1))
        rows.indices = (columns, starts)
        rows.n_rows = starts.shape[0] - 1
        rows.n_columns = rows.source.n_columns = n_columns
        rows.source.row_stride = 0
        rows.source.column_stride = data.itemsize
        rows.source.starts = &starts[0]
        rows.source.columns = &columns[0] if columns.shape[0] > 0 else NULL
        return rows

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.buffer)


# ---- Whether numbers are finite ----

cdef enum:
    BYTES_A_THREAD = 2 * 1024 * 1024   # that take longer to look through than another thread to start

cdef struct Look:
    const fbp_kernels *k
    const char *start
    Py_ssize_t n, itemsize
    int found                          # whether any thread has found a NaN or an infinity


cdef void _look_through(void *job, int t, int n_threads) noexcept nogil:
    """Thread t's share of the numbers."""
    cdef Look *look = <Look *>job
    cdef Py_ssize_t first = look.n * t // n_threads, end = look.n * (t + 1) // n_threads
    if not look.k.all_finite(look.start + first * look.itemsize, end - first):
        store_flag(&look.found, 1)


def is_finite(array, int n_threads=1):
    """Whether an array of float32 or float64 that is C-contiguous has no NaN and no infinity.

    Parameters
    ----------
    array : ndarray
    n_threads : int, default 1
        The most threads that look through it; a small one takes one.

    Returns
    -------
    bool
        False also where it has other elements, or is not C-contiguous.
    """
    cdef Py_buffer buffer
    cdef Look look
    cdef char letter
    if array.dtype.char not in "fd":
        return False
    PyObject_GetBuffer(array, &buffer, PyBUF_STRIDES | PyBUF_FORMAT)
    try:
        letter = buffer.format[0]      # of another byte order it is a sign
        if letter not in b"fd" or not PyBuffer_IsContiguous(&buffer, b"C"):
            return False
        look.k = kernels_in_use(FBP_FLOAT32 if letter == c"f" else FBP_FLOAT64)
        look.start = <const char *>buffer.buf
        look.n = buffer.len // buffer.itemsize
        look.itemsize = buffer.itemsize
        look.found = 0
        n_threads = max(1, min(n_threads, buffer.len // BYTES_A_THREAD))
        with nogil:
            run_team(_look_through, &look, n_threads)
        return look.found == 0
    finally:
        PyBuffer_Release(&buffer)


# ---- Small arrays, quickly ----


cdef char *start_of(array) except NULL:
    """Where a C-contiguous array with elements lies; its owner keeps it alive."""
    cdef Py_buffer buffer
    PyObject_GetBuffer(array, &buffer, PyBUF_SIMPLE)
    cdef char *start = <char *>buffer.buf
    PyBuffer_Release(&buffer)
    return start


def finite_doubles(array, tuple shape):
    """An array of float32 or float64 as float64, C-contiguous: itself, or a copy.

    Parameters
    ----------
    array : object
    shape : tuple of int
        What its shape is expected to be.

    Returns
    -------
    float64 ndarray or None
        None where it is no ndarray, has other elements or another shape, is not C-contiguous, or has a NaN or infinity.
    """
    if type(array) is not ndarray or array.shape != shape or not is_finite(array):
        return None
    return array if array.dtype.char == "d" else array.astype(float64)
