/* program: command line, settings, sandbox, log and the wait for the end, the same for all three services. */
#include "proto/program.h"

#include "proto/allocator.h"
#include "proto/health.h"
#include "proto/keys.h"
#include "proto/log.h"
#include "proto/program_reload.h"
#include "proto/sandbox.h"
#include "proto/secret.h"

#include <assert.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct program {
    const char *service;
    struct settings *settings;
    struct memory_bound memory;
    int signals; /* signalfd of SIGTERM, SIGINT and SIGHUP */
    bool logging;
    struct program_reload reload;
    struct allocator allocator;
};

enum action { RUN, CHECK, HEALTH, READY, MAKE_KEYS, PRINT_SETTINGS, PRINT_VERSION, PRINT_HELP };

struct command {
    enum action action;
    const char *file; /* or folder */
};

static void print_help(const char *service, const char *purpose, FILE *out)
{
    (void)fprintf(out,
                  "usage: prismguard-%s --config FILE\n\n%s\n\n"
                  "  --config FILE   run with the settings of FILE (prismguard.yaml, one file for all services)\n"
                  "  --check FILE    check FILE, say what it means in words, and end\n"
                  "  --health FILE   ask the one that runs with FILE, on its admin port, whether it is alive\n"
                  "  --ready FILE    ask it whether it can do its work, and why not\n"
                  "  --make-keys DIR make the keys of all services and the database's password in DIR, where they are missing\n"
                  "  --settings      print the table of all settings, as Markdown\n"
                  "  --version       print the version\n"
                  "  --help          print this text\n\n"
                  "Every setting can be overridden from the environment by its path: PRISMGUARD_GATEWAY_LISTEN.\n"
                  "SIGHUP reads the settings, keys and keywords anew; SIGTERM ends it in order.\n"
                  "Exit status: 0 ended as asked (alive, ready), 1 failed (not so), 2 wrong command line.\n",
                  service, purpose);
}

/* Fills in what is asked for. False: it was said on standard error what is wrong. */
static bool read_command(struct command *command, const char *service, int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, RUN},       {"check", required_argument, NULL, CHECK},
        {"health", required_argument, NULL, HEALTH},    {"ready", required_argument, NULL, READY},
        {"settings", no_argument, NULL, PRINT_SETTINGS}, {"make-keys", required_argument, NULL, MAKE_KEYS},
        {"version", no_argument, NULL, PRINT_VERSION},   {"help", no_argument, NULL, PRINT_HELP},
        {NULL, 0, NULL, 0},
    };
    bool found = false;
    int option;

    optind = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?') { /* getopt has said what is wrong */
            return false;
        }
        if (found) {
            (void)fprintf(stderr,
                          "prismguard-%s: one of --config, --check, --health, --ready, --make-keys, --settings, --version, "
                          "--help\n",
                          service);
            return false;
        }
        found = true;
        *command = (struct command){(enum action)option, optarg};
    }
    if (optind < argc) {
        (void)fprintf(stderr, "prismguard-%s: '%s' is not understood\n", service, argv[optind]);
        return false;
    }
    if (!found) {
        (void)fprintf(stderr, "prismguard-%s: --config FILE is needed\n", service);
    }
    return found;
}

/* Whether what the process may come to hold fits; a service that is not bound by it is only warned. */
static enum status check_memory(const struct program_service *service, const struct settings *settings, struct memory_bound *out)
{
    enum status status;

    if (service->memory == NULL) {
        return STATUS_OK;
    }
    service->memory(settings, out);
    status = memory_bound_check(out, stderr);
    return service->memory_binds ? status : STATUS_OK;
}

static int check(const struct program_service *service, const char *file)
{
    struct memory_bound memory = {0};
    struct settings *settings = NULL;
    enum status read = secret_start(); /* a service's check may read files of keys */
    enum status fits = STATUS_OK;

    if (read != STATUS_OK) {
        (void)fprintf(stderr, "prismguard-%s: cannot find randomness: %s\n", service->name, status_sentence(read));
        return PROGRAM_FAILED;
    }
    read = settings_report(file, stdout, stderr, &settings);
    if (settings != NULL) {
        fits = check_memory(service, settings, &memory);
    }
    /* Only of settings that hold: a file that is missing was told above. */
    if (read == STATUS_OK && service->check != NULL && service->check(settings, stderr) != STATUS_OK) {
        fits = STATUS_MALFORMED;
    }
    if (memory.count > 0) {
        memory_bound_explain(&memory, stdout);
    }
    settings_close(&settings);
    return read == STATUS_OK && fits == STATUS_OK ? PROGRAM_OK : PROGRAM_FAILED;
}

