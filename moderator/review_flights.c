/* review_flights: a table of flights, each in one state, whose number is also the place of its call. */
#include "moderator/review_flights.h"

#include "moderator/history_lookup.h"
#include "moderator/review_labels.h"
#include "moderator/review_request.h"
#include "moderator/review_texts.h"
#include "proto/backoff.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "proto/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { HTTP_OK = 200 };

enum flight_state { FLIGHT_FREE, FLIGHT_LOOKING, FLIGHT_WAITING, FLIGHT_CALLING, FLIGHT_ENDED };

struct flight {
    enum flight_state state;
    struct review_profile *profile;
    const struct message_task *task; /* of one of those who joined */
    unsigned char digest[SHA256_BYTES];
    uint64_t labels_version; /* when it began (moderator/recent) */
    bool is_unasked; /* the database was there, and said nothing in time: a person's label may be missed, nothing is kept */
    uint64_t turn; /* which question is its own */
    uint64_t deadline_ms;
    uint64_t due_ms;                        /* LOOKING and WAITING: when it goes on all the same */
    unsigned char passed[UNSURE_BYTES_MAX]; /* a bit a text: an earlier label says no violation */
    unsigned char alone[UNSURE_BYTES_MAX];  /* and for each that was drawn at random */
    enum review_result known_by; /* who said so of the last of them: REVIEW_CACHE or REVIEW_HISTORY */
    size_t part_start;                      /* the first text of the part in hand */
    size_t part_end;     /* and where the next one starts */
    size_t part_count;   /* how many texts it has, at most */
    unsigned call_count; /* for this part, ended ones */
    uint32_t tried;      /* models asked for this part */
    size_t model;        /* CALLING */
    uint64_t called_ms;  /* CALLING: since when */
    struct review_verdict verdict; /* ENDED; before that, result is of the last call */
};

struct review_flights {
    struct review_flights_parts parts;
    struct review_calls *calls;
    uint64_t turn;
    size_t used; /* one past the last that is not FREE */
    struct flight flights[];
};

enum status review_flights_open(struct review_flights **out, const struct review_flights_parts *parts)
{
    struct review_flights *flights = calloc(1, sizeof *flights + parts->room * sizeof *flights->flights);
    enum status status;

    assert(out != NULL);
    if (flights == NULL) {
        return STATUS_NO_MEMORY;
    }
    flights->parts = *parts;
    status = review_calls_open(&flights->calls, parts->room);
    if (status != STATUS_OK) {
        review_flights_close(&flights);
        return status;
    }
    *out = flights;
    return STATUS_OK;
}

void review_flights_close(struct review_flights **flights)
{
    assert(flights != NULL);
    if (*flights == NULL) {
        return;
    }
    review_calls_close(&(*flights)->calls);
    free(*flights);
    *flights = NULL;
}

static size_t number_of(const struct review_flights *flights, const struct flight *flight)
{
    return (size_t)(flight - flights->flights);
}

static void end(struct flight *flight, enum review_result result, bool violation)
{
    flight->state = FLIGHT_ENDED;
    flight->verdict.result = result;
    flight->verdict.decided = result == REVIEW_ALLOW || result == REVIEW_BLOCK || result == REVIEW_HISTORY ||
                              result == REVIEW_CACHE;
    flight->verdict.source = result == REVIEW_HISTORY ? SOURCE_HISTORY : result == REVIEW_CACHE ? SOURCE_CACHE : SOURCE_REVIEW;
    flight->verdict.answer.violation = violation;
}

/* The texts of the part in hand, part_count at most; part_end follows. */
static size_t collect(struct flight *flight, struct bytes texts[REVIEW_PART_TEXTS_MAX])
{
    const struct review_texts_choice choice = {.passed = {(const char *)flight->passed, sizeof flight->passed},
                                               .alone = {(const char *)flight->alone, sizeof flight->alone},
                                               .start = flight->part_start,
                                               .count_max = flight->part_count};

    return review_texts_collect(flight->task, &choice, texts, &flight->part_end);
}

