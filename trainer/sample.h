/* sample: draws a set of samples for one training run, row by row, whatever the size of the table.
 *
 * How many of each label (profiles.*.training.sampling):
 *   balanced   half of the rows each
 *   random     as many as its share of all rows, but no fewer than SAMPLE_LABEL_ROWS_MIN
 *   latest     as many as there are among the newest rows of the profile, but no fewer than that
 *
 * Which of them, no text twice (spec/postgres.md, "Sampler"):
 *   rows of the label    way                        what is read
 *   (latest)             SAMPLE_LATEST              the newest, by index
 *   <= wanted            SAMPLE_ALL                 all, by index
 *   <= 2 * wanted        SAMPLE_PART                all, by index; wanted of them are chosen on the way
 *   more, and >= 1/16    SAMPLE_PAGES               whole pages of the label's leaf: TABLESAMPLE SYSTEM, a new seed until
 *   of its leaf                                     enough, at most SAMPLE_DRAWS_MAX times
 *   more, but < 1/16     SAMPLE_PIVOTS              16 stretches of the primary key, which is in random order because the
 *   of its leaf                                     hashes are keyed
 * Where not all are taken, and not the newest, those that people labelled come first, up to half of those wanted: there are few
 * of them, and by chance hardly any would be drawn.
 *
 * No scan reads a table from end to end and no step counts one. Memory: what proto/db holds of one row, and the hashes
 * of the rows drawn. Equal tables and seeds give equal draws. Thread: that of the store.
 */
#ifndef TRAINER_SAMPLE_H
#define TRAINER_SAMPLE_H

#include "trainer/store.h"

enum {
    SAMPLE_LABELS = 2, /* 0 pass, 1 violation */
    SAMPLE_LABEL_ROWS_MIN = 4 * TRAIN_LABEL_ROWS_MIN, /* where there are so many: held-out rows and all folds have some */
};

struct sample_request {
    int64_t profile_id;
    enum sampling_choice sampling;
    int64_t rows_max;  /* of both labels together */
    int64_t bytes_max; /* of all texts; half for each label, which is cut short there */
    uint64_t seed;
};

struct sample {
    struct bytes hash; /* TEXT_HASH_BYTES */
    struct bytes text; /* 1 to SAMPLE_TEXT_BYTES_MAX bytes, as stored */
    int label;
    bool by_person; /* who labelled it */
    int64_t made_us; /* when it was stored, microseconds since 1970 */
    double stands_for; /* so many texts: 1 / the probability with which it was reviewed, 1 to TRAIN_STANDS_FOR_MAX */
};

/* Gets the rows, those of label 0 first; each is lent for the call. A status other than STATUS_OK ends the draw and is
 * returned by it. */
struct sample_taker {
    enum status (*on_sample)(void *context, const struct sample *sample);
    void *context;
};

enum sample_way { SAMPLE_LATEST, SAMPLE_ALL, SAMPLE_PART, SAMPLE_PAGES, SAMPLE_PIVOTS };

struct sample_figures {
    enum sample_way way;
    int64_t existing; /* rows of the label in the table: counted (ALL, PART) or estimated to a fraction of a per cent; of LATEST
                         among the newest rows of the profile */
    int64_t wanted;
    int64_t pages;    /* of the label's leaf; 0 for LATEST, ALL and PART */
    int64_t drawn;    /* rows handed out */
    int64_t people;   /* of them labelled by people */
    int64_t broken;   /* rows passed over: no text, a text that is not UTF-8 or has a NUL, a text or hash of a wrong length,
                         another label, a probability that is none */
    int64_t draws;    /* TABLESAMPLE draws */
};

/* How many rows there are and how they will be drawn: `existing`, `wanted`, `way` and `pages` of both labels; the rest is 0. */
MUST_CHECK enum status sample_measure(struct store *store, const struct sample_request *request,
                                      struct sample_figures out[SAMPLE_LABELS]);

/* Draws what was measured. Returns what the store and the taker return; `figures` then tells how far it came. */
MUST_CHECK enum status sample_draw(struct store *store, const struct sample_request *request,
                                   struct sample_figures figures[SAMPLE_LABELS], const struct sample_taker *taker);

/* "latest", "all", "part", "pages", "pivots"; static. */
const char *sample_way_name(enum sample_way way);

#endif
