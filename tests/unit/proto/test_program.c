/* program: each command line does what it says with the exit code it says; a signal ends the wait, also one that came early. */
#include "support/unit.h"

#include "proto/program.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const char good[] = "profiles:\n  default: {}\n";
static const char bad[] = "gateway:\n  bogus: 1\n";

static char file[64];

static const char *write_file(const char *text)
{
    int fd;

    (void)snprintf(file, sizeof file, "/tmp/prismguard-program-XXXXXX");
    fd = mkstemp(file);
    assert_true(fd >= 0);
    assert_int_equal(strlen(text), write(fd, text, strlen(text)));
    assert_int_equal(0, close(fd));
    return file;
}

/* Exit code and output (both streams) of a command line, in a process of its own. */
static int run(char *output, size_t room, const char *first, const char *second)
{
    char *arguments[] = {(char *)(uintptr_t)"prismguard-test", (char *)(uintptr_t)first, (char *)(uintptr_t)second, NULL};
    int ends[2];
    size_t count = 0;
    ssize_t more;
    pid_t child;
    int how;

    assert_int_equal(0, pipe(ends));
    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        struct program *program = NULL;
        int code;

        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)close(ends[0]);
        code = program_open(&program, "test", "Tests.", second == NULL ? (first == NULL ? 1 : 2) : 3, arguments);
        if (program != NULL) {
            (void)kill(getpid(), SIGTERM);
            program_wait_for_end(program);
            program_close(&program);
            code = 42;
        }
        (void)fflush(NULL);
        _exit(code);
    }
    (void)close(ends[1]);
    while ((more = read(ends[0], output + count, room - 1 - count)) > 0) {
        count += (size_t)more;
    }
    output[count] = '\0';
    (void)close(ends[0]);
    assert_int_equal(child, waitpid(child, &how, 0));
    assert_true(WIFEXITED(how));
    return WEXITSTATUS(how);
}

static char output[256 * 1024];

static void help_and_version_end_well(void **state)
{
    (void)state;
    assert_int_equal(PROGRAM_OK, run(output, sizeof output, "--help", NULL));
    assert_non_null(strstr(output, "usage: prismguard-test --config FILE"));
    assert_non_null(strstr(output, "--check FILE"));
    assert_int_equal(PROGRAM_OK, run(output, sizeof output, "--version", NULL));
    assert_string_equal("prismguard-test " PRISMGUARD_VERSION "\n", output);
}

static void the_table_of_settings_is_printed(void **state)
{
    (void)state;
    assert_int_equal(PROGRAM_OK, run(output, sizeof output, "--settings", NULL));
    assert_non_null(strstr(output, "gateway.listen"));
}

static void a_wrong_command_line_says_what_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(PROGRAM_USAGE, run(output, sizeof output, NULL, NULL));
    assert_non_null(strstr(output, "--config FILE is needed"));
    assert_int_equal(PROGRAM_USAGE, run(output, sizeof output, "--bogus", NULL));
    assert_non_null(strstr(output, "--bogus"));
    assert_int_equal(PROGRAM_USAGE, run(output, sizeof output, "--config", NULL));
    assert_int_equal(PROGRAM_USAGE, run(output, sizeof output, "something", NULL));
    assert_non_null(strstr(output, "something"));
    assert_int_equal(PROGRAM_USAGE, run(output, sizeof output, "--version", "--help"));
}

static void check_names_what_is_wrong_and_explains_what_is_right(void **state)
{
    (void)state;
    assert_int_equal(PROGRAM_FAILED, run(output, sizeof output, "--check", write_file(bad)));
    assert_non_null(strstr(output, ":2: gateway.bogus"));
    (void)unlink(file);
    assert_int_equal(PROGRAM_OK, run(output, sizeof output, "--check", write_file(good)));
    assert_non_null(strstr(output, "default"));
    (void)unlink(file);
    assert_int_equal(PROGRAM_FAILED, run(output, sizeof output, "--check", "/no/such/file"));
}

static void a_run_waits_for_its_end_even_when_it_came_early(void **state)
{
    (void)state;
    assert_int_equal(42, run(output, sizeof output, "--config", write_file(good)));
    assert_non_null(strstr(output, "\"event\":\"started\""));
    assert_non_null(strstr(output, "\"signal\":\"SIGTERM\""));
    assert_non_null(strstr(output, "\"event\":\"ended\""));
    (void)unlink(file);
    assert_int_equal(PROGRAM_FAILED, run(output, sizeof output, "--config", write_file(bad)));
    (void)unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_and_version_end_well),
        cmocka_unit_test(the_table_of_settings_is_printed),
        cmocka_unit_test(a_wrong_command_line_says_what_is_wrong),
        cmocka_unit_test(check_names_what_is_wrong_and_explains_what_is_right),
        cmocka_unit_test(a_run_waits_for_its_end_even_when_it_came_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
