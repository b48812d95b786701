"""Who computes it: the Cython modules, which share the work of the C kernels out to threads.

They import each other and the kernels in csrc/, and nothing of the library above. They trust their arguments, which
the library has checked.
"""
