/* on_windows.h: what the drivers need there: aligned memory by its own functions, and bytes through pipes as they are. */
#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#include <malloc.h>
#define aligned_alloc(alignment, n_bytes) _aligned_malloc(n_bytes, alignment)
#define free(p) _aligned_free(p)
#define PIPES_AS_THEY_ARE() ((void)(_setmode(0, _O_BINARY) + _setmode(1, _O_BINARY)))
#else
#define PIPES_AS_THEY_ARE() ((void)0)
#endif
