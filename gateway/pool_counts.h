/* pool_counts: what the pool counts: jobs by result, failed attempts, dropped messages by reason, late verdicts, the hop.
 *
 * Thread: the pool's.
 */
#ifndef GATEWAY_POOL_COUNTS_H
#define GATEWAY_POOL_COUNTS_H

#include "gateway/job.h"
#include "proto/metrics.h"

#include <stdint.h>

/* Why a moderator's message was dropped; PROTOCOL.md, "Who drops what". */
enum pool_bad {
    BAD_PARTS,      /* not identity, delimiter, frame */
    BAD_MALFORMED,  /* no message */
    BAD_VERSION,    /* of another version, or of an unknown type */
    BAD_TURN,       /* an answer to nothing */
    BAD_UNKNOWN,    /* from a connection that is not registered */
    BAD_PEERS,      /* READY of one slot too many */
    BAD_TEXT_BOUND, /* READY of a slot that takes too little text */
    BAD_REASONS
};

/* How an attempt ended without a verdict. */
enum pool_end {
    END_GONE,    /* the slot's connection ended: its process is dead */
    END_LEFT,    /* READY, or messages that were none */
    END_BUSY,    /* BUSY */
    END_TIMEOUT, /* the attempt's time was over */
    ENDS
};

/* Why an unsure text was not decided by a reviewer. */
enum pool_unreviewed {
    UNREVIEWED_FULL,       /* no review slot of its profile was idle */
    UNREVIEWED_NO_VERDICT, /* it was asked, or could not be */
    UNREVIEWED_REASONS
};

struct pool_counts {
    struct series *ends[ENDS];
    struct series *unreviewed[UNREVIEWED_REASONS];
    struct series *retries;
    struct series *passes;
    struct series *poisons;
    struct series *quarantined;
    struct series *results[6];
    struct series *bad[BAD_REASONS];
    struct series *late;
    struct series *batches; /* messages of several tasks */
    struct series *batched; /* and those tasks */
    struct series *held; /* long texts that waited for one another */
    struct series *hop;
};

/* Lends `metrics` for as long as the counts are used. */
void pool_counts_init(struct pool_counts *counts, struct metrics *metrics);

/* One job more that has come to its end; its result is set. */
void pool_counts_result(const struct pool_counts *counts, const struct job_result *result);

/* "malformed", ... static. */
const char *pool_counts_bad_name(enum pool_bad why);

#endif
