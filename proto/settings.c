/* settings: from the file to the struct: defaults, the file's values, the environment's, checks, absolute paths, order. */
#include "proto/settings.h"

#include "proto/secret.h"
#include "proto/settings_check.h"
#include "proto/settings_path.h"
#include "proto/settings_reader.h"
#include "proto/settings_table.h"
#include "proto/settings_value.h"
#include "proto/settings_walk.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What one call of settings_open holds. */
struct loader {
    struct settings *settings;
    struct settings_document *document;
    struct settings_errors errors;
    struct buffer text; /* the file */
    char folder[PATH_BYTES_MAX + 1]; /* of the file, absolute */
    bool files_too; /* files that are named must be readable */
};

static enum status read_file(struct loader *loader, const char *file)
{
    FILE *stream = fopen(file, "re");
    enum status status = STATUS_OK;
    size_t count = 1;

    while (stream != NULL && status == STATUS_OK && count > 0) {
        size_t left = loader->text.max - loader->text.count;
        char *at;

        status = buffer_reserve(&loader->text, left < 4 * KIB ? left : 4 * KIB, &at);
        if (status == STATUS_OK) {
            count = fread(at, 1, left < 4 * KIB ? left : 4 * KIB, stream);
            buffer_used(&loader->text, count);
        }
    }
    if (stream == NULL || (status == STATUS_OK && ferror(stream) != 0)) {
        settings_errors_add(&loader->errors, NULL, 0, NULL, "cannot be read: %s", strerror(errno));
        status = STATUS_IO;
    } else if (status == STATUS_OK && loader->text.count > SETTINGS_FILE_BYTES_MAX) {
        settings_errors_add(&loader->errors, NULL, 0, NULL, "too large; allowed is %d KiB", SETTINGS_FILE_BYTES_MAX / KIB);
        status = STATUS_TOO_LARGE;
    }
    if (stream != NULL) {
        (void)fclose(stream);
    }
    return status;
}

/* The absolute folder of the file, so that a service may change its own folder later. */
static enum status find_folder(struct loader *loader, const char *file)
{
    const char *slash = strrchr(file, '/');
    struct bytes folder = slash == NULL ? BYTES(".") : (struct bytes){file, (size_t)(slash - file) + 1};
    char given[PATH_BYTES_MAX + 1];
    char *absolute;
    enum status status = bytes_copy(folder, given, sizeof given);

    if (status != STATUS_OK) {
        return status;
    }
    absolute = realpath(given, NULL);
    if (absolute == NULL) {
        return STATUS_IO;
    }
    status = bytes_copy(bytes_of(absolute), loader->folder, sizeof loader->folder);
    free(absolute);
    return status;
}

static void store_defaults(enum setting_scope scope, void *base)
{
    for (size_t index = 0; index < settings_table_count(); index++) {
        const struct setting *row = settings_table_row(index);

        if (setting_scope(row) == scope && !row->required) {
            enum status status = setting_store(row, bytes_of(row->fallback), base);

            assert(status == STATUS_OK); /* the table's own default */
        }
    }
}

/* The child of this name; 0, which is nobody's child, when there is none. */
static size_t find_child(const struct settings_document *document, size_t parent, const char *key)
{
    for (size_t index = parent + 1; index < document->count; index++) {
        if (document->nodes[index].parent == parent && document->nodes[index].key != NULL &&
            strcmp(document->nodes[index].key, key) == 0) {
            return index;
        }
    }
    return 0;
}

/* The children of the root's mapping or list of this name, or of the one that it has as `inner`; 0 when there is none. */
static size_t count_entries(const struct settings_document *document, const char *key, const char *inner)
{
    size_t found = find_child(document, 0, key);

    if (found != 0 && inner != NULL) {
        found = find_child(document, found, inner);
    }
    return found == 0 ? 0 : document->nodes[found].child_count;
}

/* Tells when the file has more of something than it may. */
static enum status check_count(struct loader *loader, const char *path, size_t count, size_t count_max, const char *what)
{
    if (count > count_max) {
        settings_path_refuse(&loader->errors, loader->document, path, "found %zu %s, allowed is %zu", count, what, count_max);
        return STATUS_MALFORMED;
    }
    return STATUS_OK;
}

