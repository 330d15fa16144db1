/* settings_explain: a configuration in plain sentences, and the table of settings in Markdown. */
#include "proto/settings.h"

#include "proto/settings_table.h"

#include <assert.h>
#include <string.h>

static void print_time(FILE *out, uint64_t time_ms)
{
    char room[32];
    struct buffer text = {.data = room, .room = sizeof room, .max = sizeof room};
    enum status status = setting_number(SETTING_TIME, time_ms, &text);

    assert(status == STATUS_OK); /* twenty digits and a unit */
    fprintf(out, "%.*s", (int)text.count, room);
}

static void explain_key(const struct key_settings *key, FILE *out)
{
    fprintf(out, "    %s: ", key->name);
    for (size_t index = 0; index < key->route_count; index++) {
        fprintf(out, "%s%s", index == 0 ? "" : ", ", key->routes[index]);
    }
    fprintf(out, "%s", key->route_count == 0 ? "all routes" : "");
    if (key->rate.count > 0) {
        fprintf(out, "; at most %llu in ", (unsigned long long)key->rate.count);
        print_time(out, key->rate.period_ms);
    }
    if (key->in_flight != SETTINGS_AUTO) {
        fprintf(out, "; at most %llu at once", (unsigned long long)key->in_flight);
    }
    fprintf(out, ".\n");
}

static void explain_keys(const struct settings *settings, FILE *out)
{
    fprintf(out, "  The gateway listens on %s: whoever can reach it may call it with one of these keys, and with none of them\n"
                 "  gets a 401.\n",
            settings->gateway.listen);
    for (size_t index = 0; index < settings->key_count; index++) {
        explain_key(&settings->keys[index], out);
    }
}

static void explain_callers(const struct settings *settings, FILE *out)
{
    const struct gateway_settings *gateway = &settings->gateway;

    fprintf(out, "Who may call\n");
    if (settings->key_count > 0) {
        explain_keys(settings, out);
    } else if (settings_is_loopback(gateway->listen)) {
        fprintf(out, "  The gateway listens on %s: programs on this machine may call it, without a key.\n", gateway->listen);
    } else {
        fprintf(out, "  The gateway listens on %s and is open: whoever can reach it may call it, without a key.\n",
                gateway->listen);
    }
    if (gateway->admin_listen[0] != '\0') {
        fprintf(out, "  Health and metrics are at %s%s.\n", gateway->admin_listen,
                settings_is_loopback(gateway->admin_listen) ? "" : ", for whoever can reach it");
    } else {
        fprintf(out, "  Health and metrics are off.\n");
    }
    if (gateway->debug_headers) {
        fprintf(out, "  WHOEVER CALLS LEARNS how he was judged, and may find a way around it (debug_headers).\n");
    }
}

static bool has_model(const struct profile_settings *profile)
{
    return profile->model_kind != MODEL_KIND_NONE;
}

static bool has_review(const struct profile_settings *profile)
{
    return profile->review.url[0] != '\0';
}

static void explain_url_config(const struct settings *settings, FILE *out)
{
    const struct gateway_settings *gateway = &settings->gateway;

    if (!gateway->url_config) {
        return;
    }
    fprintf(out, "  /{json}$URL and /!NAME$URL go where the URL says, with the caller's own credential, judged by profile %s\n"
                 "    and by the one that the URL names; it may name",
            gateway->url_config_floor);
    for (size_t index = 0; index < gateway->url_config_hosts.count; index++) {
        fprintf(out, "%s %s", index == 0 ? "" : ",", gateway->url_config_hosts.at[index]);
    }
    fprintf(out, ".\n");
}

static void explain_private(const struct private_hosts *hosts, FILE *out)
{
    if (settings_allows_private(hosts, BYTES(""))) {
        fprintf(out, "  Upstreams may be on this machine or in private networks.\n");
        return;
    }
    for (size_t index = 0; index < hosts->count; index++) {
        if (settings_allows_private(hosts, bytes_of(hosts->at[index]))) {
            fprintf(out, "  The upstream %s may be on this machine or in private networks.\n", hosts->at[index]);
        }
    }
}

