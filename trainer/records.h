/* records: labelled texts out of a file of JSON lines or CSV, one at a time, in bounded memory.
 *
 *   JSON lines   {"text": "...", "label": "violation", "category": "spam", "source": "person", "labelled_us": 1700000000000000}
 *   CSV          RFC 4180 with a header that names at least text and label; a field in quotes may hold line feeds
 *
 * A label is pass or violation, 0 or 1, false or true. Category, source (import, reviewer, person) and labelled_us (microseconds
 * since 1970, UTC) may be left out; other keys and columns are passed over. What `samples export` writes can be read.
 *
 * A record is broken when it is not of its format, when text or label is missing, when the text is empty, longer than
 * SAMPLE_TEXT_BYTES_MAX, not UTF-8 or has a NUL, and when another value is not what it should be. A broken record costs only
 * itself: of one that is not of its format, as behind a quote that is never closed, or is longer than RECORD_BYTES_MAX, one line
 * is given up. A byte order mark is passed over. Memory: RECORD_BYTES_MAX twice, and what proto/json holds of one document.
 * Thread: one at a time.
 */
#ifndef TRAINER_RECORDS_H
#define TRAINER_RECORDS_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum record_format { RECORD_JSONL, RECORD_CSV };

struct records;

struct record {
    struct bytes text;
    int label;             /* 0 pass, 1 violation */
    struct bytes category; /* empty = none */
    int source;            /* as verdicts.source in trainer/schema; 0 = not said */
    int64_t labelled_us;   /* 0 = not said */
};

/* Borrows `in` until records_close. Of CSV the header is read: STATUS_MALFORMED when it names no text or no label. STATUS_IO,
 * STATUS_NO_MEMORY. */
MUST_CHECK enum status records_open(struct records **out, enum record_format format, FILE *in);
void records_close(struct records **records);

/* From now on source and labelled_us are passed over as other keys are, whatever they hold. */
void records_pass_over_origins(struct records *records);

/* The next record, lent until the next call. STATUS_MALFORMED: it is broken, and the next may be asked for; STATUS_CLOSED at the
 * end of the file, STATUS_IO when it cannot be read, STATUS_NO_MEMORY. Empty lines are passed over. */
MUST_CHECK enum status records_next(struct records *records, struct record *out);

/* What was wrong with the last that was broken; static. */
const char *records_flaw(const struct records *records);

/* Where it is: bytes that were read, and the number of the line at which the last record began (from 1). */
uint64_t records_bytes(const struct records *records);
uint64_t records_line(const struct records *records);

/* Whether it may be one: UTF-8 without control characters, at most CATEGORY_BYTES_MAX; also an empty one. */
bool records_is_category(struct bytes text);
/* Whether a sample's text may be it, as said above. */
bool records_is_text(struct bytes text);

/* The number of a word; -1 when it is none. */
int records_label(struct bytes word);
int records_source(struct bytes word);

/* "pass", "violation"; "import", "reviewer", "person"; static. */
const char *records_label_name(int64_t label);
const char *records_source_name(int64_t source);

#endif
