/* overload: a stage for each signal, with two marks a stage, and the highest of them for the process. */
#include "gateway/overload.h"

#include "proto/limits.h"
#include "proto/log.h"
#include "proto/secret.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

static const struct {
    const char *name;
    unsigned enter_percent;
} stages[OVERLOAD_STAGES] = {
#define OVERLOAD_STAGE_ROW(enumerator, name, percent) [enumerator] = {name, percent},
    OVERLOAD_STAGE_TABLE(OVERLOAD_STAGE_ROW)
#undef OVERLOAD_STAGE_ROW
};

static const struct {
    const char *name;
    enum overload_stage last;
} signals[OVERLOAD_SIGNALS] = {
#define OVERLOAD_SIGNAL_ROW(enumerator, name, last) [enumerator] = {name, last},
    OVERLOAD_SIGNAL_TABLE(OVERLOAD_SIGNAL_ROW)
#undef OVERLOAD_SIGNAL_ROW
};

struct source {
    const struct account *account; /* NULL: it is told */
    uint64_t whole_bytes;
    _Atomic unsigned told_percent;
    _Atomic int stage;
    struct series *percent;
};

struct overload {
    struct source sources[OVERLOAD_SIGNALS];
    _Atomic int stage;
    _Atomic uint64_t samples;
    enum overload_stage logged; /* the last change that was written down; sample's own */
    struct log_limiter limiter;
    struct series *gauge;
    struct series *given_up[OVERLOAD_STAGES];
};

enum status overload_open(struct overload **out, struct metrics *metrics)
{
    struct overload *overload = calloc(1, sizeof *overload);

    if (overload == NULL) {
        return STATUS_NO_MEMORY;
    }
    overload->gauge =
        metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_overload_stage",
                       "What is given up: 0 nothing, 1 keep-alive, 2 streams, 3 requests, 4 accept, 5 stalled", NULL, 0);
    for (enum overload_signal signal = 0; signal < OVERLOAD_SIGNALS; signal++) {
        overload->sources[signal].percent =
            metrics_series(metrics, METRIC_GAUGE, "prismguard_gateway_overload_signal_percent",
                           "How high each signal of overload was at the last sample",
                           &(struct metric_label){"signal", signals[signal].name}, 1);
    }
    for (enum overload_stage stage = OVERLOAD_STREAMS; stage < OVERLOAD_STAGES; stage++) {
        overload->given_up[stage] =
            metrics_series(metrics, METRIC_COUNTER, "prismguard_gateway_overload_shed_total",
                           "What was given up under overload", &(struct metric_label){"what", stages[stage].name}, 1);
    }
    *out = overload;
    return STATUS_OK;
}

void overload_close(struct overload **overload)
{
    free(*overload);
    *overload = NULL;
}

void overload_use_account(struct overload *overload, enum overload_signal signal, const struct account *account,
                          uint64_t whole_bytes)
{
    overload->sources[signal].account = account;
    overload->sources[signal].whole_bytes = whole_bytes;
}

void overload_tell(struct overload *overload, enum overload_signal signal, unsigned percent)
{
    atomic_store_explicit(&overload->sources[signal].told_percent, percent, memory_order_relaxed);
}

unsigned overload_percent(uint64_t part, uint64_t whole)
{
    if (part > UINT64_MAX / 100) {
        return (unsigned)(part / (whole / 100 + 1));
    }
    return whole == 0 ? 0 : (unsigned)(part * 100 / whole);
}

unsigned overload_lag_percent(uint64_t lag_ms)
{
    const unsigned first = stages[OVERLOAD_KEEP_ALIVE].enter_percent;

    if (lag_ms < OVERLOAD_LAG_MS) {
        return (unsigned)lag_ms * first / OVERLOAD_LAG_MS;
    }
    if (lag_ms >= OVERLOAD_LAG_MAX_MS) {
        return 100;
    }
    return first + (unsigned)(lag_ms - OVERLOAD_LAG_MS) * (100 - first) / (OVERLOAD_LAG_MAX_MS - OVERLOAD_LAG_MS);
}

/* An account as it is now; what is told as it was told last. */
static unsigned percent_of(const struct source *source)
{
    return source->account == NULL ? atomic_load_explicit(&source->told_percent, memory_order_relaxed)
                                   : overload_percent(account_bytes(source->account), source->whole_bytes);
}

static unsigned leave_percent(enum overload_stage stage)
{
    return stages[stage].enter_percent - OVERLOAD_LEAVE_PERCENT;
}

