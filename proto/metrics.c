/* metrics: a bounded table of series behind a lock for look-ups, and relaxed atomics for everything that is counted. */
#include "proto/metrics.h"

#include "proto/limits.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Upper bounds in microseconds: 50 us (a verdict of the local judge) to 10 min (an answer of a reasoning model), about three a
 * decade. The last bucket, +Inf, has none. */
static const uint64_t bucket_us[] = {50,      100,     250,     500,      1000,     2500,      5000,
                                     10000,   25000,   50000,   100000,   250000,   500000,    1000000,
                                     2500000, 5000000, 10000000, 30000000, 60000000, 120000000, 300000000,
                                     600000000};
static const char *const bucket_seconds[] = {"0.00005", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01",
                                             "0.025",   "0.05",   "0.1",     "0.25",   "0.5",   "1",      "2.5",   "5",
                                             "10",      "30",     "60",      "120",    "300",   "600"};

enum {
    BUCKETS = sizeof bucket_us / sizeof bucket_us[0],
    SECONDS_MAX = 1000000, /* of one observation: eleven days */
    TABLE_SLOTS = 4096, /* hash table of the series, a power of two at least twice their number */
    FOLDED = 0,         /* the count of look-ups that found no room: made first, never removed */
};

_Static_assert(sizeof bucket_seconds / sizeof bucket_seconds[0] == BUCKETS, "every bucket has its text");
_Static_assert(TABLE_SLOTS >= 2 * METRICS_SERIES_MAX, "the table of series stays half empty");

struct series {
    enum metric_kind kind;
    const char *name;
    const char *help;
    char *labels; /* `route="/a",status="200"`, escaped; "" when there are none */
    _Atomic int64_t value;
    _Atomic double real;
    atomic_bool is_real;
    _Atomic uint64_t *buckets; /* histograms only: BUCKETS + 1 counts */
    _Atomic uint64_t sum_us;
};

struct metrics {
    pthread_mutex_t lock; /* guards the table; a series itself is only atomics */
    struct series *all[METRICS_SERIES_MAX];
    size_t count;
    struct series lost; /* of last resort: takes what has no place, whatever its kind, and is never printed */
    uint16_t slots[TABLE_SLOTS]; /* index + 1 into `all`, 0 = free */
};

static void series_free(struct series *series)
{
    if (series != NULL) {
        free(series->labels);
        free(series->buckets);
        free(series);
    }
}

static struct series *series_make(enum metric_kind kind, const char *name, const char *help, struct bytes labels)
{
    struct series *series = calloc(1, sizeof *series);

    if (series == NULL) {
        return NULL;
    }
    series->kind = kind;
    series->name = name;
    series->help = help;
    series->labels = malloc(labels.count + 1);
    if (kind == METRIC_HISTOGRAM) {
        series->buckets = calloc(BUCKETS + 1, sizeof series->buckets[0]);
    }
    if (series->labels == NULL || (kind == METRIC_HISTOGRAM && series->buckets == NULL)) {
        series_free(series);
        return NULL;
    }
    if (labels.count > 0) {
        memcpy(series->labels, labels.data, labels.count);
    }
    series->labels[labels.count] = '\0';
    return series;
}

enum status metrics_open(struct metrics **out)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);

    if (metrics == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (pthread_mutex_init(&metrics->lock, NULL) != 0) {
        free(metrics);
        return STATUS_NO_MEMORY;
    }
    metrics->all[FOLDED] = series_make(METRIC_COUNTER, "prismguard_metrics_folded_total",
                                       "Look-ups of a label set that found no room and were counted elsewhere.",
                                       (struct bytes){NULL, 0});
    if (metrics->all[FOLDED] == NULL) {
        metrics_close(&metrics);
        return STATUS_NO_MEMORY;
    }
    metrics->count = 1;
    metrics->lost.kind = METRIC_GAUGE;
    *out = metrics;
    return STATUS_OK;
}

void metrics_close(struct metrics **metrics)
{
    if (*metrics == NULL) {
        return;
    }
    for (size_t index = 0; index < (*metrics)->count; index++) {
        series_free((*metrics)->all[index]);
    }
    (void)pthread_mutex_destroy(&(*metrics)->lock);
    free(*metrics);
    *metrics = NULL;
}

/* Backslash, quote and line feed are escaped; other control bytes become '?' (a label is one line of text). */
static enum status append_escaped(struct buffer *out, const char *value)
{
    enum status status = STATUS_OK;

