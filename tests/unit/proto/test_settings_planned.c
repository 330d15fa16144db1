/* test_settings_planned: every key of the example is read by the programs or said not to be built yet, and never both. */
#include "support/settings_text.h"
#include "support/unit.h"

#include "proto/settings_path.h"
#include "proto/settings_planned.h"
#include "proto/settings_reader.h"
#include "proto/settings_table.h"

static const char example[] = TEST_ROOT "/deploy/prismguard.example.yaml";

/* The example with its "#~ " marks taken out, so that planned keys are keys; the paths of its nodes as the table writes them. */
static struct settings_document *whole_example(void)
{
    static char text[64 * KIB];
    struct settings_errors errors = {.out = stderr, .file = example};
    struct settings_document *document = NULL;
    FILE *file = fopen(example, "re");
    size_t count;

    assert_non_null(file);
    count = fread(text, 1, sizeof text - 1, file);
    assert_int_equal(0, fclose(file));
    assert_true(count < sizeof text - 1);
    text[count] = '\0';
    for (char *mark = text; (mark = strstr(mark, "#~ ")) != NULL;) {
        memmove(mark, mark + 3, strlen(mark + 3) + 1);
    }
    assert_status(STATUS_OK, settings_document_open(&document, bytes_of(text), &errors));
    return document;
}

static bool has_path(const struct settings_document *document, const char *wanted)
{
    for (size_t node = 1; node < document->count; node++) {
        char path[SETTINGS_PATH_BYTES];

        settings_path_of(document, node, path);
        if (strcmp(path, wanted) == 0) {
            return true;
        }
    }
    return false;
}

/* A row holds all below it (the items of a list), and so does a planned key. */
static bool is_known(const char *path)
{
    for (size_t count = strlen(path); count > 0; count--) {
        struct bytes outer = {path, count};

        if ((path[count] == '\0' || path[count] == '.' || path[count] == '[') &&
            (settings_table_find(outer) != NULL || settings_planned_find(outer) != NULL)) {
            return true;
        }
    }
    return settings_table_is_section(bytes_of(path));
}

static void every_key_of_the_example_is_read_or_planned(void **state)
{
    struct settings_document *document = whole_example();

    (void)state;
    for (size_t node = 1; node < document->count; node++) {
        char path[SETTINGS_PATH_BYTES];

        settings_path_of(document, node, path);
        if (!is_known(path)) {
            fail_msg("%s of deploy/prismguard.example.yaml is neither in the table nor in settings_planned", path);
        }
    }
    settings_document_close(&document);
}

static void every_key_that_is_read_or_planned_is_in_the_example(void **state)
{
    struct settings_document *document = whole_example();

    (void)state;
    for (size_t index = 0; index < settings_table_count(); index++) {
        if (!has_path(document, settings_table_row(index)->path)) {
            fail_msg("%s is not in deploy/prismguard.example.yaml", settings_table_row(index)->path);
        }
    }
    for (size_t index = 0; index < settings_planned_count(); index++) {
        if (!has_path(document, settings_planned_at(index)->path)) {
            fail_msg("%s is planned, and not in deploy/prismguard.example.yaml", settings_planned_at(index)->path);
        }
    }
    settings_document_close(&document);
}

static void what_is_built_is_not_planned(void **state)
{
    (void)state;
    for (size_t index = 0; index < settings_planned_count(); index++) {
        const char *path = settings_planned_at(index)->path;

        if (settings_table_find(bytes_of(path)) != NULL || settings_table_is_section(bytes_of(path))) {
            fail_msg("%s is built: take it out of settings_planned.c, and its mark out of deploy/prismguard.example.yaml", path);
        }
        assert_true(strlen(settings_planned_at(index)->reason) > 0);
    }
    assert_null(settings_planned_find(BYTES("gateway.nonsense")));
}

static void a_planned_key_is_refused_and_says_so(void **state)
{
    (void)state;
    assert_refused("prismguard.yaml:2: gateway.admin_token_file: not built yet, allowed is to leave it out: the admin port only "
                   "tells and does nothing that needs a token\n"
                   "prismguard.yaml:4: database.text_key_file: not built yet, allowed is to leave it out: texts are stored as they "
                   "are\n",
                   "gateway:\n  admin_token_file: token\ndatabase:\n  text_key_file: key\n");
}

/* Nothing is wrong with it but that its files are those of another machine. */
static void the_example_holds_but_for_its_files(void **state)
{
    char *told = NULL;
    char *words = NULL;
    size_t told_count;
    size_t words_count;
    FILE *errors = open_memstream(&told, &told_count);
    FILE *out = open_memstream(&words, &words_count);
    size_t lines = 0;

    (void)state;
    assert_non_null(errors);
    assert_non_null(out);
    assert_status(STATUS_NOT_FOUND, settings_report(example, out, errors, NULL));
    assert_int_equal(0, fclose(errors));
    assert_int_equal(0, fclose(out));
    for (char *line = told, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (strstr(line, "which cannot be read (") == NULL) {
            fail_msg("%s", line);
        }
        lines++;
    }
    assert_int_equal(7, lines); /* two keys, keywords, a prompt, the database's two, curve */
    assert_non_null(strstr(words, "Profile default\n"));
    free(told);
    free(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_the_example_is_read_or_planned),
        cmocka_unit_test(every_key_that_is_read_or_planned_is_in_the_example),
        cmocka_unit_test(what_is_built_is_not_planned),
        cmocka_unit_test(a_planned_key_is_refused_and_says_so),
        cmocka_unit_test(the_example_holds_but_for_its_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