static enum overload_stage stage_of(const struct source *source)
{
    return (enum overload_stage)atomic_load_explicit(&source->stage, memory_order_relaxed);
}

/* Where a signal at `stage` is with this percentage. */
static enum overload_stage next_stage(enum overload_stage stage, enum overload_stage last, unsigned percent)
{
    while (stage < last && percent >= stages[stage + 1].enter_percent) {
        stage++;
    }
    while (stage > OVERLOAD_NONE && percent < leave_percent(stage)) {
        stage--;
    }
    return stage;
}

/* Changes that follow one another within a second are one: what stands in the log last is how it is. */
static void write_down(struct overload *overload, enum overload_stage now, enum overload_signal cause, unsigned percent)
{
    enum overload_stage before = overload->logged;
    uint64_t suppressed;

    if (now == before || !log_limiter_pass(&overload->limiter, &suppressed)) {
        return;
    }
    overload->logged = now;
    log_event(now > before ? LOG_WARN : LOG_INFO, "overload_stage", LOG_NUMBER("stage", now),
              LOG_TEXT("gives_up", stages[now].name), LOG_NUMBER("before", before), LOG_TEXT("signal", signals[cause].name),
              LOG_NUMBER("percent", percent), LOG_NUMBER("suppressed", suppressed));
}

void overload_sample(struct overload *overload)
{
    enum overload_stage now = OVERLOAD_NONE;
    enum overload_signal cause = 0;
    unsigned cause_percent = 0;

    for (enum overload_signal signal = 0; signal < OVERLOAD_SIGNALS; signal++) {
        struct source *source = &overload->sources[signal];
        unsigned percent = percent_of(source);
        enum overload_stage stage = next_stage(stage_of(source), signals[signal].last, percent);

        atomic_store_explicit(&source->stage, (int)stage, memory_order_relaxed);
        series_set(source->percent, (int64_t)percent);
        if (stage > now || (stage == now && percent > cause_percent)) {
            now = stage;
            cause = signal;
            cause_percent = percent;
        }
    }
    atomic_store_explicit(&overload->stage, (int)now, memory_order_relaxed);
    atomic_fetch_add_explicit(&overload->samples, 1, memory_order_relaxed);
    series_set(overload->gauge, (int64_t)now);
    write_down(overload, now, cause, cause_percent);
}

enum overload_stage overload_stage(const struct overload *overload)
{
    return (enum overload_stage)atomic_load_explicit(&overload->stage, memory_order_relaxed);
}

uint64_t overload_samples(const struct overload *overload)
{
    return atomic_load_explicit(&overload->samples, memory_order_relaxed);
}

bool overload_is_over_share(const struct overload_share *share)
{
    return share->own * share->callers > share->all;
}

/* The stage for which this signal asks to refuse, OVERLOAD_NONE when it does not. */
static enum overload_stage asks_to_refuse(const struct source *source, bool is_stream, bool over_share)
{
    enum overload_stage stage = stage_of(source);
    unsigned percent = stage < OVERLOAD_STREAMS ? 0 : percent_of(source);

    if (stage >= OVERLOAD_REQUESTS &&
        percent >= (over_share ? leave_percent(OVERLOAD_REQUESTS) : (unsigned)OVERLOAD_ALL_PERCENT)) {
        return OVERLOAD_REQUESTS;
    }
    if (stage >= OVERLOAD_STREAMS && is_stream && over_share && percent >= leave_percent(OVERLOAD_STREAMS)) {
        return OVERLOAD_STREAMS;
    }
    return OVERLOAD_NONE;
}

bool overload_refuses(struct overload *overload, bool is_stream, const struct overload_share *share)
{
    bool over_share = overload_is_over_share(share);
    enum overload_stage refused = OVERLOAD_NONE;

    for (enum overload_signal signal = 0; signal < OVERLOAD_SIGNALS && refused == OVERLOAD_NONE; signal++) {
        refused = asks_to_refuse(&overload->sources[signal], is_stream, over_share);
    }
    if (refused != OVERLOAD_NONE) {
        overload_count(overload, refused);
    }
    return refused != OVERLOAD_NONE;
}

void overload_count(struct overload *overload, enum overload_stage stage)
{
    assert(stage >= OVERLOAD_STREAMS);
    series_add(overload->given_up[stage], 1);
}

unsigned overload_retry_after_s(void)
{
    return RETRY_AFTER_S + (unsigned)(secret_random_u64() % OVERLOAD_RETRY_SPREAD_S);
}