    for (; *value != '\0' && status == STATUS_OK; value++) {
        if (*value == '\\' || *value == '"') {
            status = buffer_append_format(out, "\\%c", *value);
        } else if (*value == '\n') {
            status = buffer_append_text(out, "\\n");
        } else {
            char byte = (unsigned char)*value < ' ' ? '?' : *value;

            status = buffer_append(out, (struct bytes){&byte, 1});
        }
    }
    return status;
}

/* `value` NULL stands for each label's own value, otherwise for all of them. */
static enum status append_labels(struct buffer *out, const struct metric_label *labels, size_t count, const char *value)
{
    enum status status = STATUS_OK;

    for (size_t index = 0; index < count && status == STATUS_OK; index++) {
        status = buffer_append_format(out, "%s%s=\"", index == 0 ? "" : ",", labels[index].name);
        if (status == STATUS_OK) {
            status = append_escaped(out, value == NULL ? labels[index].value : value);
        }
        if (status == STATUS_OK) {
            status = buffer_append_text(out, "\"");
        }
    }
    return status;
}

static uint64_t hash_of(const char *name, struct bytes labels)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a: keys come from our own code and settings */

    for (; *name != '\0'; name++) {
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    }
    for (size_t index = 0; index < labels.count; index++) {
        hash = (hash ^ (unsigned char)labels.data[index]) * 1099511628211u;
    }
    return hash;
}

/* The slot of this series, or the free one where it belongs. */
static uint16_t *slot_of(struct metrics *metrics, const char *name, struct bytes labels)
{
    size_t at = hash_of(name, labels) & (TABLE_SLOTS - 1);

    while (metrics->slots[at] != 0) {
        const struct series *series = metrics->all[metrics->slots[at] - 1];

        if (strcmp(series->name, name) == 0 && bytes_equal(bytes_of(series->labels), labels)) {
            break;
        }
        at = (at + 1) & (TABLE_SLOTS - 1);
    }
    return &metrics->slots[at];
}

/* Found or made; NULL without room or memory. The last free places are kept for "other" series, one a metric. */
static struct series *find_or_make(struct metrics *metrics, enum metric_kind kind, const char *name, const char *help,
                                   struct bytes labels, size_t series_max)
{
    uint16_t *slot = slot_of(metrics, name, labels);

    if (*slot == 0) {
        struct series *series = metrics->count < series_max ? series_make(kind, name, help, labels) : NULL;

        if (series == NULL) {
            return NULL;
        }
        metrics->all[metrics->count++] = series;
        *slot = (uint16_t)metrics->count;
    }
    assert(metrics->all[*slot - 1]->kind == kind);
    return metrics->all[*slot - 1];
}

struct series *metrics_series(struct metrics *metrics, enum metric_kind kind, const char *name, const char *help,
                              const struct metric_label *labels, size_t label_count)
{
    struct buffer text;
    struct series *series = NULL;

    buffer_init(&text, METRICS_LABELS_BYTES_MAX);
    (void)pthread_mutex_lock(&metrics->lock);
    if (append_labels(&text, labels, label_count, NULL) == STATUS_OK) {
        series = find_or_make(metrics, kind, name, help, buffer_view(&text), METRICS_SERIES_MAX - METRICS_FOLDED_MAX);
    }
    if (series == NULL) {
        series_add(metrics->all[FOLDED], 1);
        buffer_clear(&text);
        if (append_labels(&text, labels, label_count, "other") == STATUS_OK) {
            series = find_or_make(metrics, kind, name, help, buffer_view(&text), METRICS_SERIES_MAX);
        }
    }
    (void)pthread_mutex_unlock(&metrics->lock);
    buffer_free(&text);
    return series == NULL ? &metrics->lost : series;
}

void series_add(struct series *series, int64_t more)
{
    assert(series->kind != METRIC_COUNTER || more >= 0);
    (void)atomic_fetch_add_explicit(&series->value, more, memory_order_relaxed);
}

void series_set(struct series *series, int64_t value)
{
    atomic_store_explicit(&series->value, value, memory_order_relaxed);
}

void series_set_real(struct series *series, double value)
{
    atomic_store_explicit(&series->real, value, memory_order_relaxed);
    atomic_store_explicit(&series->is_real, true, memory_order_relaxed);
}

