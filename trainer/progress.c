/* progress: the line and the time between two of it. */
#include "trainer/progress.h"

#include "proto/clock.h"

#include <inttypes.h>
#include <string.h>

enum { PROGRESS_TELL_MS = 100, CELLS = 30 };

void progress_begin(struct progress *progress, FILE *to, bool is_terminal, const char *what)
{
    *progress = (struct progress){.to = is_terminal ? to : NULL, .what = what};
}

void progress_tell(struct progress *progress, double share, int64_t count, const char *unit)
{
    char bar[CELLS + 1];
    uint64_t now_ms = clock_ms();
    int full = share < 0 ? 0 : share > 1 ? CELLS : (int)(share * CELLS);

    if (progress->to == NULL || (progress->told_ms != 0 && now_ms - progress->told_ms < PROGRESS_TELL_MS)) {
        return;
    }
    progress->told_ms = now_ms;
    memset(bar, '-', CELLS);
    memset(bar, '#', (size_t)full);
    bar[CELLS] = '\0';
    if (share < 0) {
        (void)fprintf(progress->to, "\r%s  %" PRId64 " %s\x1b[K", progress->what, count, unit);
    } else {
        (void)fprintf(progress->to, "\r%s [%s] %3.0f %%  %" PRId64 " %s\x1b[K", progress->what, bar,
                      100 * (share > 1 ? 1 : share), count, unit);
    }
    (void)fflush(progress->to);
}

void progress_hide(struct progress *progress)
{
    if (progress->to != NULL && progress->told_ms != 0) {
        (void)fputs("\r\x1b[K", progress->to);
        (void)fflush(progress->to);
        progress->told_ms = 0;
    }
}

void progress_end(struct progress *progress)
{
    progress_hide(progress);
    progress->to = NULL;
}
