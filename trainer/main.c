/* main: the trainer: announces on this thread, leads and trains on others, and ends within five seconds when told to. */
#include "proto/admin.h"
#include "proto/limits.h"
#include "proto/log.h"
#include "proto/program.h"
#include "proto/wire.h"
#include "trainer/command.h"
#include "trainer/leader.h"
#include "trainer/memory_bound.h"
#include "trainer/priority.h"
#include "trainer/publish.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of the five seconds a supervisor grants, the last is for the log. */
enum { CLOSE_MS = 4000 };

struct service {
    struct metrics *metrics;
    struct wire_security *security; /* NULL = no CURVE */
    struct publish *publish;
    struct leader *leader;
    struct admin *admin;
};

static bool is_alive(void *context, const char **why)
{
    const struct service *service = context;

    *why = "the announcing loop does not turn";
    return publish_alive(service->publish);
}

static bool is_ready(void *context, const char **why)
{
    const struct service *service = context;

    return leader_ready(service->leader, why);
}

/* What is being done, for the one line about a failed start. */
struct attempt {
    const char *what;
    const char *where; /* follows it, or "" */
};

static int fail(const struct program *program, const struct attempt *attempt, enum status status)
{
    char what[PATH_BYTES_MAX + 64];

    (void)snprintf(what, sizeof what, "%s%s", attempt->what, attempt->where);
    return program_fail(program, what, status);
}

/* *what is the attempt that failed. */
static enum status open_service(struct service *service, const struct settings *settings, struct attempt *what)
{
    const struct admin_hooks hooks = {.alive = is_alive, .ready = is_ready, .context = service};
    enum status status;

    *what = (struct attempt){"set up ZeroMQ", ""};
    status = wire_start();
    if (status == STATUS_OK) {
        status = metrics_open(&service->metrics);
    }
    if (status == STATUS_OK) {
        *what = (struct attempt){"use the keys in ", settings->curve.dir};
        status = wire_security_start(&service->security, settings->curve.dir, WIRE_TRAINER, service->metrics);
    }
    if (status == STATUS_OK) {
        *what = (struct attempt){"announce models on ", settings->trainer.publish};
        status = publish_open(&service->publish, settings->trainer.publish, service->security, service->metrics);
    }
    if (status == STATUS_OK) {
        *what = (struct attempt){"start the leader", ""};
        status = leader_open(&service->leader, settings, service->metrics, service->publish);
    }
    if (status == STATUS_OK && settings->trainer.admin_listen[0] != '\0') {
        *what = (struct attempt){"listen for admins on ", settings->trainer.admin_listen};
        status = admin_open(&service->admin, settings->trainer.admin_listen, service->metrics, &hooks);
    }
    if (status == STATUS_OK) {
        log_event(LOG_INFO, "trainer_started", LOG_TEXT("publish", publish_endpoint(service->publish)),
                  LOG_NUMBER("admin_port", service->admin == NULL ? 0 : admin_port(service->admin)),
                  LOG_NUMBER("profiles", settings->profile_count));
    }
    return status;
}

/* Profiles and what their trainings ask for, and whom CURVE lets in. A training that runs ends as it began, or at
 * once when it is not wanted so any more. */
static enum status reload(void *context, struct settings **fresh, FILE *errors)
{
    struct service *service = context;

    if (service->security != NULL) {
        enum status status = wire_security_reload(service->security);

        if (status != STATUS_OK) {
            (void)fprintf(errors, "%s: curve.dir: the keys cannot be used: %s\n", (*fresh)->file, status_sentence(status));
            return status;
        }
    }
    leader_use_settings(service->leader, fresh);
    return STATUS_OK;
}

/* A training that is deep in its computing cannot be joined in time. What it made is not stored yet, so that nothing is lost
 * by leaving it: the process ends around it. */
static void close_service(struct service *service)
{
    admin_close(&service->admin);
    if (leader_close(&service->leader, CLOSE_MS) != STATUS_OK) {
        log_event(LOG_INFO, "training_abandoned", LOG_TEXT("reason", "it did not end in time"));
        log_close();
        _exit(PROGRAM_OK);
    }
    publish_close(&service->publish);
    wire_security_close(&service->security); /* its thread counts in the metrics */
    metrics_close(&service->metrics);
}

static const struct program_service trainer = {
    .name = "trainer",
    .purpose = "learns a local judge from labelled samples and publishes its versions; prismguard-trainer help lists "
               "what else it does",
    .memory = memory_bound_reckon,
};

int main(int argc, char **argv)
{
    struct service service = {0};
    struct program *program = NULL;
    struct attempt what = {"read the settings", ""};
    enum status status = STATUS_OK;
    int code;

    if (argc > 1 && strcmp(argv[1], "run") == 0) {
        argv[1] = argv[0];
        argv++;
        argc--;
    } else if (argc > 1 && argv[1][0] != '-') {
        return command_run(argc, argv, stdout, stderr);
    }
    priority_give_way_as_session();
    code = program_open(&program, &trainer, argc, argv);
    if (program == NULL) {
        return code;
    }
    if (program_settings(program)->database.url[0] == '\0') {
        what = (struct attempt){"train without database.url", ""};
        status = STATUS_NOT_FOUND;
    }
    if (status == STATUS_OK) {
        status = open_service(&service, program_settings(program), &what);
    }
    code = PROGRAM_OK;
    if (status != STATUS_OK) {
        code = fail(program, &what, status);
    } else {
        memory_bound_export(program_memory(program), service.metrics);
        program_on_reload(program, reload, service.metrics, &service);
        do {
            publish_run(service.publish, program_signal_fd(program));
        } while (!leader_failed(service.leader) && !program_heard(program));
        if (leader_failed(service.leader)) {
            code = program_fail(program, "use this database: its schema is newer than this program", STATUS_UNSUPPORTED);
        }
    }
    close_service(&service);
    program_close(&program);
    return code;
}
