/* test_program: each command line in a process of its own: what it says, where, and its exit code. */
#include "support/own_folder.h"
#include "support/unit.h"

#include "proto/program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

enum { TEXT_ROOM = 64 * 1024 };

/* What a run left behind. */
struct outcome {
    int status; /* of waitpid */
    char out[TEXT_ROOM];
    char error[TEXT_ROOM];
};

struct run {
    pid_t child;
    int out;
    int error;
};

/* Holds as much as the gateway's limit of connections, and reckons with gateway.limits.memory. */
static void reckon(const struct settings *settings, struct memory_bound *out)
{
    memory_bound_limit(out, "gateway.limits.memory", settings->gateway.limits.memory_bytes);
    memory_bound_add_each(out, "connections", "gateway.limits.connections", settings->gateway.limits.connections, MIB);
}

static const struct program_service service = {
    .name = "gateway", .purpose = "Stands in a test.", .memory = reckon, .memory_binds = true};

/* Takes what it is given, unless a route says that it shall not; says which address it heard of. */
static enum status apply(void *context, struct settings **fresh, FILE *errors)
{
    (void)context;
    if ((*fresh)->route_count > 0) {
        (void)fprintf(errors, "%s:%u: no room for routes\nand another line\n", (*fresh)->file, (*fresh)->routes[0].line);
        return STATUS_FULL;
    }
    printf("applied %s %llu\n", (*fresh)->gateway.listen, (unsigned long long)(*fresh)->gateway.limits.idle_ms);
    (void)fflush(stdout);
    settings_close(fresh);
    return STATUS_OK;
}

/* In the child: a main as the header shows it, that says when it can be ended. */
static int child_main(int argc, char **argv)
{
    struct program *program = NULL;
    int code = program_open(&program, &service, argc, argv);
    struct pollfd end = {.events = POLLIN};
    struct metrics *metrics = NULL;

    if (program == NULL) {
        return code;
    }
    printf("listening on %s\n", program_settings(program)->gateway.listen);
    (void)fflush(stdout);
    assert_status(STATUS_OK, metrics_open(&metrics));
    program_on_reload(program, apply, metrics, NULL);
    end.fd = program_signal_fd(program);
    (void)poll(&end, 1, -1);
    program_wait_for_end(program); /* returns at once: it has been asked for */
    metrics_close(&metrics);
    code = argc > 3 ? program_fail(program, "do it", STATUS_FULL) : PROGRAM_OK;
    program_close(&program);
    program_close(&program);
    return code;
}

static int count_of(char **argv)
{
    int count = 0;

    while (argv[count] != NULL) {
        count++;
    }
    return count;
}

/* Starts a child with its standard output at `out_file`, or at a pipe when that is NULL. */
static struct run run_begin(char **argv, const char *out_file)
{
    int out[2];
    int error[2];
    struct run run;

    assert_int_equal(0, pipe(out));
    assert_int_equal(0, pipe(error));
    (void)fflush(NULL);
    run.child = fork();
    assert_true(run.child >= 0);
    if (run.child == 0) {
        int file = out_file == NULL ? out[1] : open(out_file, O_WRONLY | O_CLOEXEC);
        int code;

        (void)dup2(file, STDOUT_FILENO);
        (void)dup2(error[1], STDERR_FILENO);
        (void)close(out[0]);
        (void)close(error[0]);
        code = child_main(count_of(argv), argv);
        (void)fflush(NULL);
        _exit(code);
    }
    (void)close(out[1]);
    (void)close(error[1]);
    run.out = out[0];
    run.error = error[0];
    return run;
}

static void read_to_end(int fd, char out[TEXT_ROOM])
{
    size_t count = strlen(out);
    ssize_t more;

    while ((more = read(fd, out + count, TEXT_ROOM - 1 - count)) > 0) {
        count += (size_t)more;
    }
    out[count] = '\0';
    (void)close(fd);
}

