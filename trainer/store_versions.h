/* store_versions: the versions of a profile's model, as a person looks at them and chooses among them.
 *
 *   candidate   passed the gate, and decides nothing: its profile is pinned, or another took its place or went live meanwhile
 *   canary      decides the share training.canary of what the profile judges, until it is promoted or refused
 *   live        decides; at most one a profile
 *   refused     failed the gate or its trial, or was rolled back; `reason` says which
 *   retired     was live
 *
 * A person's choice needs no epoch: it waits for the row of the epoch as a leader's write does, the leader sees the new
 * change within LEADER_CHECK_MS and announces it. All return what store.h says beside what is said here.
 */
#ifndef TRAINER_STORE_VERSIONS_H
#define TRAINER_STORE_VERSIONS_H

#include "trainer/store.h"

struct store_version {
    int64_t version;
    int64_t epoch;           /* of the leader that made it */
    int64_t change;          /* of `models`, when it was last changed */
    struct bytes kind;       /* as model_kind_name() */
    int64_t feature_version;
    int64_t file_bytes;
    struct bytes status;     /* as above */
    bool pinned;             /* live, and to stay so */
    int64_t made_at_us;      /* microseconds since 1970, as the next */
    int64_t live_at_us;      /* the last time it was made live; 0 = never */
    struct bytes reason;     /* "" unless refused or passed over */
    struct bytes figures;    /* a JSON object: on the rows that the training held out */
    struct bytes trial;      /* a JSON object: on the random share of reviews since; "" = none yet */
};
/* One by one; lent for the call; as db_stream's on_row. */
struct store_version_reader {
    enum status (*on_version)(void *context, const struct store_version *version);
    void *context;
};

/* STATUS_NOT_FOUND when the database has no profile of that name. */
MUST_CHECK enum status store_find_profile(struct store *store, struct bytes name, int64_t *out_profile_id);

/* All that are kept, the newest first. */
MUST_CHECK enum status store_list_versions(struct store *store, int64_t profile_id, const struct store_version_reader *reader);
/* One of them, 0 = the live one. STATUS_NOT_FOUND. */
MUST_CHECK enum status store_show_version(struct store *store, int64_t profile_id, int64_t version,
                                          const struct store_version_reader *reader);
/* Its file is put behind what is in `file`. STATUS_NOT_FOUND; STATUS_TOO_LARGE when it has no room there. */
MUST_CHECK enum status store_read_version(struct store *store, int64_t profile_id, int64_t version, struct buffer *file);

/* Makes a version live, also one that was refused, and ends a trial: with the live version, that is all it does.
 * STATUS_NOT_FOUND; STATUS_CONFLICT when the profile is pinned. */
MUST_CHECK enum status store_publish_version(struct store *store, int64_t profile_id, int64_t version);
/* What a rollback did. */
struct store_retreat {
    int64_t live_version; /* now; 0 = none */
    int64_t gone_version; /* that decides nothing any more */
    bool was_on_trial;    /* it, and the live version is as it was */
};
/* What is newest of the versions that decide goes, and is refused from then on. One on trial: the live version stays. Without
 * one, the live version: back to the one that was live before. Where the leader ends the trial while the rollback waits for its
 * turn, it has nothing left to do, unless the version became live. STATUS_NOT_FOUND when there is none to go back to;
 * STATUS_CONFLICT as before. A later training may still replace what is live: pin it where that is not wanted. */
MUST_CHECK enum status store_rollback(struct store *store, int64_t profile_id, struct store_retreat *out);
/* Makes a version live and keeps it so, whatever is trained, until store_unpin. STATUS_NOT_FOUND. */
MUST_CHECK enum status store_pin(struct store *store, int64_t profile_id, int64_t version);
/* STATUS_NOT_FOUND when it was not pinned. */
MUST_CHECK enum status store_unpin(struct store *store, int64_t profile_id);

#endif