static struct review_labels labels_of(const struct review_flights *flights, const struct flight *flight)
{
    return (struct review_labels){
        .history = flights->parts.history, .number = (size_t)(flight->profile - flights->parts.profiles),
        .recent = {.recent = flight->is_unasked ? NULL : flights->parts.recent,
                   .profile = flight->profile, .task = flight->task, .labels_version = flight->labels_version}};
}

/* A model's circuit opened or closed. */
static void tell_circuit(const struct flight *flight)
{
    const struct review_profile *profile = flight->profile;
    bool closed = profile->models.at[flight->model].circuit == CIRCUIT_CLOSED;

    log_event(closed ? LOG_INFO : LOG_WARN, closed ? "review_model_back" : "review_model_left_alone",
              LOG_TEXT("profile", profile->settings->name), LOG_TEXT("model", profile->settings->review.models[flight->model]),
              LOG_TEXT("result", review_result_name(flight->verdict.result)));
}

static void end_call(struct review_flights *flights, struct flight *flight, enum review_call_end how, uint64_t pause_ms)
{
    struct review_models *models = &flight->profile->models;

    review_call_end(flights->calls, number_of(flights, flight));
    if (review_models_ended(models, flight->model, how, pause_ms, clock_ms())) {
        tell_circuit(flight);
    }
    series_set(flight->profile->circuits_open, (int64_t)review_models_open_count(models));
}

static void wait_until_ms(struct flight *flight, uint64_t due_ms)
{
    if (due_ms >= flight->deadline_ms) {
        end(flight, flight->verdict.result, false); /* of the last call, or that there was none */
        return;
    }
    flight->state = FLIGHT_WAITING;
    flight->due_ms = due_ms;
}

/* Of half the part, or half of that, where escapes make more of its texts than a request may have. */
static enum status write_request(struct flight *flight, struct buffer *body)
{
    const char *model = flight->profile->settings->review.models[flight->model];
    struct bytes texts[REVIEW_PART_TEXTS_MAX];
    enum status status;

    do {
        flight->part_count = collect(flight, texts);
        status = review_request_write(model, flight->profile->policy, texts, flight->part_count, body);
    } while (status == STATUS_TOO_LARGE && (flight->part_count /= 2) > 0);
    return status;
}

/* The next call for the part in hand, of which some text is not known. */
static void call(struct review_flights *flights, struct flight *flight)
{
    uint64_t now_ms = clock_ms();
    uint64_t rests_until_ms = 0;
    struct buffer body;
    enum status status;

    if (now_ms >= flight->deadline_ms) {
        end(flight, REVIEW_TIMEOUT, false);
        return;
    }
    status = review_models_pick(&flight->profile->models, flight->tried, secret_random_u64(), now_ms, &flight->model,
                                &rests_until_ms);
    if (status != STATUS_OK) {
        wait_until_ms(flight, status == STATUS_AGAIN ? rests_until_ms : UINT64_MAX);
        return;
    }
    flight->called_ms = now_ms;
    buffer_init(&body, REVIEW_REQUEST_BYTES_MAX);
    status = write_request(flight, &body);
    if (status == STATUS_OK) {
        status = review_call_start(flights->calls, number_of(flights, flight), flight->profile->target, &body,
                                   flight->profile->settings->review.timeout_ms);
    }
    buffer_free(&body);
    if (status == STATUS_OK) {
        flight->state = FLIGHT_CALLING;
        return;
    }
    end_call(flights, flight, CALL_ABANDONED, 0);
    end(flight, status == STATUS_TOO_LARGE ? REVIEW_TOO_LARGE : REVIEW_FAILED, false);
}