static void run_end(const struct run *run, struct outcome *outcome)
{
    read_to_end(run->out, outcome->out);
    read_to_end(run->error, outcome->error);
    assert_int_equal(run->child, waitpid(run->child, &outcome->status, 0));
}

static void assert_exit(int expected, const struct outcome *outcome)
{
    if (!WIFEXITED(outcome->status) || WEXITSTATUS(outcome->status) != expected) {
        fail_msg("status %d, out '%s', error '%s'", outcome->status, outcome->out, outcome->error);
    }
}

static char settings_path[PATH_BYTES_MAX + 1];

static int start(void **state)
{
    (void)make_folder(state);
    folder_path(&folder, "prismguard.yaml", settings_path);
    return 0;
}

/* At settings_path. */
static void write_settings(const char *text)
{
    folder_write(&folder, "prismguard.yaml", bytes_of(text));
}

#define RUN(outcome, ...)                                                                                              \
    do {                                                                                                               \
        char *run_argv[] = {"prismguard-gateway", __VA_ARGS__, NULL};                                                  \
        struct run run_here = run_begin(run_argv, NULL);                                                               \
                                                                                                                       \
        memset(outcome, 0, sizeof *(outcome));                                                                         \
        run_end(&run_here, outcome);                                                                                   \
    } while (0)

static void help_version_and_settings_go_to_standard_output(void **state)
{
    static struct outcome outcome;

    (void)state;
    RUN(&outcome, "--help");
    assert_exit(PROGRAM_OK, &outcome);
    assert_non_null(strstr(outcome.out, "usage: prismguard-gateway --config FILE"));
    assert_non_null(strstr(outcome.out, "Stands in a test."));
    assert_string_equal("", outcome.error);
    RUN(&outcome, "--version");
    assert_exit(PROGRAM_OK, &outcome);
    assert_string_equal("prismguard-gateway " PRISMGUARD_VERSION "\n", outcome.out);
    RUN(&outcome, "--settings");
    assert_exit(PROGRAM_OK, &outcome);
    assert_non_null(strstr(outcome.out, "| `gateway.listen` |"));
    assert_string_equal("", outcome.error);
}

static void a_wrong_command_line_is_told_and_ends_with_two(void **state)
{
    static struct outcome outcome;

    (void)state;
    RUN(&outcome, NULL);
    assert_exit(PROGRAM_USAGE, &outcome);
    assert_string_equal("prismguard-gateway: --config FILE is needed\nprismguard-gateway --help says more\n", outcome.error);
    assert_string_equal("", outcome.out);
    RUN(&outcome, "--nonsense");
    assert_exit(PROGRAM_USAGE, &outcome);
    assert_non_null(strstr(outcome.error, "--nonsense"));
    RUN(&outcome, "--config");
    assert_exit(PROGRAM_USAGE, &outcome);
    assert_non_null(strstr(outcome.error, "config"));
    RUN(&outcome, "--check", "/dev/null", "more");
    assert_exit(PROGRAM_USAGE, &outcome);
    assert_non_null(strstr(outcome.error, "'more' is not understood"));
    RUN(&outcome, "--check", "/dev/null", "--version");
    assert_exit(PROGRAM_USAGE, &outcome);
    assert_non_null(strstr(outcome.error, "one of --config, --check"));
}

static void keys_are_made_once(void **state)
{
    static struct outcome outcome;
    char path[PATH_BYTES_MAX + 1];

    (void)state;
    RUN(&outcome, "--make-keys", folder.path);
    assert_exit(PROGRAM_OK, &outcome);
    assert_non_null(strstr(outcome.out, "/hash: made\n"));
    assert_string_equal("", outcome.error);
    RUN(&outcome, "--make-keys", folder.path);
    assert_exit(PROGRAM_OK, &outcome);
    assert_non_null(strstr(outcome.out, "/hash: kept\n"));
    folder_path(&folder, "trainer.pub", path);
    assert_int_equal(0, unlink(path));
    RUN(&outcome, "--make-keys", folder.path);
    assert_exit(PROGRAM_FAILED, &outcome);
    assert_string_equal("", outcome.out);
    assert_non_null(strstr(outcome.error, "cannot make keys in /tmp/"));
    RUN(&outcome, "--make-keys", "/no/such/folder");
    assert_exit(PROGRAM_FAILED, &outcome);
}

