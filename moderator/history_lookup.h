/* history_lookup: earlier labels of texts, asked for by the review thread and found on a thread that may wait for the database.
 *
 *   review ──history_lookup_ask──> questions ──one select each──> answered ──fd──> history_lookup_next ──> review
 *
 * Nobody waits: while there is no session with the database (it is away, or a statement took longer than HISTORY_LOOKUP_MS, which
 * ends the session) a question is refused at once, and the thread tries to connect with a jittered back-off. At most
 * HISTORY_QUESTIONS_MAX wait.
 *
 * It also asks every HISTORY_MARKS_MS, before any question, whether people have changed labels (moderator/history_marks).
 *
 * A text that was drawn at random, and whose label is known, is marked as drawn: it is not asked about again, and would be
 * missing among the drawn. A mark that cannot be set is let go.
 *
 * Thread: one asks and takes answers; its own does the rest. Internal to moderator/history but for the review thread.
 */
#ifndef MODERATOR_HISTORY_LOOKUP_H
#define MODERATOR_HISTORY_LOOKUP_H

#include "moderator/recent.h"
#include "moderator/share.h"
#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/metrics.h"
#include "proto/secret.h"
#include "proto/settings.h"
#include "proto/status.h"

struct history_lookup;

struct history_question {
    struct history_question *next; /* the lookup's */
    uint64_t turn;                 /* the asker's; comes back as it was */
    size_t number;                 /* the asker's too */
    size_t profile;                /* index into settings.profiles */
    /* The answer. */
    enum status status;                      /* STATUS_OK: what follows is what is known */
    bool violation;                          /* one of the texts is labelled so */
    char category[CATEGORY_BYTES_MAX + 1];   /* of that label, as it stands in the database */
    unsigned char passed[UNSURE_BYTES_MAX];  /* a bit for each text that is labelled as none */
    unsigned char drawn[UNSURE_BYTES_MAX];   /* a bit for each text that was drawn, by history_lookup_name */
    size_t text_count;
    unsigned char hashes[][TEXT_HASH_BYTES]; /* by history_lookup_name */
};

/* Starts the thread. `settings`, `share`, `recent` (NULL: nobody keeps what reviews find) and `metrics` are borrowed, the key is
 * copied. STATUS_NO_MEMORY. */
MUST_CHECK enum status history_lookup_open(struct history_lookup **out, const struct settings *settings,
                                           const unsigned char hash_key[SECRET_HASH_KEY_BYTES], const struct share *share,
                                           struct recent *recent, struct metrics *metrics);
/* Leaves a statement under way. Takes NULL. */
void history_lookup_close(struct history_lookup **lookup);

/* An empty question about so many texts (at most SEGMENTS_MAX), to be freed with free(); NULL without memory. */
struct history_question *history_question_make(size_t profile, size_t text_count);

/* Names a text of the question, and says whether it was drawn. */
void history_lookup_name(const struct history_lookup *lookup, struct history_question *question, size_t index, struct bytes text);

/* Takes the question with STATUS_OK. STATUS_UNAVAILABLE: the database is away; STATUS_FULL. */
MUST_CHECK enum status history_lookup_ask(struct history_lookup *lookup, struct history_question *question);

/* Readable while there are answers. */
int history_lookup_fd(const struct history_lookup *lookup);

/* An answered question, now the caller's, or NULL. */
struct history_question *history_lookup_next(struct history_lookup *lookup);

#endif
