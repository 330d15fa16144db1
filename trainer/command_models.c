/* command_models: the versions of a profile's model, listed, chosen and judged anew. */
#include "trainer/command.h"

#include "proto/json.h"
#include "proto/limits.h"
#include "proto/program.h"
#include "trainer/band.h"
#include "trainer/holdout.h"
#include "trainer/progress.h"
#include "trainer/sample.h"
#include "trainer/store_versions.h"

#include <inttypes.h>
#include <math.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 4 * FIGURES_BYTES_MAX };

static void write_string(struct json_writer *writer, const char *key, struct bytes value)
{
    json_write_key(writer, key);
    json_write_string(writer, value);
}

static enum status put_line(const struct command *command, struct json_writer *writer, struct buffer *line)
{
    enum status status = writer->status == STATUS_OK ? buffer_append(line, BYTES("\n")) : writer->status;

    if (status == STATUS_OK && fwrite(line->data, 1, line->count, command->out) != line->count) {
        status = STATUS_IO;
    }
    return status;
}

static enum status print_json(const struct command *command, const struct store_version *version,
                              const struct store_retreat *retreat)
{
    struct buffer line;
    struct json_writer writer;
    enum status status;

    buffer_init(&line, LINE_BYTES_MAX);
    json_writer_init(&writer, &line);
    json_write_object_begin(&writer);
    json_write_integer_member(&writer, "version", version->version);
    write_string(&writer, "status", version->status);
    json_write_key(&writer, "pinned");
    json_write_bool(&writer, version->pinned);
    write_string(&writer, "kind", version->kind);
    write_string(&writer, "reason", version->reason);
    json_write_integer_member(&writer, "made_at_us", version->made_at_us);
    json_write_integer_member(&writer, "live_at_us", version->live_at_us);
    json_write_integer_member(&writer, "epoch", version->epoch);
    json_write_integer_member(&writer, "file_bytes", version->file_bytes);
    json_write_key(&writer, "figures");
    json_write_raw(&writer, version->figures);
    json_write_key(&writer, "trial");
    json_write_raw(&writer, version->trial.count == 0 ? BYTES("null") : version->trial);
    if (retreat != NULL) {
        json_write_integer_member(&writer, "rolled_back", retreat->gone_version);
        json_write_key(&writer, "was_on_trial");
        json_write_bool(&writer, retreat->was_on_trial);
    }
    json_write_object_end(&writer);
    status = put_line(command, &writer, &line);
    buffer_free(&line);
    return status;
}

/* A figure of the JSON object, "-" where it has none. */
static void print_figure(const struct command *command, const struct json *figures, const char *key)
{
    const struct json_token *value = json_member(figures, &figures->tokens[0], key);
    struct bytes text = value == NULL || value->type != JSON_NUMBER ? BYTES("-") : json_span(figures, value);

    (void)fprintf(command->out, "  %-9.*s", (int)(text.count > 7 ? 7 : text.count), text.data);
}

/* Of a rate as trainer/trial writes it: "0.93 (0.90-0.95)", "-" where it is unknown. */
static void print_rate(const struct command *command, const struct json *trial, const char *key)
{
    static const char *const names[] = {"value", "low", "high"};
    const struct json_token *rate = trial->token_count == 0 ? NULL : json_member(trial, &trial->tokens[0], key);
    struct bytes parts[3];
    char text[32] = "-";

    for (size_t index = 0; index < 3; index++) {
        const struct json_token *part = rate == NULL ? NULL : json_member(trial, rate, names[index]);

        if (part == NULL || part->type != JSON_NUMBER) {
            rate = NULL;
        } else {
            parts[index] = bytes_first(json_span(trial, part), 4);
        }
    }
    if (rate != NULL) {
        (void)snprintf(text, sizeof text, "%.*s (%.*s-%.*s)", (int)parts[0].count, parts[0].data, (int)parts[1].count,
                       parts[1].data, (int)parts[2].count, parts[2].data);
    }
    (void)fprintf(command->out, "  %-16s", text);
}

static struct bytes trial_number(const struct json *trial, const char *key)
{
    const struct json_token *value = trial->token_count == 0 ? NULL : json_member(trial, &trial->tokens[0], key);

    return value == NULL || value->type != JSON_NUMBER ? BYTES("0") : json_span(trial, value);
}

/* What the line ends with: why it is what it is. */
static void print_standing(const struct command *command, const struct store_version *version, const struct json *trial)
{
    struct bytes labels = trial_number(trial, "labels");
    struct bytes wanted = trial_number(trial, "labels_wanted");

    if (bytes_equal(version->status, BYTES("canary")) && trial->token_count == 0) {
        (void)fputs("  on trial, not looked at yet", command->out);
    } else if (bytes_equal(version->status, BYTES("canary"))) {
        (void)fprintf(command->out, "  on trial: %.*s of %.*s labels", (int)labels.count, labels.data, (int)wanted.count,
                      wanted.data);
    }
    (void)fprintf(command->out, "%s%.*s\n", version->pinned ? "  pinned" : "  ", (int)version->reason.count,
                  version->reason.data);
}

