/* store_trial: what tells how good the versions in use are: the texts that were drawn at random, and the end of a trial.
 *
 * All return what store.h says beside what is said here.
 */
#ifndef TRAINER_STORE_TRIAL_H
#define TRAINER_STORE_TRIAL_H

#include "trainer/store.h"

/* A profile that the database knows. */
struct store_standing {
    size_t name; /* its index */
    int64_t profile_id;
    int64_t live_version; /* 0 = none */
    int64_t live_made_us; /* microseconds since 1970, as all */
    int64_t trial_version; /* 0 = none */
    int64_t trial_made_us;
    int64_t trial_age_ms;
    int64_t drawn_us; /* when a text was drawn the last time; 0 = never */
};
/* Of these names, at most PROFILES_MAX; `out` has room for as many. */
MUST_CHECK enum status store_list_standings(struct store *store, const struct bytes *names, size_t count,
                                            struct store_standing *out, size_t *out_count);

/* A text that was drawn, and its label. */
struct store_drawn_text {
    int64_t drawn_us;
    double share; /* with which it was drawn */
    int64_t label;
    int64_t model_version; /* that judged it when it was labelled; 0 = none */
    struct bytes text;     /* at most SAMPLE_TEXT_BYTES_MAX */
};
/* Lent for the call; as db_stream's on_row. */
struct store_drawn_reader {
    enum status (*on_text)(void *context, const struct store_drawn_text *text);
    void *context;
};
/* The newest first, those drawn since then, at most `limit`. */
MUST_CHECK enum status store_read_drawn(struct store *store, int64_t profile_id, int64_t since_us, int64_t limit,
                                        const struct store_drawn_reader *reader);

/* Notes what a version was worth; `figures` is a JSON object. STATUS_STALE. */
MUST_CHECK enum status store_note_trial(struct store *store, int64_t epoch, int64_t profile_id, int64_t version,
                                        struct bytes figures);

/* Ends the trial of a version, which is then live, a candidate or refused; `reason` is a literal. STATUS_STALE; STATUS_NOT_FOUND
 * when it is not on trial any more, or its profile was pinned. */
MUST_CHECK enum status store_end_trial(struct store *store, int64_t epoch, int64_t profile_id, int64_t version,
                                       const char *status_name, const char *reason);

#endif
