/* metrics_process: reads /proc, the clock and the log's counters into gauges. */
#include "proto/metrics_process.h"

#include "proto/bytes.h"
#include "proto/clock.h"
#include "proto/descriptors.h"
#include "proto/log.h"
#include "proto/metrics_listen.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LEVELS = LOG_ERROR + 1, STATM_BYTES = 128 /* seven numbers */, NETSTAT_BYTES = 16384 /* has 4 KiB */ };

struct metrics_process {
    uint64_t begun_ms;
    int statm; /* -1 = not to be had */
    int netstat; /* the same */
    struct descriptors *descriptors; /* NULL = not to be had */
    struct series *uptime;
    struct series *resident;
    struct series *processor;
    struct series *open_descriptors;
    struct series *overflows;
    struct series *log_lines[LEVELS];
    struct series *log_dropped;
    struct series *log_suppressed;
};

static void find_series(struct metrics_process *process, struct metrics *metrics)
{
    static const char *const levels[LEVELS] = {
        [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

    series_set(metrics_series(metrics, METRIC_GAUGE, "prismguard_build_info", "Always 1; the label says which build runs.",
                              &(struct metric_label){"version", PRISMGUARD_VERSION}, 1),
               1);
    process->uptime = metrics_series(metrics, METRIC_GAUGE, "prismguard_uptime_seconds", "Since the start of the process.",
                                     NULL, 0);
    process->resident = metrics_series(metrics, METRIC_GAUGE, "prismguard_process_resident_bytes",
                                       "Memory that the process holds.", NULL, 0);
    process->processor = metrics_series(metrics, METRIC_COUNTER, "prismguard_process_cpu_seconds_total",
                                        "Processor time, of all threads, in user and system mode.", NULL, 0);
    process->open_descriptors = metrics_series(metrics, METRIC_GAUGE, "prismguard_process_open_fds",
                                               "Descriptors that are open.", NULL, 0);
    process->overflows = metrics_series(metrics, METRIC_COUNTER, "prismguard_listen_overflows_total",
                                        "Connections that the kernel dropped, because a listener's queue was full.", NULL, 0);
    for (size_t level = 0; level < LEVELS; level++) {
        process->log_lines[level] = metrics_series(metrics, METRIC_COUNTER, "prismguard_log_lines_total",
                                                   "Lines given to the log, by level.",
                                                   &(struct metric_label){"level", levels[level]}, 1);
    }
    process->log_dropped = metrics_series(metrics, METRIC_COUNTER, "prismguard_log_dropped_total",
                                          "Lines dropped because nobody read the log.", NULL, 0);
    process->log_suppressed = metrics_series(metrics, METRIC_COUNTER, "prismguard_log_suppressed_total",
                                             "Repeated events that were counted in the next line and not written.", NULL, 0);
}

enum status metrics_process_open(struct metrics_process **out, struct metrics *metrics)
{
    struct metrics_process *process = calloc(1, sizeof *process);

    if (process == NULL) {
        return STATUS_NO_MEMORY;
    }
    process->begun_ms = clock_ms();
    process->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    process->netstat = open("/proc/self/net/netstat", O_RDONLY | O_CLOEXEC);
    if (descriptors_open(&process->descriptors) == STATUS_NO_MEMORY) {
        metrics_process_close(&process);
        return STATUS_NO_MEMORY;
    }
    find_series(process, metrics);
    metrics_process_refresh(process);
    *out = process;
    return STATUS_OK;
}

void metrics_process_close(struct metrics_process **process)
{
    if (*process == NULL) {
        return;
    }
    if ((*process)->statm >= 0) {
        (void)close((*process)->statm);
    }
    if ((*process)->netstat >= 0) {
        (void)close((*process)->netstat);
    }
    descriptors_close(&(*process)->descriptors);
    free(*process);
    *process = NULL;
}

/* "size resident shared ...", in pages. */
static void look_at_memory(const struct metrics_process *process)
{
    char text[STATM_BYTES];
    ssize_t count = pread(process->statm, text, sizeof text, 0);
    struct bytes line = {text, count > 0 ? (size_t)count : 0};
    ptrdiff_t first = bytes_find(line, ' ');
    struct bytes rest = first < 0 ? (struct bytes){NULL, 0} : bytes_from(line, (size_t)first + 1);
    ptrdiff_t second = bytes_find(rest, ' ');
    unsigned long long pages;

    if (second > 0 && bytes_number(bytes_first(rest, (size_t)second), INT64_MAX, &pages) == STATUS_OK) {
        series_set(process->resident, (int64_t)pages * sysconf(_SC_PAGESIZE));
    }
}

/* Read whole, or the last value stays: the kernel makes the text anew for each read from its beginning. */
static void look_at_listeners(const struct metrics_process *process)
{
    char text[NETSTAT_BYTES];
    ssize_t count = pread(process->netstat, text, sizeof text, 0);
    int64_t overflows;

    if (count > 0 && metrics_listen_overflows((struct bytes){text, (size_t)count}, &overflows)) {
        series_set(process->overflows, overflows);
    }
}

void metrics_process_refresh(struct metrics_process *process)
{
    struct rusage used;

    series_set_real(process->uptime, (double)(clock_ms() - process->begun_ms) / 1000);
    look_at_memory(process);
    if (process->descriptors != NULL) {
        series_set(process->open_descriptors, (int64_t)descriptors_count(process->descriptors));
    }
    look_at_listeners(process);
    if (getrusage(RUSAGE_SELF, &used) == 0) {
        series_set_real(process->processor, (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                                                (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    }
    for (size_t level = 0; level < LEVELS; level++) {
        series_set(process->log_lines[level], (int64_t)log_lines((enum log_level)level));
    }
    series_set(process->log_dropped, (int64_t)log_dropped());
    series_set(process->log_suppressed, (int64_t)log_suppressed());
}
