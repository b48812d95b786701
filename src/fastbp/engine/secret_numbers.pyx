"""The random numbers of private training, as the tests look at them."""

from libc.math cimport INFINITY, log1p
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy

import numpy as np

from fastbp.engine.kernels cimport (
    FBP_FLOAT32, FBP_FLOAT64, FBP_FOR_NOISE, FBP_FOR_SAMPLING, fbp_purpose, fbp_stream, kernels_in_use,
)


cdef fbp_stream _stream(bytes key, unsigned long long step, fbp_purpose purpose):
    cdef fbp_stream stream
    cdef const unsigned char[::1] key_bytes = key
    memcpy(stream.key, &key_bytes[0], sizeof(stream.key))
    stream.nonce[0] = <uint32_t>step
    stream.nonce[1] = <uint32_t>(step >> 32)
    stream.nonce[2] = <uint32_t>purpose
    return stream


def random_blocks(bytes key, nonce, uint32_t first, Py_ssize_t n):
    """Blocks of ChaCha20 for a key of 32 bytes and a nonce of three words: uint32, shape (n, 16)."""
    cdef fbp_stream stream = _stream(key, 0, FBP_FOR_NOISE)
    cdef uint32_t[:, ::1] words
    for i in range(3):
        stream.nonce[i] = nonce[i]
    result = np.empty((n, 16), np.uint32)
    words = result
    kernels_in_use(FBP_FLOAT32).private_training.random_blocks(&stream, first, n, &words[0, 0])
    return result


def poisson_rows(bytes key, unsigned long long step, double probability, Py_ssize_t first, Py_ssize_t end):
    """The rows among first..end that a step takes, int64, rising."""
    cdef fbp_stream stream = _stream(key, step, FBP_FOR_SAMPLING)
    result = np.empty(max(end - first, 1), np.int64)
    cdef int64_t[::1] rows = result
    cdef Py_ssize_t n = kernels_in_use(FBP_FLOAT32).private_training.poisson_rows(
        &stream, log1p(-probability) if probability < 1 else -INFINITY, first, end, &rows[0])
    return result[:n]


def noise(bytes key, unsigned long long step, Py_ssize_t first, Py_ssize_t n, double deviation, str dtype):
    """The noise in n numbers of a step's gradient, from place `first` on."""
    cdef fbp_stream stream = _stream(key, step, FBP_FOR_NOISE)
    result = np.zeros(n, dtype)
    cdef unsigned char[::1] numbers = result.view(np.uint8)
    kernels_in_use(FBP_FLOAT32 if dtype == "float32" else FBP_FLOAT64).private_training.add_noise(
        &stream, first, 1, n, 0, deviation, &numbers[0])
    return result
