/* dry_run: `prismguard-moderator judge`: one text of standard input judged as a moderator would, and every stage's figure.
 *
 *   text ──TASK──> judge ──> verdict         the same code and settings as in service; nothing is sent, kept or counted
 *     ├──> keywords_scan: hit, where it stands, ns
 *     └──> model_read: score, windows, the worst, ns
 *
 * Needs neither a gateway nor a moderator that runs. The model is the live one of the database, or a file; where the database
 * cannot be read, the last good copy in moderator.state_dir, as for a moderator that starts then, and it is said so. A database
 * that does not answer is without a copy a failure and not a verdict without a model: --no-model asks for that one. Nobody is
 * drawn for a review, and no reviewer is asked: it is told whether one would be. This one tool names the keyword that matched.
 *
 * Exit codes: 0 allowed, 1 not judged (why is told), 2 wrong command line, 3 blocked, 4 unsure: a review would decide.
 * Thread: main's; it blocks.
 */
#ifndef MODERATOR_DRY_RUN_H
#define MODERATOR_DRY_RUN_H

#include "moderator/keywords.h"
#include "proto/bytes.h"
#include "proto/message.h"
#include "proto/model.h"
#include "proto/settings.h"

#include <stdio.h>

enum { DRY_RUN_BLOCKED = 3, DRY_RUN_UNSURE = 4 };

/* Where the model is from. */
enum dry_run_source { DRY_RUN_NO_MODEL, DRY_RUN_FILE, DRY_RUN_DATABASE, DRY_RUN_STATE_DIR };

/* What was found out; views are lent by the command. */
struct dry_run {
    const char *settings_file;
    const struct profile_settings *profile; /* whose sample_rate is 0: nobody is drawn, */
    double sample_rate;                     /* and this is what it was */
    struct bytes text;
    struct message_verdict verdict; /* what a moderator would answer a gateway; model_version means nothing with DRY_RUN_FILE */

    size_t keyword_count;
    bool keyword_hit;
    const char *keyword_file;
    unsigned keyword_line;
    struct bytes keyword; /* as it is written there */
    uint64_t keywords_ns;

    enum dry_run_source model_from;
    const char *model_file;
    const char *no_model; /* why there is none, a sentence */
    const char *no_database; /* DRY_RUN_STATE_DIR: why it is not the database's, a sentence */
    const char *state_dir;
    uint64_t model_version;
    enum model_kind model_kind;
    struct model_reading reading;
    uint64_t model_ns;
};

/* argv[0] is the program, argv[1] "judge". `in` is the descriptor of the text. Returns the exit code. */
int dry_run_command(int argc, char **argv, int in, FILE *out, FILE *errors);

#endif
