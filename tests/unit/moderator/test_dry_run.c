/* Tests of dry_run: verdicts and exit codes, by keyword, by a model of a file and of a real database, and when there is none. */
#include "support/folder.h"
#include "support/model.h"
#include "support/models_table.h"
#include "support/postgres.h"
#include "support/unit.h"

#include "moderator/dry_run.h"
#include "moderator/feed_shelf.h"
#include "proto/program.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 12, TEXT_BYTES_MAX = KIB };

static struct folder folder;
static struct postgres server;
static struct database_settings database;

static int begin(void **state)
{
    (void)state;
    assert_status(STATUS_OK, secret_start());
    folder_open(&folder);
    folder_write(&folder, "keywords.txt", BYTES("# places to bet\n\n  Contra Band \nre:card \\d+\n"));
    folder_write(&folder, "folded.txt", BYTES("alpha\n"));
    postgres_start(&server);
    postgres_create(&server, "models", &database);
    return 0;
}

static int end(void **state)
{
    (void)state;
    postgres_stop(&server);
    folder_close(&folder);
    return 0;
}

/* prismguard.yaml with these lines in profile "strict" (a model, no review) beside another one. */
static void write_settings(const char *lines, const char *database_url)
{
    char text[2 * KIB];

    (void)snprintf(text, sizeof text,
                   "gateway: { limits: { moderated_text: 1KiB } }\n"
                   "profiles:\n"
                   "  other: { model: { kind: none } }\n"
                   "  strict:\n"
                   "    keywords: [%s/folded.txt, %s/keywords.txt]\n"
                   "    model: { kind: hashlinear, low: 0.2, high: 0.8 }\n%s"
                   "database: { url: \"%s\" }\n",
                   folder.path, folder.path, lines, database_url);
    folder_write(&folder, "prismguard.yaml", bytes_of(text));
}

/* What a run said. */
struct said {
    char *out;
    char *errors;
};

static void forget(struct said *said)
{
    free(said->out);
    free(said->errors);
}

/* Runs `judge` with the settings' file and these arguments, ended by NULL. */
static struct said run(int expected, struct bytes text, const char *const *more)
{
    char config[PATH_BYTES_MAX + 1];
    char *argv[ARGUMENTS_MAX] = {"prismguard-moderator", "judge", "--config", config};
    int argc = 4, ends[2];
    size_t out_count, errors_count;
    struct said said;
    FILE *out = open_memstream(&said.out, &out_count), *errors = open_memstream(&said.errors, &errors_count);

    assert_true(out != NULL && errors != NULL);
    folder_path(&folder, "prismguard.yaml", config);
    for (; more[argc - 4] != NULL; argc++) {
        argv[argc] = (char *)(uintptr_t)more[argc - 4];
    }
    assert_int_equal(0, pipe(ends)); /* takes more than any text here */
    assert_int_equal(text.count, write(ends[1], text.count == 0 ? "" : text.data, text.count));
    assert_int_equal(0, close(ends[1]));
    assert_int_equal(expected, dry_run_command(argc, argv, ends[0], out, errors));
    assert_int_equal(0, close(ends[0]));
    assert_int_equal(0, fclose(out) + fclose(errors));
    assert_true((expected == PROGRAM_FAILED || expected == PROGRAM_USAGE) == (out_count == 0));
    return said;
}

#define RUN(expected, text, ...) run(expected, BYTES(text), (const char *const[]){__VA_ARGS__, NULL})

/* The run says `what`; nothing is left of it. */
static void assert_says(struct said said, const char *what)
{
    if (strstr(said.out, what) == NULL && strstr(said.errors, what) == NULL) {
        fail_msg("'%s' is not in:\n%s%s", what, said.out, said.errors);
    }
    forget(&said);
}

