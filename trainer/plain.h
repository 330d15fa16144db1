/* plain: text of strangers on a person's terminal, so that none of it moves the cursor, hides or turns what stands around it.
 *
 * It is written as JSON writes a string, and beside what JSON escapes also DEL, the controls U+0080 to U+009F (among them CSI,
 * which does what ESC [ does), what ends a line elsewhere (U+2028, U+2029), and what turns the direction of writing (U+061C,
 * U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069): JSON lets them pass, and as data that is right. Thread: any.
 */
#ifndef TRAINER_PLAIN_H
#define TRAINER_PLAIN_H

#include "proto/bytes.h"
#include "proto/status.h"

enum { PLAIN_TIMES_MAX = 6 }; /* a byte of text becomes so many at most: \u007f */

/* Appends it in quotes. Each byte that is not UTF-8 becomes U+FFFD. Statuses of buffer_append. */
MUST_CHECK enum status plain_append(struct buffer *out, struct bytes text);

/* At most so many bytes from the front, and no part of a character that is cut there. */
struct bytes plain_first(struct bytes text, size_t bytes_max);

#endif
