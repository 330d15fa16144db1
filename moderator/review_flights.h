/* review_flights: reviews under way, each from its texts to a verdict; equal texts of a profile share one.
 *
 *   join ──all known of late──> ENDED
 *   join ──> LOOKING ──earlier labels──> CALLING ──strict verdict──> next part ... ──> ENDED ──> review_flights_end
 *               │ all texts known          ^  │ anything else                            ^
 *               │                          │  └─> WAITING (back-off, Retry-After)        │
 *               │                          └──────────┘ └── no call or time left ────────┤
 *               └────────────────────────────────────────────────────────────────────────┘
 *
 * LOOKING: history_lookup is asked for earlier labels, for at most HISTORY_LOOKUP_MS: one violation decides, what passed is not
 * asked again. The rest goes to the LLM in parts of REVIEW_PART_BYTES and REVIEW_PART_TEXTS_MAX, one after the other, so that a
 * review has at most one call: all of them must pass, and a violation ends the review. A part without a verdict leaves the whole
 * review without one, however many others passed. A part has 1 + review.retries calls, each of another model as long as there are
 * untried ones (moderator/review_models), each within review.timeout and all within the review's deadline.
 *
 * What is kept of an answer stands in moderator/review_labels: a text that was drawn at random is a part of its own.
 *
 * Internal to moderator/review. Thread: the review's.
 */
#ifndef MODERATOR_REVIEW_FLIGHTS_H
#define MODERATOR_REVIEW_FLIGHTS_H

#include "moderator/history.h"
#include "moderator/review_answer.h"
#include "moderator/review_profile.h"
#include "proto/message.h"

struct review_flights;

struct review_flights_parts {
    const struct settings *settings;
    struct review_profile *profiles; /* as settings.profiles */
    struct history *history;         /* NULL: labels are neither looked for nor kept */
    struct recent *recent;           /* NULL: nor what was said of late */
    size_t room;                     /* how many tasks there can be at once */
};

struct review_verdict {
    enum review_result result;
    bool decided; /* else there is no verdict */
    enum verdict_source source;
    struct review_answer answer;
};

/* What is in the parts is borrowed until review_flights_close. STATUS_NO_MEMORY. */
MUST_CHECK enum status review_flights_open(struct review_flights **out, const struct review_flights_parts *parts);

/* Ends what is running. Takes NULL. */
void review_flights_close(struct review_flights **flights);

/* The number of the flight that reviews this task: one under way of the same texts and profile, or a new one. The task's texts
 * are borrowed until review_flights_leave or the end. At `deadline_ms` there is no verdict any more; the latest one of those who
 * joined counts. */
size_t review_flights_join(struct review_flights *flights, struct review_profile *profile, const struct message_task *task,
                           uint64_t deadline_ms);

/* One who joined gives up. `heir` is the task of another who has not, and lends the texts from now on; NULL: nobody is left, and
 * the flight is ended. */
void review_flights_leave(struct review_flights *flights, size_t number, const struct message_task *heir);

/* For the poll: the calls under way, the descriptor of the look-ups (-1 = none), and when review_flights_turn has something to do
 * whatever they say; UINT64_MAX = never. */
struct review_calls *review_flights_calls(struct review_flights *flights);
int review_flights_lookup_fd(const struct review_flights *flights);
uint64_t review_flights_due_ms(const struct review_flights *flights);

/* Takes in what the calls and look-ups brought, after review_calls_turn, and does what is due. */
void review_flights_turn(struct review_flights *flights);

/* A flight that has ended, until review_flights_end. False when there is none. */
bool review_flights_next(const struct review_flights *flights, size_t *out_number, struct review_verdict *out);
void review_flights_end(struct review_flights *flights, size_t number);

#endif
