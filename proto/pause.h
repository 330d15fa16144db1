/* pause: what a long computation lets happen between two of its steps, each of them a small part of a millisecond.
 *
 * Whoever gives a pause may do anything in it but touch what the computation uses. Thread: the computation's.
 */
#ifndef PROTO_PAUSE_H
#define PROTO_PAUSE_H

#include <stddef.h>

struct pause {
    void (*call)(void *context); /* NULL: nothing happens */
    void *context;
};

/* `pause` may be NULL. */
static inline void pause_call(const struct pause *pause)
{
    if (pause != NULL && pause->call != NULL) {
        pause->call(pause->context);
    }
}

#endif
