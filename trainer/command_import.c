/* command_import: records of a file to sample_put, in batches; what is broken is counted and passed over. */
#include "trainer/command.h"

#include "proto/clock.h"
#include "proto/program.h"
#include "trainer/import.h"
#include "trainer/progress.h"
#include "trainer/records.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BY_FILE = 0, TOLD_LINES_MAX = 5 };

struct reading {
    struct command *command;
    struct records *records;
    struct import *import;
    struct progress progress;
    int source; /* BY_FILE = as each row says */
    int64_t started_us;
    int64_t broken;
    double file_bytes; /* 0 = not known */
};

static bool choose_format(const struct command *command, enum record_format *out)
{
    const char *said = command->options[COMMAND_FORMAT];
    struct bytes name = bytes_of(said != NULL ? said : command->arguments[1]);

    *out = bytes_ends_with(name, BYTES("csv")) ? RECORD_CSV : RECORD_JSONL;
    return said == NULL || bytes_equal(name, BYTES("csv")) || bytes_equal(name, BYTES("jsonl"));
}

static bool choose_source(const struct command *command, int *out)
{
    const char *name = command->options[COMMAND_SOURCE];

    if (name == NULL) {
        *out = STORE_IMPORT;
        return true;
    }
    *out = strcmp(name, "file") == 0 ? BY_FILE : records_source(bytes_of(name));
    return *out >= 0 && *out != STORE_REVIEWER; /* a file may say so, a person at the command line is none */
}

static void tell_broken(struct reading *reading)
{
    reading->broken++;
    if (reading->broken <= TOLD_LINES_MAX) {
        progress_hide(&reading->progress);
        (void)fprintf(reading->command->errors, "prismguard-trainer import: line %" PRIu64 " is broken and passed over: %s%s\n",
                      records_line(reading->records), records_flaw(reading->records),
                      reading->broken == TOLD_LINES_MAX ? "; further ones are counted" : "");
    }
}

static enum status take(struct reading *reading, const struct record *record)
{
    const struct import_row row = {
        .text = record->text,
        .label = record->label,
        .category = record->category,
        .source = reading->source != BY_FILE ? reading->source : record->source == 0 ? STORE_IMPORT : record->source,
        /* An old date is not taken from a file that is not asked for its word: what is older than `retention` is deleted. */
        .labelled_us = reading->source != BY_FILE || record->labelled_us == 0 ? reading->started_us : record->labelled_us,
    };
    enum status status = import_add(reading->import, &row);

    progress_tell(&reading->progress,
                  reading->file_bytes == 0 ? -1 : (double)records_bytes(reading->records) / reading->file_bytes,
                  import_figures(reading->import).rows, "rows");
    return status;
}

static enum status read_all(struct reading *reading, bool *out_store_failed)
{
    struct record record;
    enum status status = STATUS_OK;

    while (status == STATUS_OK) {
        status = records_next(reading->records, &record);
        if (status == STATUS_MALFORMED) {
            tell_broken(reading);
            status = STATUS_OK;
        } else if (status == STATUS_OK) {
            status = take(reading, &record);
            *out_store_failed = status != STATUS_OK;
        }
    }
    if (status == STATUS_CLOSED && !*out_store_failed) {
        status = import_flush(reading->import);
        *out_store_failed = status != STATUS_OK;
    }
    return status;
}

void command_tell_import(const struct command *command, const struct import *import, int64_t broken, const char *mark)
{
    const struct import_figures figures = import_figures(import);

    if (command->options[COMMAND_JSON] != NULL) {
        (void)fprintf(command->out,
                      "{\"profile\":\"%s\",\"rows\":%" PRId64 ",\"stored\":%" PRId64 ",\"new\":%" PRId64 ",\"replaced\":%" PRId64
                      ",\"known\":%" PRId64 ",\"broken\":%" PRId64 "}\n",
                      command->profile->name, figures.rows, figures.stored, figures.added, figures.stored - figures.added,
                      figures.rows - figures.stored, broken);
        return;
    }
    (void)fprintf(command->out,
                  "%s%s: %" PRId64 " rows, %" PRId64 " stored (%" PRId64 " new, %" PRId64
                  " in place of a weaker or an older label), %" PRId64
                  " twice or known by the same, a stronger or a newer label, %" PRId64 " broken\n",
                  mark, command->profile->name, figures.rows, figures.stored, figures.added, figures.stored - figures.added,
                  figures.rows - figures.stored, broken);
}

static int import_file(struct command *command, FILE *in, enum record_format format, int source)
{
    struct reading reading = {.command = command, .source = source, .started_us = (int64_t)clock_wall_us()};
    struct import_options options = {.store = command->store, .hash_key = command->hash_key,
                                     .with_text = command->profile->store == STORE_TEXT};
    bool store_failed = false;
    struct stat file;
    enum status status;
    int code = PROGRAM_OK;

    if (fstat(fileno(in), &file) != 0) {
        return command_fail(command, command->arguments[1], "it cannot be read");
    }
    if (S_ISDIR(file.st_mode)) { /* which opens as a file does, and fails only when it is read */
        return command_fail(command, command->arguments[1], "it is a directory");
    }
    if (!command_profile(command, true, &options.profile_id)) {
        return PROGRAM_FAILED;
    }
    if (S_ISREG(file.st_mode)) {
        reading.file_bytes = (double)file.st_size;
    }
    progress_begin(&reading.progress, command->errors, isatty(fileno(command->errors)) == 1, "import");
    status = records_open(&reading.records, format, in);
    if (status == STATUS_MALFORMED) {
        return command_fail(command, command->arguments[1], "its first line does not name the columns text and label");
    }
    if (status == STATUS_OK && source != BY_FILE) {
        records_pass_over_origins(reading.records);
    }
    if (status == STATUS_OK) {
        status = import_open(&reading.import, &options);
    }
    if (status == STATUS_OK) {
        status = read_all(&reading, &store_failed);
    }
    progress_end(&reading.progress);
    if (reading.import != NULL) {
        command_tell_import(command, reading.import, reading.broken, ""); /* also of one that failed: what it stored stays */
    }
    if (store_failed) {
        code = command_fail_store(command, "the database (what is stored stays; the file may be imported again)", status);
    } else if (status != STATUS_OK) {
        code = command_fail(command, command->arguments[1], status_sentence(status));
    } else if (reading.broken > 0 && import_figures(reading.import).rows == 0) {
        code = command_fail(command, command->arguments[1], "no row of it can be used");
    }
    import_close(&reading.import);
    records_close(&reading.records);
    return code;
}

int command_import(struct command *command)
{
    bool is_input = strcmp(command->arguments[1], "-") == 0;
    enum record_format format;
    FILE *in;
    int source, code;

    if (!choose_format(command, &format)) {
        return command_misused(command, "--format is jsonl or csv", command->options[COMMAND_FORMAT]);
    }
    if (!choose_source(command, &source)) {
        return command_misused(command, "--source is import, person or file", command->options[COMMAND_SOURCE]);
    }
    if (command->profile->store == STORE_OFF) {
        return command_fail(command, command->profile->name, "the profile stores nothing (store: off)");
    }
    in = is_input ? stdin : fopen(command->arguments[1], "re");
    if (in == NULL) {
        return command_fail(command, command->arguments[1], "it cannot be read");
    }
    code = import_file(command, in, format, source);
    if (!is_input) {
        (void)fclose(in);
    }
    return code;
}