/* Makes room for as many routes, profiles and keys as the file has, all of them as by default. */
static enum status make_settings(struct loader *loader, const char *file)
{
    size_t route_count = count_entries(loader->document, "routes", NULL);
    size_t profile_count = count_entries(loader->document, "profiles", NULL);
    size_t key_count = count_entries(loader->document, "gateway", "keys");
    struct settings *settings;

    if (check_count(loader, "routes", route_count, ROUTES_MAX, "routes") != STATUS_OK ||
        check_count(loader, "profiles", profile_count, PROFILES_MAX, "profiles") != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    assert(key_count <= KEYS_MAX); /* the reader's bound on entries */
    loader->settings = settings = calloc(1, sizeof *settings);
    if (settings == NULL) {
        return STATUS_NO_MEMORY;
    }
    /* One more than needed: an allocation of nothing is no special case then. */
    settings->routes = calloc(route_count + 1, sizeof *settings->routes);
    settings->profiles = calloc(profile_count + 1, sizeof *settings->profiles);
    settings->keys = calloc(key_count + 1, sizeof *settings->keys);
    if (settings->routes == NULL || settings->profiles == NULL || settings->keys == NULL) {
        return STATUS_NO_MEMORY;
    }
    settings->key_count = key_count;
    settings->route_count = route_count;
    settings->profile_count = profile_count;
    store_defaults(SETTING_OF_FILE, settings);
    for (size_t index = 0; index < route_count; index++) {
        store_defaults(SETTING_OF_ROUTE, &settings->routes[index]);
    }
    for (size_t index = 0; index < profile_count; index++) {
        store_defaults(SETTING_OF_PROFILE, &settings->profiles[index]);
    }
    for (size_t index = 0; index < key_count; index++) {
        store_defaults(SETTING_OF_KEY, &settings->keys[index]);
    }
    return bytes_copy(bytes_of(file), settings->file, sizeof settings->file);
}

static void store_digest(struct loader *loader)
{
    unsigned char sha256[SHA256_BYTES];

    secret_sha256(sha256, buffer_view(&loader->text));
    for (size_t index = 0; index < SETTINGS_DIGEST_BYTES / 2; index++) {
        (void)snprintf(loader->settings->digest + 2 * index, 3, "%02x", sha256[index]);
    }
}

static void variable_of(const struct setting *row, char out[SETTINGS_PATH_BYTES])
{
    struct buffer name = {.data = out, .room = SETTINGS_PATH_BYTES - 1, .max = SETTINGS_PATH_BYTES - 1};
    enum status status = setting_environment(row, &name);

    assert(status == STATUS_OK); /* no path of the table is so long */
    out[name.count] = '\0';
}

/* PRISMGUARD_... over what the file says. Their values are taken as they are: a "${" in them is no variable. */
static void store_environment(struct loader *loader)
{
    for (size_t index = 0; index < settings_table_count(); index++) {
        const struct setting *row = settings_table_row(index);
        char name[SETTINGS_PATH_BYTES];
        char found[SETTINGS_FOUND_ROOM];
        const char *value;

        if (setting_scope(row) != SETTING_OF_FILE) {
            continue;
        }
        variable_of(row, name);
        value = getenv(name);
        if (value != NULL && setting_store(row, bytes_of(value), loader->settings) != STATUS_OK) {
            settings_found(bytes_of(value), found);
            settings_refuse_value(&loader->errors, name, 0, row->path, row, found);
        }
    }
}

static bool is_variable_of_a_row(struct bytes name)
{
    for (size_t index = 0; index < settings_table_count(); index++) {
        const struct setting *row = settings_table_row(index);
        char variable[SETTINGS_PATH_BYTES];

        if (setting_scope(row) == SETTING_OF_FILE) {
            variable_of(row, variable);
            if (bytes_equal(bytes_of(variable), name)) {
                return true;
            }
        }
    }
    return false;
}

/* Read by deploy/local, which starts the services with them in its environment. */
static bool is_variable_of_a_command(struct bytes name)
{
    return bytes_equal(name, BYTES("PRISMGUARD_PORTS")) || bytes_equal(name, BYTES("PRISMGUARD_VAR"));
}

/* A variable that looks like ours and means nothing is a slip worth a word, and no reason to stop: the file may use it by
 * name, or another program. Names that find no room are left out. */
static void find_strange_variables(struct loader *loader)
{
    char *out = loader->settings->strange_variables;
    struct buffer names = {.data = out, .room = PATH_BYTES_MAX, .max = PATH_BYTES_MAX};

    for (char **entry = environ; *entry != NULL; entry++) {
        const char *end = strchr(*entry, '=');
        struct bytes name = {*entry, end == NULL ? strlen(*entry) : (size_t)(end - *entry)};

        if (bytes_starts_with(name, BYTES("PRISMGUARD_")) && !is_variable_of_a_row(name) && !is_variable_of_a_command(name) &&
            (loader->text.count == 0 || memmem(loader->text.data, loader->text.count, name.data, name.count) == NULL)) {
            enum status status = buffer_append_format(&names, "%s%.*s", names.count == 0 ? "" : ", ", (int)name.count, name.data);

            (void)status;
        }
    }
    out[names.count] = '\0';
}

/* `text` relative to `folder` becomes absolute in place; "" and absolute ones stay. */
static void make_absolute(struct loader *loader, const char *folder, char text[PATH_BYTES_MAX + 1], const char *shown)
{
    char joined[2 * PATH_BYTES_MAX + 2];

    if (text[0] == '\0' || text[0] == '/') {
        return;
    }
    (void)snprintf(joined, sizeof joined, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, text);
    if (bytes_copy(bytes_of(joined), text, PATH_BYTES_MAX + 1) != STATUS_OK) {
        settings_path_refuse(&loader->errors, loader->document, shown, "the whole path is longer than %d bytes: '%s'",
                             PATH_BYTES_MAX, joined);
    }
}

static void make_profile_absolute(struct loader *loader, struct profile_settings *profile)
{
    char folder[PATH_BYTES_MAX + PROFILE_NAME_BYTES_MAX + 16];
    char shown[SETTINGS_PATH_BYTES];

    (void)snprintf(folder, sizeof folder, "%s/profiles/%s", strcmp(loader->folder, "/") == 0 ? "" : loader->folder,
                   profile->name);
    for (size_t index = 0; index < profile->keyword_file_count; index++) {
        (void)snprintf(shown, sizeof shown, "profiles.%s.keywords", profile->name);
        make_absolute(loader, folder, profile->keyword_files[index], shown);
    }
    (void)snprintf(shown, sizeof shown, "profiles.%s.review.prompt", profile->name);
    make_absolute(loader, folder, profile->review.prompt_file, shown);
    (void)snprintf(shown, sizeof shown, "profiles.%s.review.key_file", profile->name);
    make_absolute(loader, loader->folder, profile->review.key_file, shown);
}

static void make_all_absolute(struct loader *loader)
{
    struct settings *settings = loader->settings;
    char shown[SETTINGS_PATH_BYTES];

    make_absolute(loader, loader->folder, settings->database.password_file, "database.password_file");
    make_absolute(loader, loader->folder, settings->database.hash_key_file, "database.hash_key_file");
    make_absolute(loader, loader->folder, settings->curve.dir, "curve.dir");
    make_absolute(loader, loader->folder, settings->moderator.state_dir, "moderator.state_dir");
    for (size_t index = 0; index < settings->route_count; index++) {
        (void)snprintf(shown, sizeof shown, "routes[%zu].key_file", index);
        make_absolute(loader, loader->folder, settings->routes[index].key_file, shown);
    }
    for (size_t index = 0; index < settings->profile_count; index++) {
        make_profile_absolute(loader, &settings->profiles[index]);
    }
}

/* Longest path first, so that the first route that fits is the right one; equal lengths as in the file. */
static int compare_routes(const void *left_route, const void *right_route)
{
    const struct route_settings *left = left_route;
    const struct route_settings *right = right_route;
    size_t left_count = strlen(left->path);
    size_t right_count = strlen(right->path);

    if (left_count != right_count) {
        return left_count > right_count ? -1 : 1;
    }
    return left->line < right->line ? -1 : left->line > right->line;
}

/* Values into loader->settings, problems into loader->errors. STATUS_NOT_FOUND: the values hold, and files are missing. */
static enum status load(struct loader *loader, const char *file)
{
    enum status status = read_file(loader, file);
    bool values_hold;

