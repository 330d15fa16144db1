/* store: all SQL of the trainer: the lock and the epoch, the schema, profiles, models, and what the sampler reads.
 *
 * A store is one session with PostgreSQL. It belongs to one thread, which it may block (proto/db.h). Every write
 * carries the epoch: it begins with `select ... from leader where epoch = $1 for update`, so that a leader that was
 * replaced while it slept writes nothing and hears STATUS_STALE (spec/postgres.md, house D12).
 *
 * Unless said otherwise every function also returns what db_run returns; after STATUS_UNAVAILABLE or STATUS_TIMEOUT ask
 * store_alive(). The schema and the measured reasons for each query stand in trainer/schema and spec/postgres.md.
 */
#ifndef TRAINER_STORE_H
#define TRAINER_STORE_H

#include "proto/db.h"
#include "proto/limits.h"
#include "proto/settings.h"

#include <stdatomic.h>

struct store;

/* Connects; no query of this session runs in parallel or reads a table from end to end while there is another way. Once
 * `cancelled` is true whatever waits for the server is cancelled and returns STATUS_CLOSED, and the session is over; it is
 * borrowed until store_close, NULL = never. */
MUST_CHECK enum status store_open(struct store **out, const struct database_settings *settings, const atomic_bool *cancelled);
void store_close(struct store **store);

/* From now on, and all together, the calls may take `answer_ms`: one that waits for the server longer gives the session up
 * and returns STATUS_TIMEOUT. 0 = each as long as proto/db lets it, as it is at first. */
void store_answer_within(struct store *store, uint64_t answer_ms);

bool store_alive(const struct store *store);
const char *store_sqlstate(const struct store *store); /* as db_sqlstate */

/* The version of the schema in the database, 0 when there is none. This program knows those up to SCHEMA_VERSION. */
MUST_CHECK enum status store_schema_version(struct store *store, int64_t *out);
/* From version - 1 to `version` in one transaction: all of the step, or nothing. Only under the lock. */
MUST_CHECK enum status store_raise_schema(struct store *store, int64_t version);

/* Tries the leader's lock without waiting. It is the session's: it is held until the session ends, and the server ends
 * a session that holds it and is silent for LEADER_SESSION_MS. */
MUST_CHECK enum status store_try_lock(struct store *store, bool *out_locked);
/* A new epoch, greater than any before. Only under the lock. Ends the session that still holds the row of the epoch: it is a
 * former leader's, caught in a write. */
MUST_CHECK enum status store_raise_epoch(struct store *store, int64_t *out);
/* The greatest change of `models` (0 = none), while `epoch` is the newest; else STATUS_STALE. */
MUST_CHECK enum status store_check_epoch(struct store *store, int64_t epoch, int64_t *out_change);

/* Makes the rows of `profiles` that are missing. At most PROFILES_MAX names. */
MUST_CHECK enum status store_add_profiles(struct store *store, int64_t epoch, const struct bytes *names, size_t count);

/* What the settings ask of a profile before it is trained. */
struct store_want {
    struct bytes name;
    struct bytes kind; /* as model_kind_name() */
    int64_t min_samples;
    int64_t every_ms;
};
struct store_due {
    size_t want; /* index of the want */
    int64_t profile_id;
    int64_t fresh; /* new samples, counted up to min_samples of each label */
};
/* The profiles that have min_samples new samples since their last training began, at least TRAIN_LABEL_ROWS_MIN of each label,
 * whose last training is every_ms ago, and of which no version is on trial; the longest untrained first. One whose newest
 * version is of another kind than it wants by now, or of another FEATURES_VERSION than ours, needs neither new samples nor
 * time. A training that has yet to come, as by a clock that was ahead, counts as none. `out` has room for `count` of them:
 * behind the *out_count that are due stand the others that have a row, *out_known together. */
MUST_CHECK enum status store_due(struct store *store, const struct store_want *wants, size_t count,
                                 struct store_due *out, size_t *out_count, size_t *out_known);

/* The server's clock, microseconds since 1970. */
MUST_CHECK enum status store_now(struct store *store, int64_t *out_us);

struct store_model {
    int64_t profile_id;
    int64_t epoch;
    const char *kind; /* as model_kind_name() */
    int64_t feature_version;
    struct bytes file;
    struct bytes sha256;
    struct bytes figures;  /* a JSON object */
    bool passed;           /* the gate; false: kept as refused */
    bool on_trial;         /* one that passed is first tried out beside the live version, if there is one */
    const char *reason;    /* of the refusal; "" for one that passed */
    int64_t trained_at_us; /* when its draw began, by store_now(); 0 = the profile stays as due as it was */
    int64_t beside;        /* the live version that it was judged beside; 0 = there was none */
};
/* What became of it. A candidate's profile is pinned (store_versions.h); that of one that is superseded has another live version
 * than the one it was judged beside: a person chose it, or another training brought it. */
enum store_end { STORE_REFUSED, STORE_CANDIDATE, STORE_SUPERSEDED, STORE_CANARY, STORE_LIVE };
/* Stores a version and marks the profile as trained, in one transaction. Versions of the profile older than the newest
 * MODEL_VERSIONS_KEPT are deleted, but never the live one, one on trial, or the one that a rollback would choose. */
MUST_CHECK enum status store_publish(struct store *store, const struct store_model *model, int64_t *out_version,
                                     enum store_end *out_end);

/* The file of the live version; `file` is filled. STATUS_NOT_FOUND when there is none. */
MUST_CHECK enum status store_live_model(struct store *store, int64_t profile_id, struct buffer *file,
                                        int64_t *out_version);