/* What a running service answers is tests/unit/proto/test_health.c's, and tests/system/test_programs.py's. */
static void health_needs_settings_and_somebody_who_answers(void **state)
{
    static struct outcome outcome;

    (void)state;
    write_settings("gateway: { admin_listen: off }\n");
    RUN(&outcome, "--health", settings_path);
    assert_exit(PROGRAM_FAILED, &outcome);
    assert_string_equal("", outcome.out);
    assert_non_null(strstr(outcome.error, "gateway.admin_listen is off in "));
    assert_non_null(strstr(outcome.error, "give it an address (127.0.0.1:9091) and start the gateway anew\n"));
    write_settings("gateway: { admin_listen: '127.0.0.1:1' }\n");
    RUN(&outcome, "--ready", settings_path);
    assert_exit(PROGRAM_FAILED, &outcome);
    assert_non_null(strstr(outcome.error, "('127.0.0.1:1'): nobody there"));
    RUN(&outcome, "--health", "/no/such/file");
    assert_exit(PROGRAM_FAILED, &outcome);
    assert_string_equal("/no/such/file: cannot be read: No such file or directory\n", outcome.error);
}

static void a_check_explains_good_settings_and_tells_bad_ones(void **state)
{
    static struct outcome outcome;

    (void)state;
    write_settings("profiles: { one: }\n");
    RUN(&outcome, "--check", settings_path);
    assert_exit(PROGRAM_OK, &outcome);
    assert_non_null(strstr(outcome.out, "Profile one\n"));
    assert_string_equal("", outcome.error);

    RUN(&outcome, "--check", "/no/such/file");
    assert_exit(PROGRAM_FAILED, &outcome);
    assert_string_equal("/no/such/file: cannot be read: No such file or directory\n", outcome.error);

    write_settings("profiles: { one: { keywords: [none.txt] } }\n");
    RUN(&outcome, "--check", settings_path);
    assert_exit(PROGRAM_FAILED, &outcome);
    assert_non_null(strstr(outcome.error, "profiles.one.keywords[0]: found '"));

    write_settings("gateway: { threads: two }\n");
    RUN(&outcome, "--check", settings_path);
    assert_exit(PROGRAM_FAILED, &outcome);
    assert_string_equal("", outcome.out);
    assert_non_null(strstr(outcome.error, "prismguard.yaml:1: gateway.threads: found 'two'"));
    RUN(&outcome, "--config", settings_path);
    assert_exit(PROGRAM_FAILED, &outcome);
    assert_non_null(strstr(outcome.error, "prismguard.yaml:1: gateway.threads: found 'two'"));
}

/* The bound is a quarter more than its terms: 10 MiB for 8. */
static void a_memory_bound_above_its_limit_is_told_and_does_not_start(void **state)
{
    static struct outcome outcome;

    (void)state;
    write_settings("gateway: { limits: { connections: 8, memory: 10MiB } }\n");
    RUN(&outcome, "--check", settings_path);
    assert_exit(PROGRAM_OK, &outcome);
    assert_non_null(strstr(outcome.out, "\nMemory\n  At most 10 MiB"));
    assert_non_null(strstr(outcome.out, "8.0 MiB  connections (gateway.limits.connections)\n"));

    write_settings("gateway: { limits: { connections: 9, memory: 10MiB } }\n");
    RUN(&outcome, "--check", settings_path);
    assert_exit(PROGRAM_FAILED, &outcome);
    assert_non_null(strstr(outcome.error, "may come to hold 11 MiB, but gateway.limits.memory is 10 MiB: raise it, or lower "
                                          "gateway.limits.connections (9 MiB are connections)"));
    RUN(&outcome, "--config", settings_path);
    assert_exit(PROGRAM_FAILED, &outcome);
    assert_non_null(strstr(outcome.error, "gateway.limits.memory is 10 MiB"));
    assert_null(strstr(outcome.error, "started"));
}

