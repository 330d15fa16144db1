/* progress: the line and the time between two of it. */
#include "trainer/progress.h"

#include "proto/clock.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { PROGRESS_TELL_MS = 100, CELLS = 30 };

void progress_begin(struct progress *progress, FILE *to, bool is_terminal, const char *what)
{
    *progress = (struct progress){.to = is_terminal ? to : NULL, .what = what};
}

/* Whoever looks at a terminal looks at standard error. The handler is gone by then (SA_RESETHAND): what is raised ends the
 * process as it would have without it, once this returns. */
static void end_line(int signal_number)
{
    ssize_t ignored = write(STDERR_FILENO, "\n", 1);

    (void)ignored;
    (void)raise(signal_number);
}

static void on_signals(void (*handler)(int signal_number))
{
    static const int signals[] = {SIGINT, SIGTERM, SIGQUIT};
    const struct sigaction action = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND};

    for (size_t index = 0; index < sizeof signals / sizeof *signals; index++) {
        struct sigaction present;

        /* What somebody ignores, as nohup does, or handles is theirs. */
        if (sigaction(signals[index], NULL, &present) == 0 &&
            present.sa_handler == (handler == SIG_DFL ? end_line : SIG_DFL)) {
            (void)sigaction(signals[index], &action, NULL);
        }
    }
}

void progress_tell(struct progress *progress, double share, int64_t count, const char *unit)
{
    char bar[CELLS + 1];
    uint64_t now_ms = clock_ms();
    int full = share < 0 ? 0 : share > 1 ? CELLS : (int)(share * CELLS);

    if (progress->to == NULL || (progress->told_ms != 0 && now_ms - progress->told_ms < PROGRESS_TELL_MS)) {
        return;
    }
    if (progress->told_ms == 0) {
        on_signals(end_line);
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
        on_signals(SIG_DFL);
    }
}

void progress_end(struct progress *progress)
{
    progress_hide(progress);
    progress->to = NULL;
}
