/* dry_run_report: what a dry run found out, in words or as one JSON object. Internal to moderator/dry_run.
 *
 * Thread: main's.
 */
#ifndef MODERATOR_DRY_RUN_REPORT_H
#define MODERATOR_DRY_RUN_REPORT_H

#include "moderator/dry_run.h"
#include "proto/status.h"

/* A line a stage, for people. */
void dry_run_tell(const struct dry_run *run, FILE *out);

/* {"verdict":{...},"keywords":{...},"model":{...},"review":{...},...} and a line feed. STATUS_NO_MEMORY. */
MUST_CHECK enum status dry_run_tell_json(const struct dry_run *run, FILE *out);

#endif
