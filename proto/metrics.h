/* metrics: counters, gauges and histograms, printed as Prometheus text (exposition format 0.0.4).
 *
 * A series is looked up once, at start or when a label value first appears, and then held: adding to it is one relaxed
 * atomic operation. At most METRICS_SERIES_MAX series; the next distinct label set is folded into the same metric's
 * series with every label value "other" (counted by metrics_folded_total).
 *
 * Thread: any. Metrics are named prismguard_<service>_<what>[_total|_seconds|_bytes].
 */
#ifndef PROTO_METRICS_H
#define PROTO_METRICS_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stdint.h>

struct metrics;
struct series;

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_label {
    const char *name;  /* a literal */
    const char *value; /* copied; escaped when printed */
};

MUST_CHECK enum status metrics_open(struct metrics **out);
void metrics_close(struct metrics **metrics);

/* The series of `name` with these labels; made at its first mention. `name` and `help` are literals. Lends: lives as long
 * as `metrics`. Never NULL: without memory or room it is the folded series. Histograms count seconds in fixed buckets from
 * 50 us to 10 min. */
struct series *metrics_series(struct metrics *metrics, enum metric_kind kind, const char *name, const char *help,
                              const struct metric_label *labels, size_t label_count);

void series_add(struct series *series, int64_t more); /* counter (more >= 0) or gauge */
void series_set(struct series *series, int64_t value); /* gauge, or a counter that is counted elsewhere */
void series_set_real(struct series *series, double value); /* the same with a fraction; NaN = nothing to tell yet */
void series_observe(struct series *series, double seconds); /* histogram */
int64_t series_value(const struct series *series);

/* Appends all of it. STATUS_TOO_LARGE when the buffer's bound is met. */
MUST_CHECK enum status metrics_print(const struct metrics *metrics, struct buffer *out);

#endif
