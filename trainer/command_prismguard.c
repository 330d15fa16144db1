/* command_prismguard: what PrismGuard kept of a profile in a folder: its settings as YAML, its history into the database. */
#include "trainer/command.h"

#include "proto/clock.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "proto/program.h"
#include "trainer/import.h"
#include "trainer/import_sqlite.h"
#include "trainer/prismguard.h"
#include "trainer/progress.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROFILE_JSON_BYTES_MAX = 1024 * 1024 };

static bool in_folder(const char *folder, const char *name, char out[PATH_BYTES_MAX + 1])
{
    int length = snprintf(out, PATH_BYTES_MAX + 1, "%s/%s", folder, name);

    return length > 0 && length <= PATH_BYTES_MAX;
}

static bool has_file(const char *folder, const char *name)
{
    char path[PATH_BYTES_MAX + 1];
    struct stat file;

    return in_folder(folder, name, path) && stat(path, &file) == 0 && S_ISREG(file.st_mode);
}

/* Once PrismGuard has moved a history into its RocksDB, what came since is there alone. */
static void tell_left_out(const struct command *command, const char *folder)
{
    char path[PATH_BYTES_MAX + 1];
    struct stat found;

    if (in_folder(folder, "history.rocks", path) && stat(path, &found) == 0) {
        (void)fprintf(command->errors,
                      "prismguard-trainer import-prismguard: %s: it is left out: only PrismGuard reads it; %s. Written out by "
                      "its own tools as JSON lines of \"text\" and \"label\", `import` takes it\n",
                      path,
                      has_file(folder, "history.db.bak") ? "history.db.bak is what was there before it"
                                                         : "no sample of it is taken over");
    }
}

static enum status read_file(const char *folder, const char *name, struct buffer *out)
{
    char path[PATH_BYTES_MAX + 1], part[4096];
    FILE *file = in_folder(folder, name, path) ? fopen(path, "re") : NULL;
    enum status status = STATUS_OK;
    size_t count;

    if (file == NULL) {
        return STATUS_IO;
    }
    while (status == STATUS_OK && (count = fread(part, 1, sizeof part, file)) > 0) {
        status = buffer_append(out, (struct bytes){part, count});
    }
    if (status == STATUS_OK && ferror(file) != 0) {
        status = STATUS_IO;
    }
    (void)fclose(file);
    return status;
}

static enum status tell_json(const struct command *command, struct bytes yaml)
{
    struct buffer line;
    struct json_writer writer;
    enum status status;

    buffer_init(&line, 6 * PROFILE_JSON_BYTES_MAX + KIB); /* each byte may be six */
    json_writer_init(&writer, &line);
    json_write_object_begin(&writer);
    json_write_key(&writer, "profile");
    json_write_text(&writer, command->arguments[0]);
    json_write_key(&writer, "yaml");
    json_write_string(&writer, yaml);
    json_write_object_end(&writer);
    status = writer.status;
    if (status == STATUS_OK && fprintf(command->out, "%.*s\n", (int)line.count, line.data) < 0) {
        status = STATUS_IO;
    }
    buffer_free(&line);
    return status;
}

static enum status tell_yaml(const struct command *command, struct bytes yaml)
{
    if (command->options[COMMAND_JSON] != NULL) {
        return tell_json(command, yaml);
    }
    return fwrite(yaml.data, 1, yaml.count, command->out) == yaml.count ? STATUS_OK : STATUS_IO;
}

static int print_yaml(const struct command *command, const char *folder, struct bytes json)
{
    struct prismguard_profile profile = {
        .name = command->arguments[0], .json = json, .has_keywords = has_file(folder, "keywords.txt")};
    struct buffer prompt, yaml;
    const char *wrong = "";
    int code = PROGRAM_OK;
    enum status status;

    buffer_init(&prompt, PATH_BYTES_MAX);
    buffer_init(&yaml, PROFILE_JSON_BYTES_MAX);
    status = prismguard_prompt(json, &prompt);
    if (status == STATUS_OK) {
        status = buffer_append(&prompt, (struct bytes){"", 1});
    }
    if (status == STATUS_OK) {
        profile.has_prompt = bytes_find(buffer_view(&prompt), '/') < 0 && has_file(folder, prompt.data);
        status = prismguard_write(&profile, &yaml, &wrong);
    }
    if (status != STATUS_OK) {
        code = command_fail(command, "profile.json", wrong[0] != '\0' ? wrong : status_sentence(status));
    } else if (tell_yaml(command, buffer_view(&yaml)) != STATUS_OK) {
        code = command_fail(command, "standard output", "it cannot be written");
    }
    buffer_free(&prompt);
    buffer_free(&yaml);
    return code;
}