static void a_keyword_blocks_and_is_told_with_its_place(void **state)
{
    char place[PATH_BYTES_MAX + 64];

    (void)state;
    write_settings("", "");
    (void)snprintf(place, sizeof place, "\"Contra Band\" (%s/keywords.txt:3), one of 3", folder.path);
    assert_says(RUN(DRY_RUN_BLOCKED, "some CONTRABAND, contra band", "--profile", "strict"), place);
    (void)snprintf(place, sizeof place, "\"re:card \\d+\" (%s/keywords.txt:4)", folder.path);
    assert_says(RUN(DRY_RUN_BLOCKED, "card 17", "--profile", "strict"), place);
    (void)snprintf(place, sizeof place, "\"alpha\" (%s/folded.txt:1)", folder.path);
    assert_says(RUN(DRY_RUN_BLOCKED, "A-L-P-H-A", "--profile", "strict"), place);
    assert_says(RUN(DRY_RUN_BLOCKED, "card 17", "--profile", "strict"), "verdict     block (source keyword, category keyword)\n");
    assert_says(RUN(PROGRAM_OK, "card 17", "--profile", "other"), "keywords    none of 0, in ");
}

static void a_model_of_a_file_decides_by_the_thresholds(void **state)
{
    static const struct {
        double probability;
        int code;
        const char *told;
    } rows[] = {
        {0.1, PROGRAM_OK, "verdict     allow (source model)\n"},
        {0.9, DRY_RUN_BLOCKED, "verdict     block (source model, category violation)\n"},
        {0.6, DRY_RUN_BLOCKED, "thresholds  below 0.2 it is allowed, above 0.8 blocked\n"}, /* undecided: the nearer side */
        {0.6, DRY_RUN_BLOCKED, "score       0.6000 in "},
        {0.6, DRY_RUN_BLOCKED, " us, of 1 window; the worst: bytes 0 to 8\n"},
    };
    char path[PATH_BYTES_MAX + 1];

    (void)state;
    write_settings("", "");
    folder_path(&folder, "model", path);
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        struct buffer file;

        model_file_make(&file, model_bias(rows[index].probability), 0);
        folder_write(&folder, "model", buffer_view(&file));
        buffer_free(&file);
        assert_says(RUN(rows[index].code, "harmless", "--profile", "strict", "--model", path), rows[index].told);
    }
    assert_says(RUN(PROGRAM_FAILED, "harmless", "--profile", "other", "--model", path), "the profile wants none");
    folder_write(&folder, "model", BYTES("no model"));
    assert_says(RUN(PROGRAM_FAILED, "harmless", "--profile", "strict", "--model", path), path);
}

static void what_a_review_would_decide_is_unsure_and_nobody_is_drawn(void **state)
{
    static const char review[] = "    review: { url: \"http://127.0.0.1:1/\", models: [one, two], sample_rate: 1 }\n";
    char path[PATH_BYTES_MAX + 1];
    struct buffer file;

    (void)state;
    write_settings(review, "");
    assert_says(RUN(DRY_RUN_UNSURE, "harmless", "--profile", "strict"),
                "unsure: a review decides, and without one it is allow (source undecided)\n");
    assert_says(RUN(DRY_RUN_UNSURE, "harmless", "--profile", "strict"),
                "would be asked: one, two; 100 % of texts are reviewed whatever the model says\n");
    folder_path(&folder, "model", path);
    model_file_make(&file, model_bias(0.01), 0);
    folder_write(&folder, "model", buffer_view(&file));
    buffer_free(&file);
    assert_says(RUN(PROGRAM_OK, "harmless", "--profile", "strict", "--model", path), "review      not needed; 100 %");
}