/* "name value" for each of the names, as JSON has it, but for what is unknown (null). */
static void print_members(const struct command *command, const struct json *figures, const struct json_token *object,
                          const char *const *names, const char *before, const char *behind)
{
    for (; *names != NULL; names++) {
        const struct json_token *value = json_member(figures, object, *names);
        struct bytes text = value == NULL ? BYTES("") : json_span(figures, value);

        if (text.count > 0 && value->type != JSON_NULL) {
            (void)fprintf(command->out, "%s%s %.*s%s", before, *names, (int)text.count, text.data, behind);
        }
    }
}

/* Behind the line of a version: what trainer/training knows of it, on the whole and by script and length. */
static void print_all(const struct command *command, const struct json *figures)
{
    static const char *const whole[] = {"held_out", "left_out", "effective", "pass", "violation", "violation_share", "pr_auc",
                                        "f1", "calibration_error", "live_auc", "changed_at_us", "storage", NULL};
    static const char *const parts[] = {"rows", "violations", "auc", "live_auc", "error", NULL};
    const struct json_token *bands = json_member(figures, &figures->tokens[0], "bands");

    print_members(command, figures, &figures->tokens[0], whole, "         ", "\n");
    for (int band = 0; band < BANDS && bands != NULL; band++) {
        const struct json_token *found = json_member(figures, bands, band_name((enum band)band));

        if (found != NULL) {
            (void)fprintf(command->out, "         %s:", band_name((enum band)band));
            print_members(command, figures, found, parts, " ", "");
            (void)fputs("\n", command->out);
        }
    }
}

/* What on_version is called with. */
struct listing {
    const struct command *command;
    const struct store_retreat *retreat; /* the version is what it left; NULL = no rollback */
    bool wants_head;                     /* before the first version: no head stands over nothing */
};

static void print_head(struct listing *listing)
{
    if (listing->wants_head) {
        listing->wants_head = false;
        (void)fputs("version  status     kind        made                  rows       auc        decided    agreement  "
                    "precision         recall\n",
                    listing->command->out);
    }
}

static enum status on_version(void *context, const struct store_version *version)
{
    struct listing *listing = context;
    const struct command *command = listing->command;
    struct json figures;
    struct json trial;
    char when[COMMAND_TIME_BYTES];
    enum status status;

    if (command->options[COMMAND_JSON] != NULL) {
        return print_json(command, version, listing->retreat);
    }
    command_write_time(when, version->made_at_us);
    json_init(&figures);
    json_init(&trial);
    status = json_read(&figures, version->figures, JSON_LAST_DUPLICATE_WINS);
    if (status == STATUS_OK && version->trial.count > 0) {
        status = json_read(&trial, version->trial, JSON_LAST_DUPLICATE_WINS);
    }
    if (status == STATUS_OK) {
        print_head(listing);
        (void)fprintf(command->out, "%7" PRId64 "  %-9.*s  %-10.*s  %s", version->version, (int)version->status.count,
                      version->status.data, (int)version->kind.count, version->kind.data, when);
        print_figure(command, &figures, "rows");
        print_figure(command, &figures, "auc");
        print_figure(command, &figures, "decided");
        print_figure(command, &figures, "agreement");
        print_rate(command, &trial, "precision");
        print_rate(command, &trial, "recall");
        print_standing(command, version, &trial);
        if (command->options[COMMAND_VERSION] != NULL) {
            print_all(command, &figures);
        }
    }
    json_free(&figures);
    json_free(&trial);
    return status;
}

/* False: it was told. 0 where none is given. */
static bool read_version(const struct command *command, const char *given, int64_t *out)
{
    unsigned long long number = 0;
    int ignored;

    if (given != NULL && (bytes_number(bytes_of(given), INT64_MAX, &number) != STATUS_OK || number == 0)) {
        ignored = command_misused(command, "a version is a number from 1 on", given);
        (void)ignored;
        return false;
    }
    *out = (int64_t)number;
    return true;
}

static int no_version(const struct command *command, enum status status)
{
    if (status == STATUS_NOT_FOUND) {
        return command_fail(command, command->arguments[0], "it has no such version");
    }
    if (status == STATUS_CONFLICT) {
        return command_fail(command, command->arguments[0], "it is pinned; unpin it first");
    }
    return command_fail_store(command, "cannot use the versions", status);
}

