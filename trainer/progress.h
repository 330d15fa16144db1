/* progress: how far a command is, as one line that is written over itself, on a terminal only.
 *
 *   import [##########--------------------]  33 %  12000 rows
 *
 * A signal that ends the process while a line stands there ends the line first, so that the shell's prompt gets one of its own.
 *
 * Thread: one at a time.
 */
#ifndef TRAINER_PROGRESS_H
#define TRAINER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
    FILE *to;         /* NULL: nobody looks, nothing is written */
    const char *what; /* borrowed */
    uint64_t told_ms;
};

/* Borrows both until progress_end. `is_terminal`: of `to`, as isatty says. */
void progress_begin(struct progress *progress, FILE *to, bool is_terminal, const char *what);

/* `share` 0 to 1, or below 0 where it is not known; `count` of `unit`. At most PROGRESS_TELL_MS apart. */
void progress_tell(struct progress *progress, double share, int64_t count, const char *unit);

/* Takes the line away until there is more to tell: for what is to stand on the terminal. */
void progress_hide(struct progress *progress);

/* Takes the line away for good. */
void progress_end(struct progress *progress);

#endif
