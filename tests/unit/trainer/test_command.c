/* command: command lines that are understood and those that are not, without a database; the rest is tests/system/test_trainer_cli. */
#include "support/folder.h"
#include "support/unit.h"

#include "proto/program.h"
#include "trainer/command.h"

enum { ARGUMENTS_MAX = 12 };

static struct folder folder;

/* Runs these arguments, ended by NULL; one of both outputs has `what` in it. */
static void run(int expected, const char *what, const char *const *words)
{
    char *argv[ARGUMENTS_MAX] = {"prismguard-trainer"};
    int argc = 1;
    char *out_text = NULL, *errors_text = NULL;
    size_t out_count, errors_count;
    FILE *out = open_memstream(&out_text, &out_count), *errors = open_memstream(&errors_text, &errors_count);

    assert_true(out != NULL && errors != NULL);
    for (; words[argc - 1] != NULL; argc++) {
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    }
    assert_int_equal(expected, command_run(argc, argv, out, errors));
    assert_int_equal(0, fclose(out) + fclose(errors));
    if (strstr(expected == PROGRAM_OK ? out_text : errors_text, what) == NULL) {
        fail_msg("'%s' is not in:\n%s%s", what, out_text, errors_text);
    }
    assert_true(expected == PROGRAM_OK || out_count == 0);
    free(out_text);
    free(errors_text);
}

#define RUN(expected, what, ...) run(expected, what, (const char *const[]){__VA_ARGS__, NULL})

static void help_needs_nothing(void **state)
{
    (void)state;
    RUN(PROGRAM_OK, "  samples ", "help");
    RUN(PROGRAM_OK, "usage: prismguard-trainer train PROFILE", "train", "--help");
    RUN(PROGRAM_OK, "usage: prismguard-trainer train PROFILE", "help", "train");
    RUN(PROGRAM_OK, "  samples ", "help", "run");
    RUN(PROGRAM_OK, "jsonl or csv; without it by the file's name, else jsonl", "import", "--help");
    RUN(PROGRAM_OK, "FORMAT    jsonl or csv; without it jsonl\n", "export", "--help");
    RUN(PROGRAM_OK, "SOURCE    only what import, reviewer or person labelled\n", "export", "--help");
    RUN(PROGRAM_OK, "SOURCE    only what import, reviewer or person labelled\n", "samples", "--help");
    RUN(PROGRAM_OK, "--limit N", "samples", "--help");
    RUN(PROGRAM_OK, "A text keeps one key, the last", "samples", "--help");
}

static void a_wrong_line_is_told(void **state)
{
    (void)state;
    RUN(PROGRAM_USAGE, "no subcommand 'tarin'", "tarin");
    RUN(PROGRAM_USAGE, "no subcommand 'tarin'", "help", "tarin");
    RUN(PROGRAM_USAGE, "wants PROFILE, found nothing", "train", "--config", "f");
    RUN(PROGRAM_USAGE, "wants PROFILE, found 'a' and more", "train", "a", "b", "--config", "f");
    RUN(PROGRAM_USAGE, "--config FILE is needed", "train", "a");
    RUN(PROGRAM_USAGE, "found '--limit'", "train", "a", "--config", "f", "--limit", "1");
    RUN(PROGRAM_USAGE, "found '--config'", "train", "a", "--config");
}

static void settings_come_first(void **state)
{
    char config[PATH_BYTES_MAX + 1];

    (void)state;
    folder_path(&folder, "prismguard.yaml", config);
    RUN(PROGRAM_FAILED, "prismguard.yaml", "train", "a", "--config", config);
    folder_write(&folder, "prismguard.yaml", BYTES("profiles: { a: {} }\n"));
    RUN(PROGRAM_FAILED, "names no database.url", "train", "a", "--config", config);
    folder_write(&folder, "prismguard.yaml", BYTES("profiles: { a: {} }\ndatabase: { url: \"host=/nowhere\" }\n"));
    RUN(PROGRAM_FAILED, "has no profile of that name", "train", "b", "--config", config);
    RUN(PROGRAM_FAILED, "cannot use the database", "train", "a", "--config", config);
    RUN(PROGRAM_FAILED, "database.hash_key_file cannot be read", "import", "a", "file", "--config", config);
}

static int begin(void **state)
{
    (void)state;
    folder_open(&folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    folder_close(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_needs_nothing),
        cmocka_unit_test(a_wrong_line_is_told),
        cmocka_unit_test(settings_come_first),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