static void explain_routes(const struct settings *settings, FILE *out)
{
    fprintf(out, "\nWhat is forwarded where\n");
    for (size_t index = 0; index < settings->route_count; index++) {
        const struct route_settings *route = &settings->routes[index];

        if (route->serve == SERVE_MODERATIONS) {
            fprintf(out, "  %s is OpenAI's moderation endpoint, answered by the gateway itself: judged by profile %s, forwarded "
                         "nowhere.\n",
                    route->path, route->moderation);
            continue;
        }
        fprintf(out, "  %s goes to %s, with %s%s; ", route->path, route->upstream,
                route->key_file[0] != '\0'  ? "the key in "
                : settings->key_count > 0 ? "what credential the caller sends beside its key"
                                          : "the caller's own credential",
                route->key_file);
        if (strcmp(route->moderation, "none") == 0) {
            fprintf(out, "NOT judged.\n");
        } else {
            fprintf(out, "judged by profile %s.\n", route->moderation);
        }
    }
    if (settings->route_count == 0) {
        fprintf(out, "  Nothing: there are no routes.\n");
    }
    explain_url_config(settings, out);
    explain_private(&settings->gateway.allow_private_upstreams, out);
}

/* "user, tool": those of the roles whose bits are set; the number of them. */
static size_t print_roles(unsigned bits, FILE *out)
{
    static const struct {
        unsigned role;
        const char *name;
    } roles[] = {{SCOPE_SYSTEM, "system"},
                 {SCOPE_USER, "user"},
                 {SCOPE_TOOL, "tool"},
                 {SCOPE_DOCUMENT, "document"},
                 {SCOPE_ASSISTANT, "assistant"},
                 {SCOPE_REASONING, "reasoning"},
                 {SCOPE_TOOL_DEF, "tool_def"},
                 {SCOPE_MEDIA_URL, "media_url"}};
    size_t count = 0;

    for (size_t index = 0; index < sizeof roles / sizeof roles[0]; index++) {
        if ((bits & roles[index].role) != 0) {
            fprintf(out, "%s%s", count == 0 ? "" : ", ", roles[index].name);
            count++;
        }
    }
    return count;
}

static void explain_scope(const struct profile_settings *profile, FILE *out)
{
    const char *answers;

    fprintf(out, "  Judged: the words of ");
    (void)print_roles(profile->scope_roles, out);
    fprintf(out, "; content of a shape we do not know: %s.\n",
            profile->unknown == UNKNOWN_SCAN ? "every string in it is judged too" : "the request is refused");
    if (profile->scope_since == SINCE_LAST_ASSISTANT) {
        fprintf(out, "  Judged: of the turns ONLY those after the assistant's last one. Who writes the request writes that one:\n"
                     "    a forged one hides all that stands before it, but for the system's words.\n");
    }
    answers = profile->responses ? "what the upstream answers as a stream" : "what the upstream answers";
    fprintf(out, "  NOT judged: ");
    if (print_roles(~profile->scope_roles, out) > 0) {
        fprintf(out, " (their words); ");
    }
    if (profile->images == IMAGES_ALLOW) {
        fprintf(out, "images, audio and files that are no text; %s.\n", answers);
    } else {
        fprintf(out, "%s. Refused: images, audio and files that are no text.\n", answers);
    }
    if (profile->responses) {
        fprintf(out, "  Judged before it is released: what the upstream answers, held whole until then. One that cannot be\n"
                     "    read, or has more text than moderated_text, is a 502; an error of the upstream's passes. STREAMED\n"
                     "    ANSWERS ARE RELAYED UNJUDGED, and counted: whoever asks for a stream gets one.\n");
    }
}