/* The part that begins at part_start, if any text from there on is not known. */
static void begin_part(struct review_flights *flights, struct flight *flight)
{
    struct bytes texts[REVIEW_PART_TEXTS_MAX];

    flight->call_count = 0;
    flight->tried = 0;
    flight->part_count = REVIEW_PART_TEXTS_MAX;
    if (collect(flight, texts) == 0) {
        end(flight, flight->part_start == 0 ? flight->known_by : REVIEW_ALLOW, false);
        return;
    }
    flight->verdict.result = REVIEW_UNREACHABLE;
    call(flights, flight);
}

/* Whether it says something of the model; if not, of the text, or of how little time there was. */
static bool is_failure(const struct review_flights *flights, const struct flight *flight, enum review_result result,
                       unsigned http_status)
{
    uint64_t whole_ms = flights->parts.settings->moderation.deadline_review_ms;
    uint64_t timeout_ms = flight->profile->settings->review.timeout_ms;

    switch (result) {
    case REVIEW_TIMEOUT:
        return clock_ms() - flight->called_ms >= (timeout_ms < whole_ms ? timeout_ms : whole_ms) / 2;
    case REVIEW_FAILED:
        return true;
    case REVIEW_HTTP_ERROR:
        return review_models_blames(http_status);
    default:
        return false;
    }
}

/* With names of ours and numbers only. */
static void tell_failure(struct flight *flight, enum review_result result, enum status status, unsigned http_status, size_t bytes)
{
    log_event_limited_by(&flight->profile->told[result], LOG_WARN, "review_failed",
                         LOG_TEXT("profile", flight->profile->settings->name), LOG_TEXT("result", review_result_name(result)),
                         LOG_STATUS("status", status), LOG_NUMBER("http_status", http_status), LOG_NUMBER("bytes", bytes));
}

/* What an ended call says. */
static enum review_result read_result(struct review_flights *flights, struct flight *flight, unsigned *out_http_status,
                                      struct review_answer *out)
{
    enum review_result result = REVIEW_FAILED;
    struct bytes body = {NULL, 0};
    enum status status = review_call_result(flights->calls, number_of(flights, flight), out_http_status, &body);

    if (status == STATUS_TIMEOUT) {
        result = REVIEW_TIMEOUT;
    } else if (status == STATUS_TOO_LARGE) {
        result = REVIEW_NO_VERDICT; /* more than any verdict has */
    } else if (status == STATUS_OK && *out_http_status != HTTP_OK) {
        result = REVIEW_HTTP_ERROR;
    } else if (status == STATUS_OK) {
        status = review_answer_read(body, out);
        result = status != STATUS_OK ? REVIEW_NO_VERDICT : out->violation ? REVIEW_BLOCK : REVIEW_ALLOW;
    }
    if (status != STATUS_OK || result == REVIEW_HTTP_ERROR) {
        tell_failure(flight, result, status, *out_http_status, body.count);
    }
    return result;
}

/* The deadline of all who joined has come, and the call has not ended. */
static void time_out(struct review_flights *flights, struct flight *flight)
{
    bool failure = is_failure(flights, flight, REVIEW_TIMEOUT, 0);

    series_add(flight->profile->calls[REVIEW_TIMEOUT], 1);
    tell_failure(flight, REVIEW_TIMEOUT, STATUS_TIMEOUT, 0, 0);
    flight->verdict.result = REVIEW_TIMEOUT;
    end_call(flights, flight, failure ? CALL_FAILED : CALL_ABANDONED, 0);
    end(flight, REVIEW_TIMEOUT, false);
}

/* A strict verdict on the part in hand. */
static void take_verdict(struct review_flights *flights, struct flight *flight, const struct review_answer *answer)
{
    const struct review_labels labels = labels_of(flights, flight);
    struct bytes texts[REVIEW_PART_TEXTS_MAX];

    review_labels_keep(&labels, texts, collect(flight, texts), answer);
    flight->verdict.answer = *answer;
    if (answer->violation) {
        end(flight, REVIEW_BLOCK, true);
        return;
    }
    flight->part_start = flight->part_end;
    begin_part(flights, flight);
}

