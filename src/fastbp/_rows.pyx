"""Reading a user's array where it lies: any strides, any numeric dtype, through the buffer protocol."""

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer

from fastbp._kernels cimport (
    FBP_SRC_BOOL, FBP_SRC_FLOAT16, FBP_SRC_FLOAT32, FBP_SRC_FLOAT64, FBP_SRC_INT8, FBP_SRC_INT16, FBP_SRC_INT32,
    FBP_SRC_INT64, FBP_SRC_UINT8, FBP_SRC_UINT16, FBP_SRC_UINT32, FBP_SRC_UINT64, fbp_source_type,
)


cdef int _source_type(char kind, Py_ssize_t itemsize) noexcept:
    """The element's type from its struct-module letter and size, or -1."""
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


cdef class Rows:
    """A two-dimensional array of numbers, held and read in place.

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

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.buffer)