static void output_that_cannot_be_written_is_a_failure(void **state)
{
    static struct outcome outcome;
    char *argv[] = {"prismguard-gateway", "--settings", NULL};
    struct run run = run_begin(argv, "/dev/full");

    (void)state;
    run_end(&run, &outcome);
    assert_exit(PROGRAM_FAILED, &outcome);
    assert_non_null(strstr(outcome.error, "standard output"));
}

/* Runs until the first line is read, so that a signal finds the program waiting; leaves the line in outcome->out. */
static struct run run_until_ready(char **argv, struct outcome *outcome)
{
    struct run run = run_begin(argv, NULL);
    size_t count = 0;

    memset(outcome, 0, sizeof *outcome);
    while (memchr(outcome->out, '\n', count) == NULL) {
        ssize_t more = read(run.out, outcome->out + count, 1);

        assert_int_equal(1, more);
        count++;
    }
    assert_string_equal("listening on 127.0.0.1:8080\n", outcome->out);
    return run;
}

static void a_signal_ends_it_in_order_and_is_logged(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT};
    static struct outcome outcome;
    char *argv[] = {"prismguard-gateway", "--config", "/dev/null", NULL};

    (void)state;
    for (size_t index = 0; index < 2; index++) {
        struct run run = run_until_ready(argv, &outcome);

        assert_int_equal(0, kill(run.child, signals[index]));
        run_end(&run, &outcome);
        assert_exit(PROGRAM_OK, &outcome);
        assert_non_null(strstr(outcome.error, "\"event\":\"started\""));
        assert_non_null(strstr(outcome.error, index == 0 ? "\"signal\":\"SIGTERM\"" : "\"signal\":\"SIGINT\""));
        assert_non_null(strstr(outcome.error, "\"event\":\"ended\""));
    }
}

static void a_main_that_cannot_go_on_says_why_and_ends_with_one(void **state)
{
    static struct outcome outcome;
    char *argv[] = {"prismguard-gateway", "--config", "/dev/null", "--", NULL}; /* one more: child_main fails then */
    struct run run = run_until_ready(argv, &outcome);

    (void)state;
    assert_int_equal(0, kill(run.child, SIGTERM));
    run_end(&run, &outcome);
    assert_exit(PROGRAM_FAILED, &outcome);
    assert_non_null(strstr(outcome.error, "prismguard-gateway: cannot do it: no room left\n"));
    assert_non_null(strstr(outcome.error, "\"what\":\"do it\",\"status\":\"full\""));
}

/* Reads the child's standard output until it says `wanted`. */
static void read_until(const struct run *run, struct outcome *outcome, const char *wanted)
{
    size_t count = strlen(outcome->out);

    while (strstr(outcome->out, wanted) == NULL) {
        assert_true(count < TEXT_ROOM - 1);
        assert_int_equal(1, read(run->out, outcome->out + count, 1));
        count++;
    }
}

static void a_hangup_applies_what_can_change_and_tells_what_cannot(void **state)
{
    static struct outcome outcome;
    struct run run;
    char *argv[] = {"prismguard-gateway", "--config", settings_path, NULL};

    (void)state;
    write_settings("gateway: { limits: { idle: 7s } }\n");
    run = run_until_ready(argv, &outcome);

    write_settings("gateway: { listen: 127.0.0.1:9999, limits: { idle: 8s } }\n");
    assert_int_equal(0, kill(run.child, SIGHUP));
    read_until(&run, &outcome, "applied 127.0.0.1:8080 8000\n");

    /* Refused by the file, then by the service; both are told by their first line, and neither ends it. */
    write_settings("log: {}\ngateway: { threads: two }\nnonsense: 1\n");
    assert_int_equal(0, kill(run.child, SIGHUP));
    assert_int_equal(0, kill(run.child, SIGTERM)); /* comes second: SIGHUP has the lower number */
    run_end(&run, &outcome);
    assert_exit(PROGRAM_OK, &outcome);
    assert_non_null(strstr(outcome.error, "\"event\":\"config_needs_restart\",\"settings\":\"gateway.listen\""));
    assert_non_null(strstr(outcome.error, "\"event\":\"config_reloaded\""));
    assert_non_null(strstr(outcome.error, "prismguard.yaml:2: gateway.threads: found 'two', allowed is auto or 1 to 64\""));
    assert_null(strstr(outcome.error, "nonsense"));
}