int command_models(struct command *command)
{
    struct listing listing = {.command = command, .wants_head = true};
    const struct store_version_reader reader = {on_version, &listing};
    int64_t profile_id, version;
    enum status status;

    if (!read_version(command, command->options[COMMAND_VERSION], &version)) {
        return PROGRAM_USAGE;
    }
    if (!command_profile(command, false, &profile_id)) {
        return PROGRAM_FAILED;
    }
    status = version == 0 ? store_list_versions(command->store, profile_id, &reader)
                          : store_show_version(command->store, profile_id, version, &reader);
    return status == STATUS_OK ? PROGRAM_OK : no_version(command, status);
}

/* The version that is live now, as `models` would show it. */
static int show_live(const struct command *command, int64_t profile_id, const struct store_retreat *retreat)
{
    struct listing listing = {.command = command, .retreat = retreat};
    const struct store_version_reader reader = {on_version, &listing};
    enum status status = store_show_version(command->store, profile_id, 0, &reader);

    return status == STATUS_OK ? PROGRAM_OK : no_version(command, status);
}

/* PROGRAM_OK, or it was told: what no moderator takes would be live for nobody. */
static int check_usable(const struct command *command, int64_t profile_id, int64_t version)
{
    struct model *model = NULL;
    struct buffer file;
    enum status status;

    buffer_init(&file, MODEL_FILE_BYTES_MAX);
    status = store_read_version(command->store, profile_id, version, &file);
    if (status != STATUS_OK) {
        buffer_free(&file);
        return no_version(command, status);
    }
    status = model_open(&model, buffer_view(&file));
    model_close(&model);
    buffer_free(&file);
    if (status != STATUS_OK) {
        return command_fail(command, "no moderator of this release can use the version", status_sentence(status));
    }
    return PROGRAM_OK;
}

static int choose(struct command *command, enum status (*how)(struct store *store, int64_t profile_id, int64_t version))
{
    int64_t profile_id, version;
    enum status status;
    int code;

    if (!read_version(command, command->arguments[1], &version)) {
        return PROGRAM_USAGE;
    }
    if (!command_profile(command, false, &profile_id)) {
        return PROGRAM_FAILED;
    }
    code = check_usable(command, profile_id, version);
    if (code != PROGRAM_OK) {
        return code;
    }
    status = how(command->store, profile_id, version);
    return status == STATUS_OK ? show_live(command, profile_id, NULL) : no_version(command, status);
}

int command_publish(struct command *command)
{
    return choose(command, store_publish_version);
}

int command_pin(struct command *command)
{
    return choose(command, store_pin);
}

int command_rollback(struct command *command)
{
    struct store_retreat retreat;
    int64_t profile_id;
    enum status status;

    if (!command_profile(command, false, &profile_id)) {
        return PROGRAM_FAILED;
    }
    status = store_rollback(command->store, profile_id, &retreat);
    if (status == STATUS_NOT_FOUND) {
        return command_fail(command, command->arguments[0], "it has no version that was live before");
    }
    if (status == STATUS_OK && retreat.was_on_trial && command->options[COMMAND_JSON] == NULL) {
        (void)fprintf(command->out, "%s: the trial of version %" PRId64 " is over; what is live stays\n", command->arguments[0],
                      retreat.gone_version);
    }
    return status == STATUS_OK ? show_live(command, profile_id, &retreat) : no_version(command, status);
}

int command_unpin(struct command *command)
{
    int64_t profile_id;
    enum status status;

    if (!command_profile(command, false, &profile_id)) {
        return PROGRAM_FAILED;
    }
    status = store_unpin(command->store, profile_id);
    if (status == STATUS_NOT_FOUND) {
        (void)fprintf(command->errors, "prismguard-trainer unpin: %s: it was not pinned\n", command->arguments[0]);
        return COMMAND_REFUSED;
    }
    return status == STATUS_OK ? show_live(command, profile_id, NULL) : no_version(command, status);
}

/* The rows that no training sees, gathered from a draw as a training makes it. */
struct gathering {
    struct holdout *holdout;
    struct holdout_cuts cuts;
    struct progress progress;
    int64_t seen;
    int64_t wanted;
};

static enum status take_held_out(void *context, const struct sample *sample)
{
    struct gathering *gathering = context;

    gathering->seen++;
    progress_tell(&gathering->progress, (double)gathering->seen / (double)(gathering->wanted + 1), gathering->seen, "rows");
    if (!holdout_takes(&gathering->cuts, sample->label, sample->made_us, sample->hash)) {
        return STATUS_OK;
    }
    return holdout_add(gathering->holdout, sample->text, sample->label, sample->stands_for, sample->made_us);
}