static void explain_blocks(const struct profile_settings *profile, FILE *out)
{
    for (size_t index = 0; index < profile->keyword_file_count; index++) {
        fprintf(out, "  Blocks: a keyword of %s.\n", profile->keyword_files[index]);
    }
    if (has_model(profile)) {
        fprintf(out, "  Blocks: a model's score above %g; below %g passes; between them the model is unsure.\n", profile->high,
                profile->low);
    }
    if (has_review(profile)) {
        /* Without its query: some put a key there. */
        fprintf(out, "  Asks %.*s what the model is unsure of (all, as long as there is no model), and %g %% of all texts;\n"
                     "    at most %llu at once for each moderator; when all are busy: %s.\n",
                (int)strcspn(profile->review.url, "?"), profile->review.url, 100 * profile->review.sample_rate,
                (unsigned long long)profile->review.concurrency,
                profile->review.when_full == WHEN_FULL_BLOCK ? "blocked" : "undecided");
    }
    if (profile->keyword_file_count == 0 && !has_model(profile) && !has_review(profile) &&
        profile->undecided != UNDECIDED_BLOCK) {
        fprintf(out, "  Nothing ever blocks: there are no keywords, no model and no review.\n");
    }
}

static void explain_undecided(const struct profile_settings *profile, FILE *out)
{
    const char *what = has_review(profile) ? "Undecided (unsure, and the reviewer is busy or gives no answer)"
                                           : "Undecided (unsure, and no review is configured)";

    switch (profile->undecided) {
    case UNDECIDED_BLOCK:
        fprintf(out, "  %s: blocked.\n", what);
        break;
    case UNDECIDED_ALLOW:
        fprintf(out, "  %s: allowed, and counted.\n", what);
        break;
    case UNDECIDED_MODEL:
        fprintf(out, "  %s: ", what);
        if (has_model(profile)) {
            fprintf(out, "blocked from %g up, the middle between low and high, else allowed.\n"
                         "    As long as no model has been trained: ALLOWED, and counted.\n",
                    (profile->low + profile->high) / 2);
        } else {
            fprintf(out, "ALLOWED, and counted, as there is no model (model.kind: none).\n");
        }
        break;
    }
}

static void explain_trial(const struct training_settings *training, FILE *out)
{
    if (training->canary > 0) {
        fprintf(out,
                "    A new model makes %g %% of the decisions until %llu labels of texts drawn at random show that it is\n"
                "    no worse; without them after ",
                100 * training->canary, (unsigned long long)training->canary_labels);
        print_time(out, training->canary_time_ms);
        fprintf(out, " it is set aside.\n");
    }
}

static void explain_samples(const struct settings *settings, const struct profile_settings *profile, FILE *out)
{
    if (profile->store == STORE_OFF || settings->database.url[0] == '\0') {
        fprintf(out, "  Samples: none are kept (%s); no model is trained from this profile.\n",
                profile->store == STORE_OFF ? "store: off" : "there is no database.url");
        return;
    }
    fprintf(out, "  Samples: %s in the database, from reviews, for ",
            profile->store == STORE_TEXT ? "text and verdict are kept" : "a keyed hash and the verdict are kept, no text,");
    print_time(out, profile->retention_ms);
    if (profile->store == STORE_TEXT) {
        fprintf(out, ", at most %llu", (unsigned long long)profile->training.keep_samples);
    }
    fprintf(out, ".\n");
    if (has_model(profile) && profile->store == STORE_TEXT) {
        fprintf(out, "  Training: after %llu new samples, every ", (unsigned long long)profile->training.min_samples);
        print_time(out, profile->training.every_ms);
        fprintf(out, " at most, from at most %llu; published from AUC %g up.\n",
                (unsigned long long)profile->training.max_samples, profile->training.min_auc);
        explain_trial(&profile->training, out);
    }
}

static void explain_observing(const struct profile_settings *profile, FILE *out)
{
    if (profile->observe) {
        fprintf(out, "  ONLY OBSERVES: what follows is decided, counted and logged, and no request is refused for it. Only what\n"
                     "    cannot be judged at all is: another API, no sound JSON, more text than moderated_text.\n");
    }
}

