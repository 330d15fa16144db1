/* stall: holds one thread of this process for a while, by a signal: what others send it meanwhile comes to it at once afterwards. */
#ifndef TESTS_SUPPORT_STALL_H
#define TESTS_SUPPORT_STALL_H

#include "support/unit.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int stall_ends[2], stall_begun[2]; /* pipes: a handler has nothing else */

static inline void stall_here(int number)
{
    char byte = 0;

    (void)number;
    (void)!write(stall_begun[1], &byte, 1);
    (void)!read(stall_ends[0], &byte, 1);
}

/* The id of the thread of this name. */
static inline pid_t stall_find(const char *name)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    pid_t found = 0;

    assert_non_null(tasks);
    while (found == 0 && (entry = readdir(tasks)) != NULL) {
        char path[300], text[32] = "";
        FILE *file;

        (void)snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        file = fopen(path, "r");
        if (file != NULL && fgets(text, sizeof text, file) != NULL && strncmp(text, name, strlen(name)) == 0 &&
            text[strlen(name)] == '\n') {
            found = (pid_t)strtol(entry->d_name, NULL, 10);
        }
        if (file != NULL) {
            (void)fclose(file);
        }
    }
    (void)closedir(tasks);
    assert_true(found > 0);
    return found;
}

/* It stands still when this returns. */
static inline void stall_begin(const char *name)
{
    char byte;

    assert_int_equal(0, pipe(stall_ends));
    assert_int_equal(0, pipe(stall_begun));
    assert_true(signal(SIGUSR1, stall_here) != SIG_ERR);
    assert_int_equal(0, syscall(SYS_tgkill, getpid(), stall_find(name), SIGUSR1));
    assert_int_equal(1, read(stall_begun[0], &byte, 1));
}

static inline void stall_end(void)
{
    assert_int_equal(1, write(stall_ends[1], "", 1));
    while (true) { /* until it has read it: then nobody uses the pipe */
        int left = 0;

        assert_int_equal(0, ioctl(stall_ends[0], FIONREAD, &left));
        if (left == 0) {
            break;
        }
    }
    for (int index = 0; index < 2; index++) {
        (void)close(stall_ends[index]);
        (void)close(stall_begun[index]);
    }
}

#endif
