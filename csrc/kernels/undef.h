/* undef.h: ends one instantiation, so that the templates can be included again for the next dtype. */
#undef real
#undef integer
#undef vec
#undef ivec
#undef VL
#undef MASK
#undef NAME
#undef REAL_BITS