static void the_live_model_of_the_database_is_used(void **state)
{
    struct db *db = NULL;
    struct buffer file;
    struct model_row row = {.profile = "strict", .version = 7, .status = "live"};

    (void)state;
    write_settings("", database.url);
    assert_says(RUN(PROGRAM_FAILED, "harmless", "--profile", "strict"), "cannot read the model"); /* the table is not made yet */
    assert_status(STATUS_OK, db_open(&db, &database, "test"));
    postgres_apply_schema(db);
    assert_says(RUN(PROGRAM_OK, "harmless", "--profile", "strict"), "none: the database has none for this profile yet\n");
    model_file_make(&file, model_bias(0.95), 0);
    row.bytes = buffer_view(&file);
    (void)models_table_put(db, &row);
    assert_says(RUN(DRY_RUN_BLOCKED, "harmless", "--profile", "strict"), "model       hashlinear, version 7\n");
    assert_says(RUN(PROGRAM_OK, "harmless", "--profile", "strict", "--no-model"), "none: it was asked for none\n");
    row = (struct model_row){
        .profile = "strict", .version = 8, .status = "live", .bytes = buffer_view(&file), .sha256 = BYTES("not its hash")};
    (void)models_table_put(db, &row);
    assert_says(RUN(PROGRAM_FAILED, "harmless", "--profile", "strict"), "cannot read the model");
    buffer_free(&file);
    db_close(&db);
}

static void without_its_database_it_says_so_and_gives_no_verdict(void **state)
{
    (void)state;
    write_settings("", "host=/nowhere dbname=none");
    assert_says(RUN(PROGRAM_FAILED, "harmless", "--profile", "strict"), "--model FILE or --no-model does without");
    assert_says(RUN(PROGRAM_OK, "harmless", "--profile", "strict", "--no-model"), "verdict     allow (source undecided)\n");
    assert_says(RUN(PROGRAM_OK, "harmless", "--profile", "other"), "none: the profile wants none\n");
}

/* A folder, and the name of the one that a shelf makes in it. */
static void open_state(struct folder *state_dir, struct folder *models)
{
    folder_open(state_dir);
    folder_path(state_dir, "models", models->path);
}

/* Keeps a model of the profile as a moderator does with this state_dir. */
static void keep_copy(const char *state_dir, uint64_t version, double probability)
{
    struct profile_settings profile = {.name = "strict"};
    struct settings settings = {.profiles = &profile, .profile_count = 1};
    struct feed_row row = {.version = version};
    struct metrics *metrics = NULL;
    struct feed_shelf *shelf = NULL;
    unsigned char sha256[SHA256_BYTES];
    struct buffer file;

    (void)snprintf(settings.moderator.state_dir, sizeof settings.moderator.state_dir, "%s", state_dir);
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, feed_shelf_open(&shelf, &settings, metrics));
    model_file_make(&file, model_bias(probability), 0);
    row.bytes = buffer_view(&file);
    secret_sha256(sha256, row.bytes);
    row.sha256 = (struct bytes){(const char *)sha256, sizeof sha256};
    feed_shelf_put(shelf, &row);
    buffer_free(&file);
    feed_shelf_close(&shelf);
    metrics_close(&metrics);
}

static void where_the_database_is_away_the_last_good_copy_judges_and_is_named(void **state)
{
    struct folder state_dir, models;
    char lines[2 * PATH_BYTES_MAX];
    struct said said;

    (void)state;
    open_state(&state_dir, &models);
    (void)snprintf(lines, sizeof lines, "moderator: { state_dir: \"%s\" }\n", state_dir.path);
    write_settings(lines, "host=/nowhere dbname=none");
    assert_says(RUN(PROGRAM_FAILED, "harmless", "--profile", "strict"), "--model FILE or --no-model does without");
    assert_int_equal(-1, access(models.path, F_OK)); /* it only looks */
    keep_copy(state_dir.path, 12, 0.95);
    said = RUN(DRY_RUN_BLOCKED, "harmless", "--profile", "strict");
    assert_non_null(strstr(said.out, "model       hashlinear, version 12, the last good copy in "));
    assert_says(said, "; the database: ");
    said = RUN(DRY_RUN_BLOCKED, "harmless", "--profile", "strict", "--json");
    assert_non_null(strstr(said.out, "\"version\":12"));
    assert_says(said, "\"state_dir\":\"");
    keep_copy(state_dir.path, 13, 0.05);
    assert_says(RUN(PROGRAM_OK, "harmless", "--profile", "strict"), "version 13,");
    assert_says(RUN(PROGRAM_OK, "harmless", "--profile", "strict", "--no-model"), "none: it was asked for none\n");
    folder_close(&models);
    folder_close(&state_dir);
}