/* What it answers is said on standard output, and on standard error why it did not. */
static int ask(const char *service, const char *file, const char *path)
{
    struct settings *settings = NULL;
    const char *listen;
    enum status status;

    if (settings_open(&settings, file, stderr) != STATUS_OK) {
        return PROGRAM_FAILED;
    }
    listen = health_listener(settings, service);
    if (listen[0] == '\0') {
        (void)fprintf(stderr,
                      "prismguard-%s: nobody can be asked: %s.admin_listen is off in %s; give it an address (127.0.0.1:9091) and "
                      "start the %s anew\n",
                      service, service, file, service);
        settings_close(&settings);
        return PROGRAM_FAILED;
    }
    status = health_ask(listen, path, stdout);
    if (status != STATUS_OK && status != STATUS_AGAIN) {
        (void)fprintf(stderr, "prismguard-%s: cannot ask %s.admin_listen ('%s'): %s\n", service, service, listen,
                      status_sentence(status));
    }
    settings_close(&settings);
    return status == STATUS_OK ? PROGRAM_OK : PROGRAM_FAILED;
}

static int make_keys(const char *service, const char *dir)
{
    enum status status = secret_start();

    if (status == STATUS_OK) {
        status = keys_make(dir, stdout);
    }
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "prismguard-%s: cannot make keys in %s: %s\n", service, dir, status_sentence(status));
        return PROGRAM_FAILED;
    }
    return PROGRAM_OK;
}

/* The signals wait in a descriptor; every thread made later inherits the mask. */
static bool hold_signals(struct program *program)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) {
        return false;
    }
    program->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return program->signals >= 0;
}

/* `what` and why, before there is a log. */
static int refuse(struct program **program, const char *what, enum status status)
{
    (void)fprintf(stderr, "prismguard-%s: cannot %s: %s\n", (*program)->service, what, status_sentence(status));
    program_close(program);
    return PROGRAM_FAILED;
}

/* Told with every start, so that a container's limit can be set by it. */
static void tell_memory(const struct memory_bound *memory)
{
    if (memory->count > 0) {
        log_event(memory_bound_bytes(memory) > memory->limit_bytes ? LOG_WARN : LOG_INFO, "memory_bound",
                  LOG_NUMBER("bound_bytes", memory_bound_bytes(memory)),
                  LOG_NUMBER("limit_bytes", memory->limit_bytes == MEMORY_UNLIMITED ? 0 : memory->limit_bytes),
                  LOG_TEXT("limit", memory->limit_setting == NULL ? "container" : memory->limit_setting));
    }
}

static int start(struct program **out, const struct program_service *service, const char *file)
{
    struct program *program = calloc(1, sizeof *program);
    enum status status, filtered;

    if (program == NULL) {
        (void)fprintf(stderr, "prismguard-%s: out of memory\n", service->name);
        return PROGRAM_FAILED;
    }
    program->service = service->name;
    program->reload.service = service->name;
    program->signals = -1;
    program->allocator.statm = -1;
    if (settings_open(&program->settings, file, stderr) != STATUS_OK ||
        check_memory(service, program->settings, &program->memory) != STATUS_OK) {
        program_close(&program);
        return PROGRAM_FAILED;
    }
    allocator_hold_little();
    allocator_open(&program->allocator);
    status = secret_start();
    if (status != STATUS_OK) {
        return refuse(&program, "find randomness", status);
    }
    filtered = sandbox_enter();
    if (filtered != STATUS_OK && filtered != STATUS_UNAVAILABLE) {
        return refuse(&program, "give up privileges", filtered);
    }
    if (!hold_signals(program)) {
        return refuse(&program, "take signals", STATUS_IO);
    }
    status = log_open(service->name, &program->settings->log);
    if (status != STATUS_OK) {
        return refuse(&program, "start the log", status);
    }
    program->logging = true;
    log_event(LOG_INFO, "started", LOG_TEXT("version", PRISMGUARD_VERSION), LOG_NUMBER("pid", getpid()),
              LOG_TEXT("config", file), LOG_TEXT("digest", program->settings->digest));
    if (filtered == STATUS_UNAVAILABLE) {
        log_event(LOG_WARN, "sandbox_unavailable", LOG_TEXT("what", "this kernel filters no system calls"));
    }
    if (program->settings->strange_variables[0] != '\0') {
        log_event(LOG_WARN, "environment_unknown", LOG_TEXT("variables", program->settings->strange_variables));
    }
    tell_memory(&program->memory);
    *out = program;
    return PROGRAM_OK;
}

