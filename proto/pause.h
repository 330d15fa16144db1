/* pause: what a long computation lets happen between two of its steps, each of them a small part of a millisecond; it may be told
 * there that nobody wants its result any more.
 *
 * Whoever gives a pause may do anything in it but touch what the computation uses. Thread: the computation's.
 */
#ifndef PROTO_PAUSE_H
#define PROTO_PAUSE_H

#include <stdbool.h>
#include <stddef.h>

struct pause {
    bool (*call)(void *context); /* false: stop. NULL: nothing happens */
    void *context;
};

/* Whether to go on. `pause` may be NULL. */
static inline bool pause_call(const struct pause *pause)
{
    return pause == NULL || pause->call == NULL || pause->call(pause->context);
}

#endif