static void finish_call(struct review_flights *flights, struct flight *flight)
{
    struct review_answer answer = {0};
    unsigned http_status = 0;
    enum review_result result = read_result(flights, flight, &http_status, &answer);
    uint64_t pause_ms = result == REVIEW_HTTP_ERROR ? review_call_pause_ms(flights->calls, number_of(flights, flight)) : 0;

    series_add(flight->profile->calls[result], 1);
    flight->verdict.result = result;
    end_call(flights, flight, is_failure(flights, flight, result, http_status) ? CALL_FAILED : CALL_ANSWERED, pause_ms);
    if (result == REVIEW_ALLOW || result == REVIEW_BLOCK) {
        take_verdict(flights, flight, &answer);
        return;
    }
    flight->tried |= (uint32_t)1 << flight->model;
    if (flight->call_count++ >= flight->profile->settings->review.retries) {
        end(flight, result, false);
        return;
    }
    wait_until_ms(flight, clock_ms() + backoff_ms(flight->call_count - 1, REVIEW_RETRY_MS, REVIEW_RETRY_MAX_MS));
}

/* Asks for earlier labels of the texts. False: nobody can be asked. */
static bool look_up(struct review_flights *flights, struct flight *flight)
{
    struct history *history = flights->parts.history;
    const struct history_question own = {.profile = (size_t)(flight->profile - flights->parts.profiles),
                                         .number = number_of(flights, flight), .turn = flight->turn};
    enum status status;

    if (history == NULL || flight->profile->settings->store == STORE_OFF) {
        return false;
    }
    status = review_texts_look_up(history_lookup(history), &own, flight->task);
    if (status != STATUS_OK) {
        flight->is_unasked = status != STATUS_UNAVAILABLE; /* when the database is back all is forgotten (history_marks) */
        return false;
    }
    flight->state = FLIGHT_LOOKING;
    flight->due_ms = clock_ms() + HISTORY_LOOKUP_MS;
    flight->due_ms = flight->deadline_ms < flight->due_ms ? flight->deadline_ms : flight->due_ms;
    return true;
}

static void take_labels(struct review_flights *flights, struct flight *flight, const struct history_question *question)
{
    if (question->status == STATUS_OK && question->violation) {
        review_answer_category(bytes_of(question->category), flight->verdict.answer.category);
        end(flight, REVIEW_HISTORY, true);
        return;
    }
    if (question->status == STATUS_OK) {
        const struct review_labels labels = labels_of(flights, flight);

        review_recent_keep_passed(&labels.recent, question->passed);
        for (size_t index = 0; index < sizeof flight->passed; index++) {
            flight->passed[index] |= question->passed[index];
        }
        flight->known_by = REVIEW_HISTORY;
    }
    begin_part(flights, flight);
}

size_t review_flights_join(struct review_flights *flights, struct review_profile *profile, const struct message_task *task,
                           uint64_t deadline_ms)
{
    uint64_t labels_version = recent_labels_version(flights->parts.recent, profile->basis.profile);
    unsigned char digest[SHA256_BYTES];
    struct flight *flight = NULL;
    struct review_labels labels;
    size_t left;

    review_texts_digest(task, digest);
    for (size_t number = 0; number < flights->used; number++) {
        struct flight *other = &flights->flights[number];

        if (other->state == FLIGHT_FREE) {
            flight = flight == NULL ? other : flight;
        } else if (other->state != FLIGHT_ENDED && other->profile == profile && other->labels_version == labels_version &&
                   memcmp(other->digest, digest, sizeof digest) == 0) {
            other->deadline_ms = deadline_ms > other->deadline_ms ? deadline_ms : other->deadline_ms;
            series_add(profile->shared, 1);
            return number;
        }
    }
    if (flight == NULL) {
        assert(flights->used < flights->parts.room); /* a task each, at most */
        flight = &flights->flights[flights->used++];
    }
    *flight = (struct flight){.profile = profile, .task = task, .turn = ++flights->turn, .deadline_ms = deadline_ms,
                              .labels_version = labels_version, .known_by = REVIEW_CACHE};
    memcpy(flight->digest, digest, sizeof digest);
    labels = labels_of(flights, flight);
    review_labels_drawn(&labels, flight->alone);
    left = review_recent_ask(&labels.recent, flight->passed, &flight->verdict.answer);
    if (flight->verdict.answer.violation) {
        end(flight, REVIEW_CACHE, true);
    } else if (left == 0 || !look_up(flights, flight)) {
        begin_part(flights, flight);
    }
    return number_of(flights, flight);
}