int program_open(struct program **out, const struct program_service *service, int argc, char **argv)
{
    struct command command = {PRINT_HELP, NULL};
    int code = PROGRAM_OK;

    assert(out != NULL && service != NULL);
    if (!read_command(&command, service->name, argc, argv)) {
        (void)fprintf(stderr, "prismguard-%s --help says more\n", service->name);
        return PROGRAM_USAGE;
    }
    switch (command.action) {
    case RUN:
        return start(out, service, command.file);
    case CHECK:
        code = check(service, command.file);
        break;
    case HEALTH:
        code = ask(service->name, command.file, "/healthz");
        break;
    case READY:
        code = ask(service->name, command.file, "/readyz");
        break;
    case MAKE_KEYS:
        code = make_keys(service->name, command.file);
        break;
    case PRINT_SETTINGS:
        settings_print_table(stdout);
        break;
    case PRINT_VERSION:
        (void)printf("prismguard-%s %s\n", service->name, PRISMGUARD_VERSION);
        break;
    case PRINT_HELP:
        print_help(service->name, service->purpose, stdout);
        break;
    }
    /* A check whose words went nowhere has not been made. */
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        (void)fprintf(stderr, "prismguard-%s: standard output cannot be written\n", service->name);
        return PROGRAM_FAILED;
    }
    return code;
}

const struct settings *program_settings(const struct program *program)
{
    return program->settings;
}

const struct memory_bound *program_memory(const struct program *program)
{
    return &program->memory;
}

void program_on_reload(struct program *program, enum status (*apply)(void *context, struct settings **fresh, FILE *errors),
                       struct metrics *metrics, void *context)
{
    program->reload = (struct program_reload){
        .service = program->service, .started = program->settings, .apply = apply, .metrics = metrics, .context = context};
    program_reload_show(&program->reload);
}

bool program_heard(struct program *program)
{
    struct signalfd_siginfo which;
    sigset_t set;

    if (read(program->signals, &which, sizeof which) != (ssize_t)sizeof which) {
        return false;
    }
    if (which.ssi_signo == SIGHUP) {
        program_reload(&program->reload);
        return false;
    }
    log_event(LOG_INFO, "ending", LOG_TEXT("signal", which.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT"));
    /* The next one ends the process at once. */
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return true;
}

void program_wait_for_end(struct program *program)
{
    struct pollfd waiting = {.fd = program->signals, .events = POLLIN};

    do {
        while (poll(&waiting, 1, ALLOCATOR_LOOK_MS) == 0) {
            allocator_look(&program->allocator);
        }
    } while (!program_heard(program));
}

int program_signal_fd(const struct program *program)
{
    return program->signals;
}

int program_fail(const struct program *program, const char *what, enum status status)
{
    log_event(LOG_ERROR, "failed", LOG_TEXT("what", what), LOG_STATUS("status", status));
    (void)fprintf(stderr, "prismguard-%s: cannot %s: %s\n", program->service, what, status_sentence(status));
    return PROGRAM_FAILED;
}

void program_close(struct program **program)
{
    struct program *closing = *program;

    if (closing == NULL) {
        return;
    }
    if (closing->logging) {
        log_event(LOG_INFO, "ended", LOG_NUMBER("pid", getpid()));
        log_close();
    }
    if (closing->signals >= 0) {
        (void)close(closing->signals);
    }
    allocator_close(&closing->allocator);
    settings_close(&closing->settings);
    free(closing);
    *program = NULL;
}
