/* exchange_debug: fields of an answer that tell how its request was judged, for operators who switch them on.
 *
 *   x-prismguard-source, -outcome, -category, -score, -model-version    what a verdict says; never the keyword
 *   x-prismguard-would                                                  what a profile that observes did not do
 *   x-prismguard-timings: read;dur=0.120, queue;dur=0.031, judge;dur=0.250, review;dur=812.400       milliseconds
 *   x-prismguard-local-model-*, x-prismguard-llm-*                      the names that clients of PrismGuard know
 */
#include "gateway/exchange_inside.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum { VALUE_BYTES_MAX = 160 };

/* Fields that are being added: the first failure is kept. */
struct adding {
    struct fields *fields;
    enum status status;
};

static void add(struct adding *adding, const char *name, struct bytes value)
{
    if (adding->status == STATUS_OK) {
        adding->status = fields_add(adding->fields, bytes_of(name), value);
    }
}

__attribute__((format(printf, 3, 4))) static void add_format(struct adding *adding, const char *name, const char *format, ...)
{
    char value[VALUE_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    add(adding, name, bytes_of(value));
}

static double milliseconds(uint64_t us)
{
    return (double)us / 1000;
}

/* The local model's own, before a review. */
static void add_model(struct adding *adding, const struct profile_settings *profile, const struct job_result *verdict)
{
    static const char *const sources[MODEL_KINDS] = {
        [MODEL_KIND_HASHLINEAR] = "hashlinear_model", [MODEL_KIND_BOW] = "bow_model", [MODEL_KIND_FASTTEXT] = "fasttext_model"};
    double score = (double)verdict->score;

    if (isnan(score) || sources[profile->model_kind] == NULL) {
        add(adding, "x-prismguard-local-model-decision", BYTES("skipped"));
        return;
    }
    add_format(adding, "x-prismguard-score", "%.4f", score);
    add_format(adding, "x-prismguard-model-version", "%llu", (unsigned long long)verdict->model_version);
    add(adding, "x-prismguard-local-model-source", bytes_of(sources[profile->model_kind]));
    add(adding, "x-prismguard-local-model-decision",
        score < profile->low ? BYTES("allow") : score > profile->high ? BYTES("block") : BYTES("uncertain"));
    add_format(adding, "x-prismguard-local-model-confidence", "%.3f", score);
    add_format(adding, "x-prismguard-local-model-latency-ms", "%.3f", milliseconds(verdict->judge_us));
}

static void add_review(struct adding *adding, const struct job_result *verdict)
{
    /* A review slot may know the text: the answer to it is a verdict as well. */
    bool answered =
        verdict->source == SOURCE_REVIEW || verdict->source == SOURCE_HISTORY || verdict->source == SOURCE_CACHE;

    add(adding, "x-prismguard-llm-reviewed", verdict->review_us > 0 ? BYTES("true") : BYTES("false"));
    if (verdict->review_us == 0) {
        return;
    }
    add(adding, "x-prismguard-llm-result", answered ? bytes_of(outcome_name(verdict->outcome)) : BYTES("error"));
    add_format(adding, "x-prismguard-llm-latency-ms", "%.3f", milliseconds(verdict->review_us));
    if (!answered) {
        add(adding, "x-prismguard-llm-error", BYTES("no verdict"));
    }
}

enum status exchange_add_debug(struct exchange *exchange)
{
    const struct job_result *verdict = &exchange->verdict;
    struct adding adding = {exchange->added, STATUS_OK};

    if (!snapshot_settings(exchange->snapshot)->gateway.debug_headers || exchange->profile == NULL) {
        return STATUS_OK;
    }
    add(&adding, "x-prismguard-source", bytes_of(exchange->source));
    if (exchange->would != NULL) {
        add(&adding, "x-prismguard-would", bytes_of(exchange->would));
    }
    add_format(&adding, "x-prismguard-timings", "read;dur=%.3f, queue;dur=%.3f, judge;dur=%.3f, review;dur=%.3f",
               milliseconds(exchange->read_us), milliseconds(verdict->queue_us), milliseconds(verdict->judge_us),
               milliseconds(verdict->review_us));
    if (exchange->has_verdict) {
        add(&adding, "x-prismguard-outcome", bytes_of(outcome_name(verdict->outcome)));
        if (verdict->category_bytes > 0) {
            add(&adding, "x-prismguard-category", (struct bytes){verdict->category, verdict->category_bytes});
        }
        add_model(&adding, exchange->profile, verdict);
        add_review(&adding, verdict);
    }
    return adding.status;
}