/* Since when what violates is another, as the newest version's figures say (`changed_at_us`); 0 where they say nothing. */
MUST_CHECK enum status store_last_change(struct store *store, int64_t profile_id, int64_t *out_us);

/* What the sampler reads stands in trainer/store_draws.c: one label of one profile at a time. */
struct store_place {
    int64_t profile_id;
    int label; /* 0 pass, 1 violation */
};

/* Rows of the place, counted up to `limit`. */
MUST_CHECK enum status store_count(struct store *store, struct store_place place, int64_t limit, int64_t *out);

/* The same of the rows that were stored at `made_us` or later. */
MUST_CHECK enum status store_count_since(struct store *store, struct store_place place, int64_t made_us, int64_t limit,
                                         int64_t *out);

/* The hash of the place's row number `index` (from 0) in the order of hashes; one that is too short is filled with
 * zeros. STATUS_NOT_FOUND when there are not so many rows. */
MUST_CHECK enum status store_hash_at(struct store *store, struct store_place place, int64_t index,
                                     unsigned char out[TEXT_HASH_BYTES]);

/* What leaves the tables stands in trainer/store_keep.c. */
struct store_profile {
    int64_t profile_id;
    bool is_known; /* it is one of the names */
    size_t name;   /* its index then */
};
/* The profiles of the database behind `after_id`, in the order of their ids, at most `room`. */
MUST_CHECK enum status store_list_profiles(struct store *store, const struct bytes *names, size_t name_count, int64_t after_id,
                                           struct store_profile *out, size_t room, size_t *out_count);

/* Deletes at most SAMPLE_BATCH_MAX texts, with what is known of them, that were stored, or else labelled, more than `age_ms`
 * ago; STATUS_STALE, STATUS_TIMEOUT when others hold some of them just then. */
MUST_CHECK enum status store_expire(struct store *store, int64_t epoch, int64_t profile_id, int64_t age_ms, int64_t *out_deleted);
/* The same of the oldest of a place, at most `rows`; people's labels go last. */
MUST_CHECK enum status store_prune(struct store *store, int64_t epoch, struct store_place place, int64_t rows,
                                   int64_t *out_deleted);

/* The leaf that holds the place: its number (0 to 15), and its size. */
struct store_leaf {
    int label;
    int number;
    int64_t pages;
};
MUST_CHECK enum status store_find_leaf(struct store *store, struct store_place place, struct store_leaf *out);

/* The place's row number `index` (from 0), the newest first, the hash deciding among equally old ones: when it was made, in
 * microseconds since 1970, and its hash, as store_hash_at. STATUS_NOT_FOUND when there are not so many rows. Reads as many rows
 * of an index. */
MUST_CHECK enum status store_row_at(struct store *store, struct store_place place, int64_t index, int64_t *out_made_us,
                                    unsigned char out_hash[TEXT_HASH_BYTES]);

/* A draw of whole pages: TABLESAMPLE SYSTEM (percent) REPEATABLE (seed). Equal seeds draw equal pages. */
struct store_draw {
    double percent; /* above 0, at most 100 */
    int64_t seed;
};
/* The rows of all profiles in a leaf, estimated from such a draw of it (exact at 100 per cent). */
MUST_CHECK enum status store_count_leaf(struct store *store, const struct store_leaf *leaf, struct store_draw draw,
                                        double *out_rows);
MUST_CHECK enum status store_count_draw(struct store *store, struct store_place place, struct store_draw draw,
                                        int64_t *out);

/* A row of samples. Whether it is sound is the reader's to judge: nothing here was checked. */
struct store_sample {
    struct bytes hash;
    int64_t label;
    int64_t source;     /* as verdicts.source in trainer/schema */
    int64_t made_us;    /* microseconds since 1970 */
    double reviewed_share; /* with what probability its text was reviewed */
    int64_t text_bytes; /* the text's true length */
    struct bytes text;  /* empty when longer than SAMPLE_TEXT_BYTES_MAX: such a text never leaves the server */
};
/* One by one; lent for the call. Rows are asked for SAMPLE_SLICE_ROWS at a time, or about SAMPLE_SLICE_BYTES of their texts: the
 * next ones before the reader works on those that came, or after it where they are longer, and no others. A reader that returns
 * anything but STATUS_OK gets no more rows, and the read returns that, whatever becomes of the session. All rows of a read are of
 * one moment. A session whose server refused a read is good for nothing more. */
struct store_reader {
    enum status (*on_sample)(void *context, const struct store_sample *sample);
    void *context;
};
MUST_CHECK enum status store_read_draw(struct store *store, struct store_place place, struct store_draw draw,
                                       const struct store_reader *reader);
/* By the primary key, from `hash` on, at most `limit` rows. */
MUST_CHECK enum status store_read_hashes(struct store *store, struct store_place place, struct bytes hash,
                                         int64_t limit, const struct store_reader *reader);
/* The same of those that people labelled, by an index of their own. */
MUST_CHECK enum status store_read_people(struct store *store, struct store_place place, struct bytes hash,
                                         int64_t limit, const struct store_reader *reader);
/* The newest, at most `limit`. */
MUST_CHECK enum status store_read_latest(struct store *store, struct store_place place, int64_t limit,
                                         const struct store_reader *reader);
/* How many of a profile's `limit` newest rows have either label. */
MUST_CHECK enum status store_count_latest(struct store *store, int64_t profile_id, int64_t limit, int64_t out[2]);

#endif