static void settings_that_the_service_cannot_use_are_told_and_closed(void **state)
{
    static struct outcome outcome;
    struct run run;
    char *argv[] = {"prismguard-gateway", "--config", settings_path, NULL};

    (void)state;
    write_settings("log: { level: info }\n");
    run = run_until_ready(argv, &outcome);
    write_settings("routes: [ { path: /a, upstream: 'http://a.test', moderation: none } ]\n");
    assert_int_equal(0, kill(run.child, SIGHUP));
    assert_int_equal(0, kill(run.child, SIGTERM));
    run_end(&run, &outcome);
    assert_exit(PROGRAM_OK, &outcome);
    assert_non_null(strstr(outcome.error, "\"event\":\"config_reload_failed\",\"status\":\"full\",\"error\":\""));
    assert_non_null(strstr(outcome.error, "prismguard.yaml:1: no room for routes\""));
    assert_null(strstr(outcome.error, "another line"));
}

/* The child never gets as far as its own end: it is told to wait a second time, and the default action takes it. */
static void a_second_signal_ends_it_at_once(void **state)
{
    static struct outcome outcome;
    int out[2];
    char byte;
    pid_t child;

    (void)state;
    assert_int_equal(0, pipe(out));
    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        char *argv[] = {"prismguard-gateway", "--config", "/dev/null", NULL};
        struct program *program = NULL;

        (void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        if (program_open(&program, &service, 3, argv) != PROGRAM_OK) {
            _exit(9);
        }
        (void)raise(SIGHUP); /* nobody reloads here: it is told and changes nothing */
        (void)!write(out[1], "1", 1);
        program_wait_for_end(program);
        (void)!write(out[1], "2", 1);
        for (;;) {
            (void)pause(); /* a drain that takes too long */
        }
    }
    assert_true(child > 0);
    (void)close(out[1]);
    assert_int_equal(1, read(out[0], &byte, 1));
    assert_int_equal(0, kill(child, SIGTERM));
    assert_int_equal(1, read(out[0], &byte, 1));
    assert_int_equal('2', byte);
    assert_int_equal(0, kill(child, SIGTERM));
    assert_int_equal(child, waitpid(child, &outcome.status, 0));
    assert_true(WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == SIGTERM);
    (void)close(out[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_version_and_settings_go_to_standard_output),
        cmocka_unit_test(a_wrong_command_line_is_told_and_ends_with_two),
        cmocka_unit_test(keys_are_made_once),
        cmocka_unit_test(health_needs_settings_and_somebody_who_answers),
        cmocka_unit_test(a_check_explains_good_settings_and_tells_bad_ones),
        cmocka_unit_test(a_memory_bound_above_its_limit_is_told_and_does_not_start),
        cmocka_unit_test(output_that_cannot_be_written_is_a_failure),
        cmocka_unit_test(a_signal_ends_it_in_order_and_is_logged),
        cmocka_unit_test(a_main_that_cannot_go_on_says_why_and_ends_with_one),
        cmocka_unit_test(a_hangup_applies_what_can_change_and_tells_what_cannot),
        cmocka_unit_test(settings_that_the_service_cannot_use_are_told_and_closed),
        cmocka_unit_test(a_second_signal_ends_it_at_once),
    };

    return cmocka_run_group_tests(tests, start, remove_folder);
}
