/* history_marks: whether people have labelled or deleted texts of late, so that nothing found before outranks what they said.
 *
 *   prismguard-trainer ──sample_put, sample_delete + the profile's row is touched──> xmin of the row ──read──> recent
 *
 * Whoever writes people's labels writes the profile's row anew, as it is, in the same transaction (trainer/store_samples). Its
 * xmin is then another, for whoever can see the labels and for nobody else, so it is the mark that tells of them. What else
 * touches the row costs the same: reviewed texts are looked up once more. With a new mark the version of the profile's labels is
 * raised (recent_labels_changed).
 *
 * With a new session those of all profiles are: while there was none, reviews were made without earlier labels. So are they when
 * this is closed, as what asked by the old session may have ended after another began.
 *
 * Only profiles count whose reviews look for labels. Internal to moderator/history_lookup. Thread: its own.
 */
#ifndef MODERATOR_HISTORY_MARKS_H
#define MODERATOR_HISTORY_MARKS_H

#include "moderator/recent.h"
#include "proto/db.h"
#include "proto/settings.h"

struct history_marks;

/* Borrows both until history_marks_close; `recent` may be NULL, then nothing is ever due. STATUS_NO_MEMORY. */
MUST_CHECK enum status history_marks_open(struct history_marks **out, const struct settings *settings, struct recent *recent);
void history_marks_close(struct history_marks **marks);

/* There is a new session: the marks are due at once. */
void history_marks_begin(struct history_marks *marks);

/* When they are to be read; UINT64_MAX = never. */
uint64_t history_marks_due_ms(const struct history_marks *marks);

/* Reads all marks by one statement, and is due again after HISTORY_MARKS_MS. What db_run says. */
MUST_CHECK enum status history_marks_read(struct history_marks *marks, struct db *db);

#endif
