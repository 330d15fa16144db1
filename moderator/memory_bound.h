/* memory_bound: what the moderator may come to hold, term by term, from its settings (spec/reliability.md D).
 *
 * Thread: any.
 */
#ifndef MODERATOR_MEMORY_BOUND_H
#define MODERATOR_MEMORY_BOUND_H

#include "proto/memory.h"
#include "proto/settings.h"

/* Terms and limit of the process, into an empty bound. Looks at the sizes of the keyword files. */
void memory_bound_reckon(const struct settings *settings, struct memory_bound *out);

#endif
