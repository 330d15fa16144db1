/* settings_planned: keys of the interface that no program reads yet, and what is done until they do.
 *
 * A key that is known and does nothing would be believed: it is refused like any other, but says that it is not built yet. Each
 * stands in deploy/prismguard.example.yaml, marked "#~ "; a test compares. Who builds one moves it into the table.
 *
 * Of the parts of proto/settings.c, for them and their tests. Thread: any; the list is constant.
 */
#ifndef PROTO_SETTINGS_PLANNED_H
#define PROTO_SETTINGS_PLANNED_H

#include "proto/bytes.h"

struct setting_planned {
    const char *path;   /* as in the table; of a section, all below it */
    const char *reason; /* what is done without it */
};

size_t settings_planned_count(void);
const struct setting_planned *settings_planned_at(size_t index);

/* NULL when no such key is planned. */
const struct setting_planned *settings_planned_find(struct bytes path);

#endif
