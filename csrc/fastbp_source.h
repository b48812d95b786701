/* fastbp_source.h: the user's arrays, and what a preparation makes of them; fastbp.h includes it.
 */
#ifndef FASTBP_SOURCE_H
#define FASTBP_SOURCE_H

#include <stddef.h>
#include <stdint.h>

/* The element type of the user's array. */
typedef enum {
    FBP_SRC_BOOL = 0,
    FBP_SRC_INT8,
    FBP_SRC_UINT8,
    FBP_SRC_INT16,
    FBP_SRC_UINT16,
    FBP_SRC_INT32,
    FBP_SRC_UINT32,
    FBP_SRC_INT64,
    FBP_SRC_UINT64,
    FBP_SRC_FLOAT16,
    FBP_SRC_FLOAT32,
    FBP_SRC_FLOAT64,
} fbp_source_type;

/* A two-dimensional array of the user's, read in place. Strides are in bytes and may be negative.
 *
 * Or a sparse one, compressed by rows: `data` holds the elements that are not 0, `column_stride` bytes from one to the
 * next. Those of row r are starts[r] .. starts[r + 1], and columns[e] is the column of element e. No column occurs
 * twice in a row. The columns may be the user's own array, which can change at any time: whoever reads one checks it. */
typedef struct {
    const void *data;
    ptrdiff_t row_stride;
    ptrdiff_t column_stride;
    ptrdiff_t n_columns;
    fbp_source_type type;
    const int64_t *starts;  /* NULL: not sparse */
    const int32_t *columns;
} fbp_source;

/* An index that another thread may be writing to, read once: what is checked is what is used. */
static inline int32_t fbp_read_once(const int32_t *index)
{
    return *(const volatile int32_t *)index;
}

/* What a step of a preparation makes of a number x, all in double. A missing number is NaN, and stays NaN unless the
 * step says otherwise. */
typedef enum {
    FBP_STEP_FILL = 0, /* a where x is missing */
    FBP_STEP_AFFINE,   /* (x - a) * b + c */
    FBP_STEP_CLIP,     /* x / sqrt(1 + (x / a)^2): between -a and a */
    FBP_STEP_MISSING,  /* 1 where x is missing, else 0 */
    FBP_STEP_EQUALS,   /* 1 where x is a, else 0, also where x is missing */
    FBP_STEP_CODE,     /* the place of x among the values, counted from 0, or -1 */
} fbp_step_kind;

/* Each feature of a run has its own a, b, c; the arrays are padded to whole vectors of any instruction set. */
typedef struct {
    fbp_step_kind kind;
    const double *a, *b, *c;     /* [n_features, padded] */
    const double *const *values; /* [n_features, padded][n_values], rising */
    const ptrdiff_t *n_values;   /* [n_features, padded] */
} fbp_step;

/* Adjacent features, the numbers that the first layer reads: all from one column, or one from each of adjacent columns,
 * made by steps of the same kinds. */
typedef struct {
    ptrdiff_t n_features;
    ptrdiff_t column;      /* of the first one */
    ptrdiff_t column_step; /* from one feature to the next: 0 or 1 */
    const fbp_step *steps;
    ptrdiff_t n_steps;
} fbp_run;

typedef struct {
    const fbp_run *runs;
    ptrdiff_t n_runs;
    ptrdiff_t n_features; /* of all runs */
} fbp_features;

#endif