void series_observe(struct series *series, double seconds)
{
    /* Not a number counts as nothing, and what no sum could hold as the most that makes sense. */
    double bounded = seconds > 0 ? (seconds < SECONDS_MAX ? seconds : SECONDS_MAX) : 0;
    uint64_t us = (uint64_t)(bounded * 1e6);
    size_t bucket = 0;

    if (series->buckets == NULL) { /* the series of last resort */
        return;
    }
    while (bucket < BUCKETS && us > bucket_us[bucket]) {
        bucket++;
    }
    (void)atomic_fetch_add_explicit(&series->buckets[bucket], 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&series->sum_us, us, memory_order_relaxed);
}

int64_t series_value(const struct series *series)
{
    return atomic_load_explicit(&series->value, memory_order_relaxed);
}

static enum status print_histogram(const struct series *series, struct buffer *out)
{
    const char *comma = series->labels[0] == '\0' ? "" : ",";
    uint64_t count = 0;
    enum status status = STATUS_OK;

    for (size_t bucket = 0; bucket <= BUCKETS && status == STATUS_OK; bucket++) {
        count += atomic_load_explicit(&series->buckets[bucket], memory_order_relaxed);
        status = buffer_append_format(out, "%s_bucket{%s%sle=\"%s\"} %llu\n", series->name, series->labels, comma,
                                      bucket < BUCKETS ? bucket_seconds[bucket] : "+Inf", (unsigned long long)count);
    }
    if (status == STATUS_OK) {
        const char *open = series->labels[0] == '\0' ? "" : "{";
        const char *close = series->labels[0] == '\0' ? "" : "}";
        uint64_t sum_us = atomic_load_explicit(&series->sum_us, memory_order_relaxed);

        status = buffer_append_format(out, "%s_sum%s%s%s %.6f\n%s_count%s%s%s %llu\n", series->name, open, series->labels,
                                      close, (double)sum_us / 1e6, series->name, open, series->labels, close,
                                      (unsigned long long)count);
    }
    return status;
}

static enum status print_series(const struct series *series, struct buffer *out)
{
    const char *open = series->labels[0] == '\0' ? "" : "{";
    const char *close = series->labels[0] == '\0' ? "" : "}";

    if (series->kind == METRIC_HISTOGRAM) {
        return print_histogram(series, out);
    }
    if (atomic_load_explicit(&series->is_real, memory_order_relaxed)) {
        double real = atomic_load_explicit(&series->real, memory_order_relaxed);

        if (isnan(real)) {
            return buffer_append_format(out, "%s%s%s%s NaN\n", series->name, open, series->labels, close);
        }
        return buffer_append_format(out, "%s%s%s%s %.9g\n", series->name, open, series->labels, close, real);
    }
    return buffer_append_format(out, "%s%s%s%s %lld\n", series->name, open, series->labels, close,
                                (long long)series_value(series));
}

/* The format wants all series of one metric together, under one HELP and TYPE: sorted by name here, not when counted. */
static int by_name(const void *left, const void *right)
{
    const struct series *const *a = left;
    const struct series *const *b = right;
    int order = strcmp((*a)->name, (*b)->name);

    return order != 0 ? order : strcmp((*a)->labels, (*b)->labels);
}

enum status metrics_print(const struct metrics *metrics, struct buffer *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    struct metrics *locked = (struct metrics *)(uintptr_t)metrics; /* the lock is no part of what is printed */
    const struct series **sorted;
    size_t count;
    enum status status = STATUS_OK;

    sorted = calloc(METRICS_SERIES_MAX, sizeof(struct series *));
    if (sorted == NULL) {
        return STATUS_NO_MEMORY;
    }
    (void)pthread_mutex_lock(&locked->lock);
    count = metrics->count;
    for (size_t index = 0; index < count; index++) {
        sorted[index] = metrics->all[index];
    }
    (void)pthread_mutex_unlock(&locked->lock);
    qsort(sorted, count, sizeof(struct series *), by_name);
    for (size_t index = 0; index < count && status == STATUS_OK; index++) {
        const struct series *series = sorted[index];

        if (index == 0 || strcmp(sorted[index - 1]->name, series->name) != 0) {
            status = buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", series->name, series->help, series->name,
                                          kinds[series->kind]);
        }
        if (status == STATUS_OK) {
            status = print_series(series, out);
        }
    }
    free(sorted);
    return status;
}
