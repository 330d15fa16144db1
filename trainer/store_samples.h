/* store_samples: labelled texts as a person handles them: put, looked at, labelled anew, deleted.
 *
 * None of it needs an epoch: the only door for labels is the schema's sample_put, which moderators use at any time. All return
 * what store.h says beside what is said here; where the schema is not this program's, sample_put and the rest are not called:
 * STATUS_UNSUPPORTED.
 */
#ifndef TRAINER_STORE_SAMPLES_H
#define TRAINER_STORE_SAMPLES_H

#include "trainer/store.h"

enum store_source { STORE_IMPORT = 1, STORE_REVIEWER = 2, STORE_PERSON = 3 };         /* verdicts.source in trainer/schema */
enum store_drawn { STORE_DRAWN_UNSURE, STORE_DRAWN_RANDOM, STORE_DRAWN_PERSON, STORE_DRAWN_IMPORT }; /* verdicts.drawn */

/* The row of a profile, made where there is none. */
MUST_CHECK enum status store_make_profile(struct store *store, struct bytes name, int64_t *out_profile_id);

/* The newest epoch: who writes under it hears STATUS_STALE when another trainer took the lead meanwhile. */
MUST_CHECK enum status store_read_epoch(struct store *store, int64_t *out);

struct store_label {
    unsigned char hash[TEXT_HASH_BYTES];
    int label;
    int source;            /* enum store_source */
    struct bytes text;     /* data NULL = none is stored */
    struct bytes category; /* empty = none */
    int64_t labelled_us;   /* microseconds since 1970, UTC */
};
struct store_put {
    int64_t added;    /* of texts of which nothing was known */
    int64_t replaced; /* that took the place of a weaker or an older label, or of another one as old */
};
/* At most SAMPLE_BATCH_MAX, in one statement. Those that are neither added nor replaced something change nothing: their text
 * has a stronger or a newer label, or this very one, or is there twice. A rival that writes about the same texts at the same
 * moment may make one count for the other. */
MUST_CHECK enum status store_put_labels(struct store *store, int64_t profile_id, const struct store_label *labels, size_t count,
                                        struct store_put *out);

struct store_fact {
    struct bytes hash;
    int64_t label;
    int64_t source;
    int64_t drawn;
    struct bytes category;
    int64_t labelled_us;
    bool has_text;
    struct bytes text; /* empty when longer than SAMPLE_TEXT_BYTES_MAX */
};
/* One by one; lent for the call; as db_stream's on_row. */
struct store_fact_reader {
    enum status (*on_fact)(void *context, const struct store_fact *fact);
    void *context;
};

/* Which ones: label and source below 0, and no category = all. */
struct store_filter {
    int label;
    int source;
    struct bytes category;
    int64_t limit;
};
/* The newest first. */
MUST_CHECK enum status store_list_facts(struct store *store, int64_t profile_id, const struct store_filter *filter,
                                        const struct store_fact_reader *reader);
/* In the order of hashes, those behind `after` (at first empty): a page of a walk through all. */
MUST_CHECK enum status store_page_facts(struct store *store, int64_t profile_id, const struct store_filter *filter,
                                        struct bytes after, const struct store_fact_reader *reader);
/* One of them. STATUS_NOT_FOUND. */
MUST_CHECK enum status store_find_fact(struct store *store, int64_t profile_id, struct bytes hash,
                                       const struct store_fact_reader *reader);

/* A person's label, with the text that is stored. STATUS_NOT_FOUND when nothing is known of the text. */
MUST_CHECK enum status store_relabel(struct store *store, int64_t profile_id, struct bytes hash, int label,
                                     struct bytes category);

/* A text with all that is known of it. STATUS_NOT_FOUND. */
MUST_CHECK enum status store_delete_text(struct store *store, int64_t profile_id, struct bytes hash);
/* At most SAMPLE_BATCH_MAX of the texts that keep this key's digest, of all profiles; call it until *out_deleted is 0. A text
 * keeps one: verdicts.key_digest is that of the last request with a key that it was labelled or drawn for. So it is not all that
 * the key sent: what another key sent too may keep the other's, and a request that was answered from history, by a keyword or by
 * a model alone leaves no digest. */
MUST_CHECK enum status store_delete_key(struct store *store, struct bytes key_digest, int64_t *out_deleted);

#endif