static void a_copy_that_is_damaged_is_told_and_judges_nothing(void **state)
{
    struct folder state_dir, models;
    char lines[2 * PATH_BYTES_MAX];
    struct dirent *entry;
    DIR *dir;

    (void)state;
    open_state(&state_dir, &models);
    keep_copy(state_dir.path, 12, 0.95);
    dir = opendir(models.path);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (strstr(entry->d_name, ".model") != NULL) {
            assert_int_equal(0, unlinkat(dirfd(dir), entry->d_name, 0));
            assert_int_equal(0, close(openat(dirfd(dir), entry->d_name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
        }
    }
    assert_int_equal(0, closedir(dir));
    (void)snprintf(lines, sizeof lines, "moderator: { state_dir: \"%s\" }\n", state_dir.path);
    write_settings(lines, "host=/nowhere dbname=none");
    assert_says(RUN(PROGRAM_FAILED, "harmless", "--profile", "strict"), "nor its copy in ");
    folder_close(&models);
    folder_close(&state_dir);
}

static void a_text_of_the_bound_is_judged_and_one_byte_more_is_not(void **state)
{
    char text[TEXT_BYTES_MAX + 1];
    const char *const arguments[] = {"--profile", "strict", NULL};

    (void)state;
    write_settings("", "");
    memset(text, 'x', sizeof text);
    assert_says(run(PROGRAM_OK, (struct bytes){text, TEXT_BYTES_MAX}, arguments), "text        1024 bytes\n");
    assert_says(run(PROGRAM_FAILED, (struct bytes){text, TEXT_BYTES_MAX + 1}, arguments), "gateway.limits.moderated_text");
    assert_says(run(PROGRAM_FAILED, BYTES("\xff"), arguments), "not UTF-8");
    assert_says(run(PROGRAM_OK, (struct bytes){NULL, 0}, arguments), "verdict     allow (source none)\n");
}

static void a_command_line_that_makes_no_sense_is_told(void **state)
{
    (void)state;
    write_settings("", "");
    assert_says(RUN(PROGRAM_USAGE, "", "--json"), "--profile NAME are needed");
    assert_says(RUN(PROGRAM_USAGE, "", "--profile"), "'--profile' is not understood");
    assert_says(RUN(PROGRAM_USAGE, "", "--profile", "strict", "--nonsense"), "'--nonsense' is not understood");
    assert_says(RUN(PROGRAM_USAGE, "", "--profile", "strict", "a text"), "'a text' is not understood");
    assert_says(RUN(PROGRAM_USAGE, "", "--profile", "strict", "--no-model", "--model", "x"), "exclude each other");
    assert_says(RUN(PROGRAM_FAILED, "", "--profile", "stranger"), "has no profile stranger; it has other, strict\n");
    assert_says(RUN(PROGRAM_OK, "", "--help"), "Exit status: 0 allowed, 1 not judged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_keyword_blocks_and_is_told_with_its_place),
        cmocka_unit_test(a_model_of_a_file_decides_by_the_thresholds),
        cmocka_unit_test(what_a_review_would_decide_is_unsure_and_nobody_is_drawn),
        cmocka_unit_test(the_live_model_of_the_database_is_used),
        cmocka_unit_test(without_its_database_it_says_so_and_gives_no_verdict),
        cmocka_unit_test(where_the_database_is_away_the_last_good_copy_judges_and_is_named),
        cmocka_unit_test(a_copy_that_is_damaged_is_told_and_judges_nothing),
        cmocka_unit_test(a_text_of_the_bound_is_judged_and_one_byte_more_is_not),
        cmocka_unit_test(a_command_line_that_makes_no_sense_is_told),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