static enum status gather(const struct command *command, int64_t profile_id, struct gathering *gathering)
{
    const struct sample_request request = {
        .profile_id = profile_id,
        .sampling = command->profile->training.sampling,
        .rows_max = (int64_t)command->profile->training.max_samples,
        .bytes_max = TRAIN_BYTES_MAX,
        .seed = secret_random_u64(),
    };
    const struct sample_taker taker = {take_held_out, gathering};
    struct sample_figures sampled[SAMPLE_LABELS];
    enum status status = sample_measure(command->store, &request, sampled);

    if (status == STATUS_OK) {
        status = holdout_find_cuts(command->store, profile_id, sampled, &gathering->cuts);
    }
    if (status == STATUS_OK) {
        gathering->wanted = sampled[0].wanted + sampled[1].wanted;
        progress_begin(&gathering->progress, command->errors, isatty(fileno(command->errors)) == 1, "evaluate");
        status = sample_draw(command->store, &request, sampled, &taker);
        progress_end(&gathering->progress);
    }
    return status;
}

static enum status report(const struct command *command, int64_t version, const struct evaluate_figures *figures)
{
    struct buffer line;
    struct json_writer writer;
    enum status status;

    if (command->options[COMMAND_JSON] == NULL) {
        (void)fprintf(command->out, "%s: version %" PRId64 " on %zu held-out rows, of them %zu violations\n",
                      command->profile->name, version, figures->count, figures->violations);
        (void)fprintf(command->out, "  effective  %.0f rows of equal weight\n", figures->effective);
        (void)fprintf(command->out, "  ROC-AUC    %.4f\n  PR-AUC     %.4f\n  F1         %.4f\n", figures->auc, figures->pr_auc,
                      figures->f1);
        command_tell_decided(command, figures->decided, figures->agreement);
        (void)fprintf(command->out, "  calibration error %.4f\n", figures->calibration_error);
        return STATUS_OK;
    }
    buffer_init(&line, LINE_BYTES_MAX);
    json_writer_init(&writer, &line);
    json_write_object_begin(&writer);
    write_string(&writer, "profile", bytes_of(command->profile->name));
    json_write_integer_member(&writer, "version", version);
    json_write_integer_member(&writer, "rows", (int64_t)figures->count);
    json_write_integer_member(&writer, "violations", (int64_t)figures->violations);
    json_write_real_member(&writer, "effective", figures->effective);
    json_write_real_member(&writer, "auc", figures->auc);
    json_write_real_member(&writer, "pr_auc", figures->pr_auc);
    json_write_real_member(&writer, "f1", figures->f1);
    json_write_real_member(&writer, "decided", figures->decided);
    json_write_real_member(&writer, "agreement", figures->agreement);
    json_write_real_member(&writer, "calibration_error", figures->calibration_error);
    json_write_object_end(&writer);
    status = put_line(command, &writer, &line);
    buffer_free(&line);
    return status;
}

static enum status judge(const struct command *command, int64_t profile_id, struct bytes file, struct evaluate_figures *out)
{
    struct gathering gathering = {.holdout = NULL};
    struct model *model = NULL;
    enum status status = model_open(&model, file);

    if (status == STATUS_OK) {
        status = holdout_open(&gathering.holdout);
    }
    if (status == STATUS_OK) {
        status = gather(command, profile_id, &gathering);
    }
    if (status == STATUS_OK) {
        status = holdout_judge(gathering.holdout, model, command->profile->low, command->profile->high, NULL, NULL, out);
    }
    holdout_close(&gathering.holdout);
    model_close(&model);
    return status;
}

int command_evaluate(struct command *command)
{
    struct evaluate_figures figures;
    struct buffer file;
    int64_t profile_id, version;
    enum status status;

    if (!read_version(command, command->options[COMMAND_VERSION], &version)) {
        return PROGRAM_USAGE;
    }
    if (!command_profile(command, false, &profile_id)) {
        return PROGRAM_FAILED;
    }
    buffer_init(&file, MODEL_FILE_BYTES_MAX);
    status = version == 0 ? store_live_model(command->store, profile_id, &file, &version)
                          : store_read_version(command->store, profile_id, version, &file);
    if (status != STATUS_OK) {
        buffer_free(&file);
        return status == STATUS_NOT_FOUND && version == 0
                   ? command_fail(command, command->arguments[0], "no version of it is live yet; --version N judges another")
                   : no_version(command, status);
    }
    status = judge(command, profile_id, buffer_view(&file), &figures);
    buffer_free(&file);
    if (status == STATUS_OK) {
        status = report(command, version, &figures);
    }
    if (status == STATUS_TOO_FEW) {
        return command_fail(command, command->profile->name, "there are too few samples of a label to judge it by");
    }
    return status == STATUS_OK ? PROGRAM_OK : command_fail_store(command, "cannot judge the version", status);
}