static void explain_profile(const struct settings *settings, const struct profile_settings *profile, FILE *out)
{
    fprintf(out, "\nProfile %s\n", profile->name);
    explain_observing(profile, out);
    explain_scope(profile, out);
    explain_blocks(profile, out);
    explain_undecided(profile, out);
    if (profile->cache.entries > 0 && (profile->keyword_file_count > 0 || has_model(profile) || has_review(profile))) {
        fprintf(out, "  A text that is sent again within ");
        print_time(out, profile->cache.ttl_ms);
        fprintf(out, " is known again and not judged anew, of %llu texts for each moderator.\n",
                (unsigned long long)profile->cache.entries);
    }
    fprintf(out, "  Nobody can judge (no moderator, or no verdict within ");
    print_time(out, settings->moderation.deadline_local_ms);
    fprintf(out, ", reviews within ");
    print_time(out, settings->moderation.deadline_review_ms);
    if (profile->when_unavailable == WHEN_UNAVAILABLE_BLOCK) {
        fprintf(out, "): refused with 503.\n");
    } else {
        fprintf(out, "): FORWARDED UNJUDGED, and counted.\n");
    }
    explain_samples(settings, profile, out);
}

static void explain_links(const struct settings *settings, FILE *out)
{
    fprintf(out, "\nBetween the services\n");
    if (settings->curve.dir[0] == '\0') {
        fprintf(out, "  Gateway, moderators and trainer talk on this machine only, not encrypted (curve: off).\n");
    } else {
        fprintf(out, "  Gateway, moderators and trainer talk encrypted; the keys in %s say who may (CURVE).\n",
                settings->curve.dir);
    }
}

void settings_explain(const struct settings *settings, FILE *out)
{
    explain_callers(settings, out);
    explain_routes(settings, out);
    for (size_t index = 0; index < settings->profile_count; index++) {
        explain_profile(settings, &settings->profiles[index], out);
    }
    explain_links(settings, out);
}

/* A cell must not end at a bar of its own. */
static void print_cell(FILE *out, struct bytes text)
{
    for (size_t index = 0; index < text.count; index++) {
        fprintf(out, "%s%c", text.data[index] == '|' ? "\\" : "", text.data[index]);
    }
}

static void print_row(FILE *out, const struct setting *row)
{
    char room[1024];
    struct buffer text = {.data = room, .room = sizeof room, .max = sizeof room};
    enum status status = setting_allowed(row, &text);

    assert(status == STATUS_OK); /* every form is far shorter */
    fprintf(out, "| `%s` | ", row->path);
    print_cell(out, buffer_view(&text));
    if (row->required) {
        fprintf(out, " | (required) | ");
    } else if (row->fallback[0] == '\0') {
        fprintf(out, " | (empty) | ");
    } else {
        fprintf(out, " | `%s` | ", row->fallback);
    }
    if (setting_scope(row) == SETTING_OF_FILE) {
        buffer_clear(&text);
        status = setting_environment(row, &text);
        assert(status == STATUS_OK);
        fprintf(out, "`%.*s`", (int)text.count, room);
    }
    fprintf(out, " | %s | %s |\n", setting_is_live(row) ? "reload" : "start", row->sentence);
}

void settings_print_table(FILE *out)
{
    fprintf(out, "# Settings of prismguard.yaml\n\n"
                 "Made by `prismguard-gateway --settings`. Each can be overridden by its variable. What is read at *reload*\n"
                 "changes with SIGHUP, what is read at *start* with a restart. All three services reload.\n\n");
    fprintf(out, "| setting | allowed | default | variable | read at | meaning |\n|---|---|---|---|---|---|\n");
    for (size_t index = 0; index < settings_table_count(); index++) {
        print_row(out, settings_table_row(index));
    }
}
