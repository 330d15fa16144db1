/* recent_names: what gateways call the texts that they have sent (RECALL in PROTOCOL.md), so that the next turn of a conversation
 * need not send them again.
 *
 *   name (a gateway's keyed hash) ──> print (ours)
 *
 * A name is bound to the print that this process made itself of the text that came with the name. Whether anything is known of
 * such a print, and still holds, is for recent to say: what is not known any more is sent again.
 *
 * RECALL_TEXTS_MAX of all gateways and profiles; of a full set the least recently used one is forgotten, which costs its task one
 * more hop. Thread: any; RECALL_LOCKS locks.
 */
#ifndef MODERATOR_RECENT_NAMES_H
#define MODERATOR_RECENT_NAMES_H

#include "proto/prints.h"

struct recent_names;

/* STATUS_NO_MEMORY. */
MUST_CHECK enum status recent_names_open(struct recent_names **out);
void recent_names_close(struct recent_names **names);

void recent_names_keep(struct recent_names *names, const struct print *name, const struct print *print);

/* Says that recent_names_find comes soon, after others: what it looks into is fetched meanwhile. */
void recent_names_expect(struct recent_names *names, const struct print *name);

/* False when no text has that name, or not any more. */
bool recent_names_find(struct recent_names *names, const struct print *name, struct print *out);

#endif
