/* prismguard: a profile.json of PrismGuard as a profile of prismguard.yaml (spec/prismguard-compat.md 2.3).
 *
 * What is written is the operator's to read and to change: comments say what has no counterpart here and what a person must do.
 * Values that are left out are PrismGuard's own defaults. Thread: any.
 */
#ifndef TRAINER_PRISMGUARD_H
#define TRAINER_PRISMGUARD_H

#include "proto/bytes.h"
#include "proto/status.h"

#include <stdbool.h>

struct prismguard_profile {
    const char *name; /* of the profile here */
    struct bytes json; /* profile.json; empty = there is none, all defaults */
    bool has_prompt;   /* the folder has the prompt's file */
    bool has_keywords; /* and keywords.txt */
};

/* The name of its prompt's file, ai_prompt.txt where it says none. Statuses as below. */
MUST_CHECK enum status prismguard_prompt(struct bytes json, struct buffer *out);

/* Appends the YAML to `out`. STATUS_MALFORMED: *out_wrong names the member that is not what it should be ("" = it is no JSON
 * object); a literal. STATUS_NO_MEMORY, STATUS_TOO_LARGE. */
MUST_CHECK enum status prismguard_write(const struct prismguard_profile *profile, struct buffer *out, const char **out_wrong);

#endif