    if (status == STATUS_OK) {
        status = find_folder(loader, file);
    }
    if (status == STATUS_OK) {
        status = settings_document_open(&loader->document, buffer_view(&loader->text), &loader->errors);
    }
    if (status == STATUS_OK) {
        status = make_settings(loader, file);
    }
    if (status != STATUS_OK) {
        return status;
    }
    store_digest(loader);
    settings_walk(loader->settings, loader->document, &loader->errors);
    store_environment(loader);
    find_strange_variables(loader);
    settings_check(loader->settings, loader->document, &loader->errors);
    make_all_absolute(loader);
    values_hold = loader->errors.count == 0;
    if (loader->files_too) {
        settings_check_files(loader->settings, loader->document, &loader->errors);
    }
    qsort(loader->settings->routes, loader->settings->route_count, sizeof *loader->settings->routes, compare_routes);
    return !values_hold ? STATUS_MALFORMED : loader->errors.count > 0 ? STATUS_NOT_FOUND : STATUS_OK;
}

/* All but the settings is given back. */
static enum status run(struct loader *loader, const char *file)
{
    enum status status;

    /* One byte more than allowed, so that a file too large shows itself. */
    buffer_init(&loader->text, SETTINGS_FILE_BYTES_MAX + 1);
    status = load(loader, file);
    if (status != STATUS_OK && loader->errors.count == 0) {
        settings_errors_add(&loader->errors, NULL, 0, NULL, "%s", status_sentence(status));
    }
    buffer_free(&loader->text);
    settings_document_close(&loader->document);
    return status;
}

enum status settings_open(struct settings **out, const char *file, FILE *errors)
{
    struct loader loader = {.errors = {.out = errors, .file = file}};
    enum status status;

