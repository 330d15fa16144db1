/* exchange_obey: asks for a verdict and does what it says, or what the profile says where there is none. */
#include "gateway/exchange_inside.h"

#include "proto/log.h"

/* No verdict is never "allow", unless the profile says so (house D6). */
enum step exchange_obey_silence(struct exchange *exchange, enum status why, enum step allowed)
{
    exchange->source = SOURCE_NAME_UNAVAILABLE;
    if (why == STATUS_FULL) {
        return exchange_full(exchange, LIMIT_QUEUE);
    }
    if (exchange->profile->when_unavailable == WHEN_UNAVAILABLE_ALLOW) {
        series_add(exchange->home->series.unavailable, 1);
        log_event_limited(LOG_WARN, "unavailable_allowed", LOG_TEXT("decision", exchange->decision),
                          LOG_TEXT("profile", exchange->profile->name),
                          LOG_STATUS("reason", why));
        return allowed;
    }
    log_event_limited_each(why == STATUS_TIMEOUT, 2, LOG_WARN, "moderation_unavailable", LOG_STATUS("reason", why),
                           LOG_TEXT("profile", exchange->profile->name));
    return exchange_problem(exchange, ERROR_MODERATION_UNAVAILABLE, 0, "no moderation is available right now");
}

/* A profile that only observes decides and changes nothing: the request goes on, counted, and named in its line of the log. */
static enum step observe(struct exchange *exchange, const char *would)
{
    const struct metric_label labels[] = {{"profile", exchange->profile->name}, {"would", would}};

    exchange->would = would;
    series_add(metrics_series(exchange->home->metrics, METRIC_COUNTER, "prismguard_gateway_observed_total",
                              "Requests that went on because their profile only observes, by what it would have done", labels, 2),
               1);
    return STEP_ALLOWED;
}

static enum step obey_silence(struct exchange *exchange, enum status why)
{
    exchange->fate = ANSWER_UNAVAILABLE;
    if (exchange->profile->observe) {
        exchange->source = SOURCE_NAME_UNAVAILABLE;
        return observe(exchange, WOULD_MISS);
    }
    return exchange_obey_silence(exchange, why, STEP_ALLOWED);
}

enum step exchange_judge(struct exchange *exchange)
{
    struct job *job = exchange->job;

    if (pool_submit(exchange->home->pool, job) != STATUS_OK) {
        job_close(&exchange->job);
        return obey_silence(exchange, STATUS_FULL);
    }
    return STEP_WAIT; /* for exchange_judged */
}

enum step exchange_obey(struct exchange *exchange)
{
    const struct job_result *verdict = &exchange->verdict;
    struct errors_refusal refusal;

    if (exchange->answering) {
        series_observe(exchange->home->series.answer, (double)exchange->answer_us / 1e6);
    } else {
        series_observe(exchange->home->series.judge, (double)exchange->judge_us / 1e6);
    }
    exchange->has_verdict = verdict->status == STATUS_OK;
    if (verdict->status != STATUS_OK) {
        return obey_silence(exchange, verdict->status);
    }
    exchange->source = verdict_source_name(verdict->source);
    if (verdict->outcome == OUTCOME_ALLOW) {
        return STEP_ALLOWED;
    }
    exchange->fate = ANSWER_BLOCKED;
    if (exchange->profile->observe) {
        return observe(exchange, WOULD_BLOCK);
    }
    errors_refusal(&refusal, exchange->answering ? "answer" : "request",
                   (struct bytes){verdict->category, verdict->category_bytes},
                   bytes_of(exchange->decision));
    return exchange_problem(exchange, ERROR_CONTENT_FILTER, 0, refusal.text);
}

/* By one profile. The one that a URL names has its turn after the floor, and then the upstream, or its answer the client. */
enum step exchange_allowed(struct exchange *exchange)
{
    if (exchange->next_profile == NULL) {
        return exchange->answering ? STEP_RELEASE : STEP_CONNECT;
    }
    exchange->profile = exchange->next_profile;
    exchange->next_profile = NULL;
    return exchange->answering ? STEP_WEIGH : STEP_BODY;
}