struct moving {
    struct import *import;
    struct progress progress;
    int64_t started_us;
    int64_t rows;
    int64_t all;
    bool store_failed;
};

static enum status on_row(void *context, const struct import_sqlite_row *row)
{
    struct moving *moving = context;
    /* When it was labelled is not taken over: what is older than `retention` would be deleted again at once. */
    const struct import_row label = {.text = row->text,
                                     .label = row->label,
                                     .category = row->category,
                                     .source = STORE_IMPORT,
                                     .labelled_us = moving->started_us};
    enum status status = import_add(moving->import, &label);

    moving->store_failed = status != STATUS_OK;
    moving->rows++;
    progress_tell(&moving->progress, (double)moving->rows / (double)(moving->all + 1), moving->rows, "rows");
    return status;
}

static enum status move(const struct command *command, const char *path, struct moving *moving, int64_t *out_broken)
{
    enum status status = import_sqlite_count(path, &moving->all);

    if (status == STATUS_OK) {
        progress_begin(&moving->progress, command->errors, isatty(fileno(command->errors)) == 1, "import-prismguard");
        status = import_sqlite_read(path, &(struct import_sqlite_reader){on_row, moving}, out_broken);
        progress_end(&moving->progress);
    }
    if (status == STATUS_OK) {
        status = import_flush(moving->import);
        moving->store_failed = status != STATUS_OK;
    }
    return status;
}

static int import_history(struct command *command, const char *path)
{
    struct import_options options = {.store = command->store,
                                     .hash_key = command->hash_key,
                                     .with_text = command->profile->store == STORE_TEXT};
    struct moving moving = {.started_us = (int64_t)clock_wall_us()};
    int64_t broken = 0;
    enum status status;

    if (command->profile->store == STORE_OFF) {
        return command_fail(command, command->profile->name, "the profile stores nothing (store: off)");
    }
    if (!command_profile(command, true, &options.profile_id)) {
        return PROGRAM_FAILED;
    }
    status = import_open(&moving.import, &options);
    if (status != STATUS_OK) {
        return command_fail(command, path, status_sentence(status));
    }
    status = move(command, path, &moving, &broken);
    command_tell_import(command, moving.import, broken, "# "); /* behind the YAML */
    import_close(&moving.import);
    if (status == STATUS_OK) {
        return PROGRAM_OK;
    }
    return moving.store_failed ? command_fail_store(command, "the database (what is stored stays; it may be done again)", status)
                               : command_fail(command, path, status_sentence(status));
}

int command_import_prismguard(struct command *command)
{
    static const char *const histories[] = {"history.db", "history.db.bak"}; /* as it is, and as its own migration leaves it */
    const char *folder = command->arguments[1];
    char path[PATH_BYTES_MAX + 1] = "";
    struct buffer json;
    int code = PROGRAM_OK;

    if (access(folder, R_OK | X_OK) != 0) {
        return command_fail(command, folder, "the folder cannot be read");
    }
    for (size_t index = sizeof histories / sizeof histories[0]; index-- > 0;) {
        if (has_file(folder, histories[index]) && !in_folder(folder, histories[index], path)) {
            return command_fail(command, folder, "its name is too long");
        }
    }
    buffer_init(&json, PROFILE_JSON_BYTES_MAX);
    if (!has_file(folder, "profile.json")) {
        (void)fprintf(command->errors,
                      "prismguard-trainer import-prismguard: %s: it has no profile.json: these are PrismGuard's defaults\n",
                      folder);
    } else if (read_file(folder, "profile.json", &json) != STATUS_OK) {
        code = command_fail(command, "profile.json", "it cannot be read, or is larger than 1 MiB");
    }
    if (code == PROGRAM_OK) {
        code = print_yaml(command, folder, buffer_view(&json));
    }
    buffer_free(&json);
    tell_left_out(command, folder);
    if (code == PROGRAM_OK && path[0] != '\0' && command->options[COMMAND_CONFIG] != NULL) {
        code = import_history(command, path);
    }
    return code;
}
