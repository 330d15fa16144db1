/* pool_counts: looks the pool's series up once and picks the right one. */
#include "gateway/pool_counts.h"

enum { RESULT_ALLOW, RESULT_BLOCK, RESULT_UNAVAILABLE, RESULT_FULL, RESULT_TIMEOUT, RESULT_ABANDONED, RESULTS };

_Static_assert(RESULTS == sizeof((struct pool_counts *)0)->results / sizeof(struct series *), "a series for each result");

const char *pool_counts_bad_name(enum pool_bad why)
{
    static const char *const names[BAD_REASONS] = {
        [BAD_PARTS] = "parts",     [BAD_MALFORMED] = "malformed", [BAD_VERSION] = "version",       [BAD_TURN] = "turn",
        [BAD_UNKNOWN] = "unknown", [BAD_PEERS] = "peers",         [BAD_TEXT_BOUND] = "text_bound",
    };

    return names[why];
}

void pool_counts_init(struct pool_counts *counts, struct metrics *metrics)
{
    static const char *const results[RESULTS] = {
        [RESULT_ALLOW] = "allow", [RESULT_BLOCK] = "block",     [RESULT_UNAVAILABLE] = "unavailable",
        [RESULT_FULL] = "full",   [RESULT_TIMEOUT] = "timeout", [RESULT_ABANDONED] = "abandoned",
    };

    for (size_t index = 0; index < RESULTS; index++) {
        const struct metric_label label = {"result", results[index]};

        counts->results[index] = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_pool_jobs_total",
                                                "Jobs answered, by what came of them.", &label, 1);
    }
    for (size_t index = 0; index < BAD_REASONS; index++) {
        const struct metric_label label = {"why", pool_counts_bad_name((enum pool_bad)index)};

        counts->bad[index] = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_pool_bad_messages_total",
                                            "Messages of moderators that were dropped.", &label, 1);
    }
    for (size_t index = 0; index < ENDS; index++) {
        static const char *const ends[ENDS] = {
            [END_GONE] = "gone", [END_LEFT] = "left", [END_BUSY] = "busy", [END_TIMEOUT] = "timeout"};
        const struct metric_label label = {"why", ends[index]};

        counts->ends[index] = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_pool_attempts_failed_total",
                                             "Tasks that got no verdict.", &label, 1);
    }
    for (size_t index = 0; index < UNREVIEWED_REASONS; index++) {
        static const char *const reasons[UNREVIEWED_REASONS] = {
            [UNREVIEWED_FULL] = "full", [UNREVIEWED_NO_VERDICT] = "no_verdict"};
        const struct metric_label label = {"why", reasons[index]};

        counts->unreviewed[index] = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_pool_unreviewed_total",
                                                   "Texts that a reviewer was wanted for and did not decide.", &label, 1);
    }
    counts->retries = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_pool_retries_total",
                                     "Texts sent a second time, to another moderator.", NULL, 0);
    counts->passes = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_pool_passed_on_total",
                                    "Tasks that came to moderators that were leaving, and went to others.", NULL, 0);
    counts->poisons = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_pool_poisons_total",
                                     "Texts blocked because two moderators ended while they had them.", NULL, 0);
    counts->quarantined = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_pool_quarantined_total",
                                         "Texts blocked unasked because moderators had ended while they had them.", NULL, 0);
    counts->late = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_pool_late_verdicts_total",
                                  "Answers that came when nobody waited for them any more.", NULL, 0);
    counts->batches = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_pool_batches_total",
                                     "Messages with several tasks that were sent to moderators.", NULL, 0);
    counts->batched = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_pool_batched_tasks_total",
                                     "Tasks in those messages.", NULL, 0);
    counts->held = metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_pool_long_held_total",
                                  "Long texts that waited because others had their share of the slots.", NULL, 0);
    counts->hop = metrics_series(metrics, METRIC_HISTOGRAM, "prismguard_gateway_pool_hop_seconds",
                                 "From task to verdict, without the moderator's own time.", NULL, 0);
}

void pool_counts_result(const struct pool_counts *counts, const struct job_result *result)
{
    size_t index = RESULT_UNAVAILABLE;

    switch (result->status) {
    case STATUS_OK:
        index = result->outcome == OUTCOME_ALLOW ? RESULT_ALLOW : RESULT_BLOCK;
        break;
    case STATUS_FULL:
        index = RESULT_FULL;
        break;
    case STATUS_TIMEOUT:
        index = RESULT_TIMEOUT;
        break;
    case STATUS_CLOSED:
        index = RESULT_ABANDONED;
        break;
    default:
        break;
    }
    series_add(counts->results[index], 1);
}