static void set_free(struct review_flights *flights, struct flight *flight)
{
    flight->state = FLIGHT_FREE;
    while (flights->used > 0 && flights->flights[flights->used - 1].state == FLIGHT_FREE) {
        flights->used--;
    }
}

void review_flights_leave(struct review_flights *flights, size_t number, const struct message_task *heir)
{
    struct flight *flight = &flights->flights[number];

    assert(number < flights->parts.room && flight->state != FLIGHT_FREE);
    if (heir != NULL) {
        flight->task = heir;
        return;
    }
    if (flight->state == FLIGHT_CALLING) {
        end_call(flights, flight, CALL_ABANDONED, 0);
    }
    set_free(flights, flight);
}

struct review_calls *review_flights_calls(struct review_flights *flights)
{
    return flights->calls;
}

int review_flights_lookup_fd(const struct review_flights *flights)
{
    return flights->parts.history == NULL ? -1 : history_lookup_fd(history_lookup(flights->parts.history));
}

uint64_t review_flights_due_ms(const struct review_flights *flights)
{
    uint64_t due_ms = UINT64_MAX;

    for (size_t number = 0; number < flights->used; number++) {
        const struct flight *flight = &flights->flights[number];

        if (flight->state == FLIGHT_ENDED) {
            return 0;
        }
        if ((flight->state == FLIGHT_LOOKING || flight->state == FLIGHT_WAITING) && flight->due_ms < due_ms) {
            due_ms = flight->due_ms;
        } else if (flight->state == FLIGHT_CALLING && flight->deadline_ms < due_ms) {
            due_ms = flight->deadline_ms;
        }
    }
    return due_ms;
}

static void take_answered(struct review_flights *flights)
{
    struct history_question *question;

    while (flights->parts.history != NULL &&
           (question = history_lookup_next(history_lookup(flights->parts.history))) != NULL) {
        struct flight *flight = &flights->flights[question->number];

        if (flight->state == FLIGHT_LOOKING && flight->turn == question->turn) {
            take_labels(flights, flight, question);
        }
        free(question);
    }
}

void review_flights_turn(struct review_flights *flights)
{
    uint64_t now_ms = clock_ms();
    size_t number;

    take_answered(flights);
    while (review_calls_next(flights->calls, &number)) {
        finish_call(flights, &flights->flights[number]);
    }
    for (number = 0; number < flights->used; number++) {
        struct flight *flight = &flights->flights[number];

        if (flight->state == FLIGHT_LOOKING && now_ms >= flight->due_ms) {
            flight->is_unasked = true;
            begin_part(flights, flight);
        } else if (flight->state == FLIGHT_WAITING && now_ms >= flight->due_ms) {
            call(flights, flight);
        } else if (flight->state == FLIGHT_CALLING && now_ms >= flight->deadline_ms) {
            time_out(flights, flight);
        }
    }
}

bool review_flights_next(const struct review_flights *flights, size_t *out_number, struct review_verdict *out)
{
    for (size_t number = 0; number < flights->used; number++) {
        if (flights->flights[number].state == FLIGHT_ENDED) {
            *out_number = number;
            *out = flights->flights[number].verdict;
            return true;
        }
    }
    return false;
}

void review_flights_end(struct review_flights *flights, size_t number)
{
    assert(number < flights->parts.room && flights->flights[number].state == FLIGHT_ENDED);
    set_free(flights, &flights->flights[number]);
}
