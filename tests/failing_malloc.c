/* Memory that runs out when a test says so: loaded by LD_PRELOAD before the C library's own functions.
 *
 * fail_from(n, m, least): the n-th request of at least `least` bytes from now on fails, and the m - 1 after it.
 * n_requests(): how many there were since. What OpenMP's runtime asks for always succeeds: it ends the process else,
 * and asks for little, once a team.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static long counted, first, last;
static size_t least_bytes;
static int armed;

void fail_from(long n, long m, size_t least)
{
    __atomic_store_n(&armed, 0, __ATOMIC_SEQ_CST);
    counted = 0;
    first = n;
    last = n + m - 1;
    least_bytes = least;
    __atomic_store_n(&armed, n > 0, __ATOMIC_SEQ_CST);
}

long n_requests(void) { return __atomic_load_n(&counted, __ATOMIC_SEQ_CST); }

static int fails(size_t bytes, const void *caller)
{
    if (!__atomic_load_n(&armed, __ATOMIC_SEQ_CST) || bytes < least_bytes)
        return 0;
    Dl_info info;
    const char *asks = dladdr(caller, &info) && info.dli_fname ? info.dli_fname : "";
    if (strstr(asks, "libgomp") || strstr(asks, "ld-linux"))
        return 0;
    const long n = __atomic_add_fetch(&counted, 1, __ATOMIC_SEQ_CST);
    if (n < first || n > last)
        return 0;
    errno = ENOMEM;
    return 1;
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t n) { return fails(n, CALLER) ? NULL : __libc_malloc(n); }
void *calloc(size_t k, size_t n) { return fails(k * n, CALLER) ? NULL : __libc_calloc(k, n); }
void *realloc(void *p, size_t n) { return fails(n, CALLER) ? NULL : __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { return fails(n, CALLER) ? NULL : __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { return fails(n, CALLER) ? NULL : __libc_memalign(a, n); }

int posix_memalign(void **p, size_t a, size_t n)
{
    if (fails(n, CALLER))
        return ENOMEM;
    *p = __libc_memalign(a, n);
    return *p == NULL ? ENOMEM : 0;
}
