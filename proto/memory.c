/* memory: a list of terms, its sum, and the sentence that says which setting to lower. */
#include "proto/memory.h"

#include "proto/limits.h"

#include <assert.h>

enum { ALLOCATOR_PART = 4 }; /* a quarter more than what was asked for */

static uint64_t sum(uint64_t left, uint64_t right)
{
    return left > UINT64_MAX - right ? UINT64_MAX : left + right;
}

void memory_bound_add(struct memory_bound *bound, const char *what, const char *setting, uint64_t bytes)
{
    if (bytes > 0) {
        assert(bound->count < MEMORY_TERMS_MAX);
        bound->terms[bound->count++] = (struct memory_term){what, setting, bytes};
    }
}

void memory_bound_add_each(struct memory_bound *bound, const char *what, const char *setting, uint64_t count,
                           uint64_t each_bytes)
{
    bool fits = count == 0 || each_bytes <= UINT64_MAX / count;

    memory_bound_add(bound, what, setting, fits ? count * each_bytes : UINT64_MAX);
}

void memory_bound_limit(struct memory_bound *bound, const char *setting, uint64_t bytes)
{
    bound->limit_setting = bytes > 0 ? setting : NULL;
    bound->limit_bytes = bytes > 0 ? bytes : memory_limit_bytes();
}

uint64_t memory_bound_bytes(const struct memory_bound *bound)
{
    uint64_t bytes = 0;

    for (size_t index = 0; index < bound->count; index++) {
        bytes = sum(bytes, bound->terms[index].bytes);
    }
    return sum(bytes, bytes / ALLOCATOR_PART);
}

static double mib(uint64_t bytes)
{
    return (double)bytes / MIB;
}

static const char *limit_name(const struct memory_bound *bound)
{
    return bound->limit_setting == NULL ? "the container's limit" : bound->limit_setting;
}

void memory_bound_explain(const struct memory_bound *bound, FILE *out)
{
    (void)fprintf(out, "\nMemory\n  At most %.0f MiB, a fifth of it the allocator's own", mib(memory_bound_bytes(bound)));
    if (bound->limit_bytes == MEMORY_UNLIMITED) {
        (void)fprintf(out, "; there is no limit:\n");
    } else {
        (void)fprintf(out, "; %s is %.0f MiB:\n", limit_name(bound), mib(bound->limit_bytes));
    }
    for (size_t index = 0; index < bound->count; index++) {
        const struct memory_term *term = &bound->terms[index];

        (void)fprintf(out, "  %8.1f MiB  %s", mib(term->bytes), term->what);
        if (term->setting != NULL) {
            (void)fprintf(out, " (%s)", term->setting);
        }
        (void)fprintf(out, "\n");
    }
}

enum status memory_bound_check(const struct memory_bound *bound, FILE *errors)
{
    uint64_t bytes = memory_bound_bytes(bound);
    const struct memory_term *largest = NULL;

    if (bytes <= bound->limit_bytes) {
        return STATUS_OK;
    }
    for (size_t index = 0; index < bound->count; index++) {
        const struct memory_term *term = &bound->terms[index];

        if (term->setting != NULL && (largest == NULL || term->bytes > largest->bytes)) {
            largest = term;
        }
    }
    (void)fprintf(errors, "the process may come to hold %.0f MiB, but %s is %.0f MiB: ", mib(bytes), limit_name(bound),
                  mib(bound->limit_bytes));
    if (largest == NULL) {
        (void)fprintf(errors, "raise it\n");
    } else {
        (void)fprintf(errors, "raise it, or lower %s (%.0f MiB are %s); --check lists all\n", largest->setting,
                      mib(largest->bytes), largest->what);
    }
    return STATUS_TOO_LARGE;
}

void memory_bound_export(const struct memory_bound *bound, struct metrics *metrics)
{
    uint64_t limit = bound->limit_bytes == MEMORY_UNLIMITED ? 0 : bound->limit_bytes;

    series_set(metrics_series(metrics, METRIC_GAUGE, "prismguard_memory_bound_bytes",
                              "What the process may come to hold, reckoned from its settings", NULL, 0),
               (int64_t)memory_bound_bytes(bound));
    series_set(metrics_series(metrics, METRIC_GAUGE, "prismguard_memory_limit_bytes",
                              "What it may hold: the setting's or the container's limit, 0 = none", NULL, 0),
               (int64_t)limit);
}