    assert(out != NULL && file != NULL && errors != NULL);
    status = run(&loader, file);
    if (status != STATUS_OK) {
        settings_close(&loader.settings);
        return status;
    }
    *out = loader.settings;
    return STATUS_OK;
}

enum status settings_report(const char *file, FILE *out, FILE *errors, struct settings **settings)
{
    struct loader loader = {.errors = {.out = errors, .file = file}, .files_too = true};
    enum status status;

    assert(file != NULL && out != NULL && errors != NULL);
    status = run(&loader, file);
    if (loader.settings != NULL && loader.settings->strange_variables[0] != '\0') {
        fprintf(errors, "warning: the environment has %s: no such settings\n", loader.settings->strange_variables);
    }
    if (status == STATUS_OK || (status == STATUS_NOT_FOUND && loader.settings != NULL)) {
        settings_explain(loader.settings, out);
        if (settings != NULL) {
            *settings = loader.settings;
            loader.settings = NULL;
        }
    }
    settings_close(&loader.settings);
    return status;
}

void settings_close(struct settings **settings)
{
    assert(settings != NULL);
    if (*settings != NULL) {
        free((*settings)->routes);
        free((*settings)->profiles);
        free((*settings)->keys);
        free(*settings);
        *settings = NULL;
    }
}

bool settings_allows_private(const struct private_hosts *hosts, struct bytes name)
{
    for (size_t index = 0; index < hosts->count; index++) {
        struct bytes host = bytes_of(hosts->at[index]);

        if (bytes_equal(host, BYTES("true")) || (bytes_equal_nocase(host, name) && !bytes_equal(host, BYTES("false")))) {
            return true;
        }
    }
    return false;
}

const struct profile_settings *settings_profile(const struct settings *settings, struct bytes name)
{
    for (size_t index = 0; index < settings->profile_count; index++) {
        if (bytes_equal(bytes_of(settings->profiles[index].name), name)) {
            return &settings->profiles[index];
        }
    }
    return NULL;
}
