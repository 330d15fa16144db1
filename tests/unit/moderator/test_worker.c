/* test_worker: real worker threads against a real ROUTER: joining, judging, refusing, silence, leaving. */
#include "support/folder.h"
#include "support/gateway.h"
#include "support/model.h"
#include "support/task.h"
#include "support/unit.h"

#include "moderator/worker.h"
#include "proto/log.h"
#include "proto/secret.h"

#include <math.h>
#include <pthread.h>

enum { TEXT_BYTES_MAX = 4 * MIB, TRIES = 20 };

static struct folder folder;

static int start(void **state)
{
    (void)state;
    assert_status(STATUS_OK, wire_start());
    assert_status(STATUS_OK, secret_start());
    folder_open(&folder);
    folder_write(&folder, "keywords.txt", BYTES("forbidden\n"));
    return 0;
}

static int finish(void **state)
{
    (void)state;
    folder_close(&folder);
    return 0;
}

struct place {
    struct gateway gateway;
    struct gateway second; /* open when gateways.count is 2 */
    struct settings settings;
    struct profile_settings profiles[1];
    struct rules *rules;
    struct live *live;
    struct metrics *metrics;
    struct lookup *gateways;
    struct worker *worker;
};

static void open_place_of(struct place *place, uint64_t threads, uint64_t slots, size_t gateways, enum model_kind kind)
{
    *place = (struct place){.profiles = {{.name = "default", .model_kind = kind, .low = 0.2, .high = 0.8}}};
    place->settings.profiles = place->profiles;
    place->settings.profile_count = 1;
    place->settings.gateway.limits.moderated_text_bytes = TEXT_BYTES_MAX;
    place->settings.moderator.threads = threads;
    place->settings.moderator.slots = slots;
    place->settings.moderator.gateways.count = gateways;
    gateway_open(&place->gateway, "tcp://127.0.0.1:*");
    (void)snprintf(place->settings.moderator.gateways.at[0], PATH_BYTES_MAX + 1, "%s", wire_endpoint(place->gateway.wire));
    if (gateways == 2) {
        gateway_open(&place->second, "tcp://127.0.0.1:*");
        (void)snprintf(place->settings.moderator.gateways.at[1], PATH_BYTES_MAX + 1, "%s", wire_endpoint(place->second.wire));
    }
    folder_path(&folder, "keywords.txt", place->profiles[0].keyword_files[0]);
    place->profiles[0].keyword_file_count = 1;
    assert_status(STATUS_OK, rules_open(&place->rules, &place->settings, stderr));
    assert_status(STATUS_OK, live_open(&place->live, 1));
    assert_status(STATUS_OK, metrics_open(&place->metrics));
    const struct lookup_options options = {
        .endpoints = &place->settings.moderator.gateways, .what = "gateways", .metrics = place->metrics};
    assert_status(STATUS_OK, lookup_open(&place->gateways, &options));
    const struct worker_parts parts = {
        .judge = {.rules = place->rules, .live = place->live},
        .gateways = place->gateways,
        .metrics = place->metrics,
        .identity = BYTES("0123456789abcdef"),
    };
    assert_status(STATUS_OK, worker_open(&place->worker, &parts));
}

static void open_place(struct place *place, uint64_t threads, uint64_t slots, size_t gateways)
{
    open_place_of(place, threads, slots, gateways, MODEL_KIND_NONE);
}

static void close_place(struct place *place)
{
    clock_freeze(0);
    worker_close(&place->worker);
    worker_close(&place->worker);
    lookup_close(&place->gateways);
    live_close(&place->live);
    rules_release(&place->rules);
    metrics_close(&place->metrics);
    gateway_close(&place->gateway);
    gateway_close(&place->second);
}

static void send_task(struct gateway *gateway, const char *profile, const char *text, uint32_t remaining_ms)
{
    const struct message_task_head head = {
        .nonce = 3, .sequence = 4, .kind = SLOT_LOCAL, .remaining_ms = remaining_ms, .score = (float)NAN};
    struct bytes texts[] = {bytes_of(text)};
    struct buffer packed;

    task_pack(&packed, &head, profile, texts, 1);
    gateway_send(gateway, buffer_view(&packed));
    buffer_free(&packed);
}

/* So many tasks in one message. */
static void send_several(struct gateway *gateway, const char *const *profiles, const struct bytes *texts, size_t count,
                         uint32_t remaining_ms)
{
    const struct message_task_head head = {.nonce = 3, .sequence = 4, .kind = SLOT_LOCAL, .remaining_ms = remaining_ms};
    struct buffer packed;

    task_pack_several(&packed, &head, profiles, texts, count);
    gateway_send(gateway, buffer_view(&packed));
    buffer_free(&packed);
}

static int64_t counted(struct place *place, const char *name, const char *label, const char *value)
{
    const struct metric_label labels[] = {{label, value}};

    return series_value(metrics_series(place->metrics, METRIC_COUNTER, name, "", labels, 1));
}

static void a_task_is_judged_and_the_slot_goes_on(void **state)
{
    struct message_verdict verdict;
    struct place place;

    (void)state;
    open_place(&place, 1, 1, 1);
    clock_freeze(clock_ms()); /* a busy machine makes no silence */
    (void)gateway_expect(&place.gateway, MESSAGE_READY);
    assert_int_equal(0, worker_heard_ms(place.worker));
    for (int round = 0; round < 3; round++) {
        send_task(&place.gateway, "default", "this is Forbidden", 800);
        verdict = gateway_verdict(&place.gateway);
        assert_int_equal(3, verdict.nonce);
        assert_int_equal(4, verdict.sequence);
        assert_int_equal(OUTCOME_BLOCK, verdict.outcome);
        assert_int_equal(SOURCE_KEYWORD, verdict.source);
        assert_bytes("keyword", verdict.category);
        gateway_ping(&place.gateway);
        (void)gateway_expect(&place.gateway, MESSAGE_PONG);
        send_task(&place.gateway, "default", "this is fine", 800);
        verdict = gateway_verdict(&place.gateway);
        assert_int_equal(OUTCOME_ALLOW, verdict.outcome);
        assert_int_equal(SOURCE_UNDECIDED, verdict.source);
    }
    assert_int_equal(clock_ms(), worker_heard_ms(place.worker));
    const struct metric_label labels[] = {{"profile", "default"}, {"outcome", "block"}, {"source", "keyword"}};
    assert_int_equal(3, series_value(metrics_series(place.metrics, METRIC_COUNTER, "prismguard_moderator_judged_total", "",
                                                    labels, 3)));
    close_place(&place);
}

static void what_cannot_be_judged_is_answered_with_busy(void **state)
{
    static const char name[] = "prismguard_moderator_tasks_refused_total";
    uint64_t suppressed = log_suppressed();
    struct place place;

    (void)state;
    open_place(&place, 1, 1, 1);
    clock_freeze(clock_ms());
    (void)gateway_expect(&place.gateway, MESSAGE_READY);
    send_task(&place.gateway, "nobody", "a text", 800);
    assert_int_equal(BUSY_UNKNOWN_PROFILE, gateway_busy(&place.gateway).reason);
    send_task(&place.gateway, "default", "a text", 0);
    assert_int_equal(BUSY_EXPIRED, gateway_busy(&place.gateway).reason);
    gateway_send(&place.gateway, BYTES("garbage"));
    assert_int_equal(BUSY_UNSUPPORTED, gateway_busy(&place.gateway).reason);
    send_task(&place.gateway, "default", "a text", 1000);
    assert_int_equal(OUTCOME_ALLOW, gateway_verdict(&place.gateway).outcome);
    assert_int_equal(1, counted(&place, name, "reason", "unknown_profile"));
    assert_int_equal(1, counted(&place, name, "reason", "expired"));
    assert_int_equal(1, counted(&place, name, "reason", "unsupported"));
    assert_int_equal(0, counted(&place, name, "reason", "failed"));
    assert_int_equal(suppressed, log_suppressed()); /* each reason is told, though all came within a second */
    close_place(&place);
}

static const char *const four_profiles[] = {"default", "nobody", "default", "default"};

static void tasks_of_one_message_are_answered_in_one(void **state)
{
    const struct bytes texts[] = {BYTES("this is Forbidden"), BYTES("a text"), BYTES("this is fine"), BYTES("forbidden too")};
    struct message_verdicts verdicts;
    struct place place;

    (void)state;
    open_place(&place, 1, 1, 1);
    clock_freeze(clock_ms());
    (void)gateway_expect(&place.gateway, MESSAGE_READY);
    for (int round = 1; round <= 3; round++) {
        send_several(&place.gateway, four_profiles, texts, 4, 800);
        verdicts = gateway_verdicts(&place.gateway);
        assert_int_equal(3, verdicts.nonce);
        assert_int_equal(4, verdicts.sequence);
        assert_int_equal(4, verdicts.count);
        assert_int_equal(OUTCOME_BLOCK, verdicts.answers[0].verdict.outcome);
        assert_bytes("keyword", verdicts.answers[0].verdict.category);
        assert_int_equal(BUSY_UNKNOWN_PROFILE, verdicts.answers[1].busy);
        assert_int_equal(BUSY_NONE, verdicts.answers[2].busy);
        assert_int_equal(OUTCOME_ALLOW, verdicts.answers[2].verdict.outcome);
        assert_int_equal(OUTCOME_BLOCK, verdicts.answers[3].verdict.outcome);
        assert_int_equal(round, counted(&place, "prismguard_moderator_tasks_refused_total", "reason", "unknown_profile"));
    }
    const struct metric_label labels[] = {{"profile", "default"}, {"outcome", "block"}, {"source", "keyword"}};
    assert_int_equal(6, series_value(metrics_series(place.metrics, METRIC_COUNTER, "prismguard_moderator_judged_total", "",
                                                    labels, 3)));
    send_several(&place.gateway, four_profiles, texts, 1, 0); /* no time */
    assert_int_equal(BUSY_EXPIRED, gateway_verdicts(&place.gateway).answers[0].busy);
    gateway_ping(&place.gateway);
    (void)gateway_expect(&place.gateway, MESSAGE_PONG);
    close_place(&place);
}

/* Its model is away: the first task waits for it, and those behind it in the message do not wait for that. */
static void what_a_slow_task_holds_back_comes_again(void **state)
{
    const struct bytes texts[] = {BYTES("first"), BYTES("second"), BYTES("third")};
    static const char *const profiles[] = {"default", "default", "default"};
    struct message_verdicts verdicts;
    struct place place;

    (void)state;
    open_place_of(&place, 1, 1, 1, MODEL_KIND_HASHLINEAR);
    live_limit(place.live, 1, place.metrics);
    assert_status(STATUS_OK, live_put(place.live, live_trial_of(place.live, 0), model_make(0, 0), 1));
    struct model *no_room = model_make(0, 0);
    assert_status(STATUS_FULL, live_put(place.live, 0, no_room, 2));
    model_close(&no_room);
    assert_true(live_is_away(place.live, 0));
    (void)gateway_expect(&place.gateway, MESSAGE_READY);
    send_several(&place.gateway, profiles, texts, 3, 60000);
    verdicts = gateway_verdicts(&place.gateway);
    assert_int_equal(3, verdicts.count);
    assert_int_equal(BUSY_NONE, verdicts.answers[0].busy);
    assert_true(verdicts.answers[0].verdict.worker_us >= BATCH_JUDGE_US);
    assert_int_equal(BUSY_LATER, verdicts.answers[1].busy);
    assert_int_equal(BUSY_LATER, verdicts.answers[2].busy);
    assert_int_equal(2, counted(&place, "prismguard_moderator_tasks_refused_total", "reason", "later"));
    close_place(&place);
}

/* A verdict comes from a worker that has not noticed yet that it shall leave: such an answer is no BYE, and asks for another try. */
static bool says_bye(struct gateway *gateway, enum message_type otherwise)
{
    enum message_type type;
    struct bytes frame;

    assert_true(gateway_hear(gateway, GATEWAY_WAIT_MS, &frame));
    assert_status(STATUS_OK, message_read_type(frame, &type));
    assert_true(type == MESSAGE_BYE || type == otherwise);
    return type == MESSAGE_BYE;
}

static void leaving_says_bye_to_a_batch(void **state)
{
    const struct bytes texts[] = {BYTES("forbidden"), BYTES("fine")};
    static const char *const profiles[] = {"default", "default"};
    struct place place;

    (void)state;
    open_place(&place, 1, 1, 1);
    (void)gateway_expect(&place.gateway, MESSAGE_READY);
    worker_leave(place.worker);
    do {
        send_several(&place.gateway, profiles, texts, 2, 800);
    } while (!says_bye(&place.gateway, MESSAGE_VERDICTS));
    close_place(&place);
}

static void no_gateway_that_sends_no_message_hides_another(void **state)
{
    uint64_t suppressed = log_suppressed();
    struct place place;

    (void)state;
    open_place(&place, 1, 1, 2);
    clock_freeze(clock_ms());
    (void)gateway_expect(&place.gateway, MESSAGE_READY);
    (void)gateway_expect(&place.second, MESSAGE_READY);
    gateway_send(&place.gateway, BYTES("garbage"));
    assert_int_equal(BUSY_UNSUPPORTED, gateway_busy(&place.gateway).reason);
    gateway_send(&place.second, BYTES("garbage"));
    assert_int_equal(BUSY_UNSUPPORTED, gateway_busy(&place.second).reason);
    gateway_send(&place.second, BYTES("garbage")); /* a slot goes on when it has told */
    assert_int_equal(BUSY_UNSUPPORTED, gateway_busy(&place.second).reason);
    gateway_ping(&place.second);
    (void)gateway_expect(&place.second, MESSAGE_PONG);
    assert_int_equal(suppressed + 1, log_suppressed()); /* its own second one alone */
    close_place(&place);
}

static void a_text_that_was_left_out_and_is_not_known_is_asked_for(void **state)
{
    const struct message_task_head head = {
        .nonce = 3, .sequence = 4, .kind = SLOT_LOCAL, .remaining_ms = 800, .score = (float)NAN};
    struct message_busy busy;
    struct buffer packed;
    struct place place;

    (void)state;
    open_place(&place, 1, 1, 1);
    clock_freeze(clock_ms());
    (void)gateway_expect(&place.gateway, MESSAGE_READY);
    task_pack_recall(&packed, &head, "default", BYTES("name-of-16-bytes"), BYTES(""));
    gateway_send(&place.gateway, buffer_view(&packed));
    busy = gateway_busy(&place.gateway);
    assert_int_equal(BUSY_UNKNOWN_TEXT, busy.reason);
    assert_int_equal(3, busy.nonce);
    assert_int_equal(4, busy.sequence);
    assert_int_equal(1, counted(&place, "prismguard_moderator_tasks_refused_total", "reason", "unknown_text"));
    buffer_free(&packed);
    task_pack_recall(&packed, &head, "default", BYTES("name-of-16-bytes"), BYTES("this is Forbidden"));
    gateway_send(&place.gateway, buffer_view(&packed));
    assert_int_equal(OUTCOME_BLOCK, gateway_verdict(&place.gateway).outcome);
    buffer_free(&packed);
    close_place(&place);
}

static size_t metrics_bytes(const struct place *place)
{
    struct buffer text;
    size_t count;

    buffer_init(&text, METRICS_TEXT_BYTES_MAX);
    assert_status(STATUS_OK, metrics_print(place->metrics, &text));
    count = text.count;
    buffer_free(&text);
    return count;
}

static void names_of_profiles_in_tasks_leave_nothing_behind(void **state)
{
    struct place place;
    size_t number = 0;
    size_t before = 0;

    (void)state;
    open_place(&place, 1, 1, 1);
    (void)gateway_expect(&place.gateway, MESSAGE_READY);
    for (size_t task = 0; task < 10000; task++) {
        char name[32];

        (void)snprintf(name, sizeof name, "name %zu", task);
        send_task(&place.gateway, name, "a text", 800);
        assert_int_equal(BUSY_UNKNOWN_PROFILE, gateway_busy(&place.gateway).reason);
        before = task == 999 ? metrics_bytes(&place) : before;
    }
    assert_in_range(metrics_bytes(&place), before, before + 64); /* the digits of counters, and no series more */
    assert_status(STATUS_OK, live_number(place.live, "default", &number));
    assert_int_equal(0, number); /* the only name that has one */
    assert_status(STATUS_FULL, live_number(place.live, "name 1", &number));
    close_place(&place);
}

static void new_rules_judge_the_next_task_and_know_new_profiles(void **state)
{
    struct place place;
    struct profile_settings profiles[2];
    struct settings settings;
    struct rules *next = NULL;

    (void)state;
    open_place(&place, 1, 1, 1);
    clock_freeze(clock_ms());
    (void)gateway_expect(&place.gateway, MESSAGE_READY);
    send_task(&place.gateway, "default", "now a novelty", 800);
    assert_int_equal(OUTCOME_ALLOW, gateway_verdict(&place.gateway).outcome);

    folder_write(&folder, "more.txt", BYTES("novelty\n"));
    profiles[0] = profiles[1] = place.profiles[0];
    folder_path(&folder, "more.txt", profiles[1].keyword_files[0]);
    (void)snprintf(profiles[0].name, sizeof profiles[0].name, "another"); /* the old one changes its place */
    settings = place.settings;
    settings.profiles = profiles;
    settings.profile_count = 2;
    assert_status(STATUS_OK, rules_open(&next, &settings, stderr));
    assert_status(STATUS_FULL, worker_use_rules(place.worker, next)); /* `live` has room for one profile: all stays as it was */
    send_task(&place.gateway, "default", "now a novelty", 800);
    assert_int_equal(OUTCOME_ALLOW, gateway_verdict(&place.gateway).outcome);
    rules_release(&next);

    settings.profiles = profiles + 1;
    settings.profile_count = 1;
    assert_status(STATUS_OK, rules_open(&next, &settings, stderr));
    assert_status(STATUS_OK, worker_use_rules(place.worker, next));
    assert_status(STATUS_OK, worker_use_rules(place.worker, next)); /* before the first were taken, or after */
    rules_release(&next);
    rules_release(&place.rules);
    send_task(&place.gateway, "default", "now a novelty", 800);
    assert_int_equal(OUTCOME_BLOCK, gateway_verdict(&place.gateway).outcome);
    send_task(&place.gateway, "default", "this is forbidden", 800);
    assert_int_equal(OUTCOME_ALLOW, gateway_verdict(&place.gateway).outcome);
    close_place(&place);
}

static void every_thread_holds_its_slots_at_every_gateway(void **state)
{
    struct place place;
    struct bytes frame;

    (void)state;
    open_place(&place, 2, 3, 2);
    clock_freeze(clock_ms());
    for (int slot = 0; slot < 2 * 3; slot++) {
        struct message_ready ready;

        assert_status(STATUS_OK, message_read_ready(gateway_expect(&place.gateway, MESSAGE_READY), &ready));
        assert_int_equal(SLOT_LOCAL, ready.kind);
        assert_bytes("0123456789abcdef", ready.worker);
        assert_int_equal(TEXT_BYTES_MAX, ready.text_bytes_max);
        (void)gateway_expect(&place.second, MESSAGE_READY);
    }
    assert_false(gateway_hear(&place.gateway, 0, &frame));
    assert_false(gateway_hear(&place.second, 0, &frame));
    close_place(&place);
}

static void a_gateway_that_falls_silent_is_joined_again(void **state)
{
    struct place place;
    char first[GATEWAY_IDENTITY_BYTES];
    size_t first_bytes;

    (void)state;
    open_place(&place, 1, 1, 1);
    (void)gateway_expect(&place.gateway, MESSAGE_READY);
    first_bytes = place.gateway.identity_bytes;
    memcpy(first, place.gateway.identity, first_bytes);
    /* Nothing is sent; the READY of a new socket is the event. */
    (void)gateway_expect(&place.gateway, MESSAGE_READY);
    assert_false(bytes_equal((struct bytes){first, first_bytes}, gateway_peer(&place.gateway)));
    send_task(&place.gateway, "default", "forbidden", 800);
    assert_int_equal(OUTCOME_BLOCK, gateway_verdict(&place.gateway).outcome);
    close_place(&place);
}

static void a_gateway_that_starts_late_or_again_is_joined(void **state)
{
    struct place place;
    char endpoint[PATH_BYTES_MAX + 1];

    (void)state;
    open_place(&place, 1, 1, 1);
    (void)gateway_expect(&place.gateway, MESSAGE_READY);
    (void)snprintf(endpoint, sizeof endpoint, "%s", wire_endpoint(place.gateway.wire));
    gateway_close(&place.gateway);
    gateway_open(&place.gateway, endpoint);
    (void)gateway_expect(&place.gateway, MESSAGE_READY);
    send_task(&place.gateway, "default", "forbidden", 800);
    assert_int_equal(OUTCOME_BLOCK, gateway_verdict(&place.gateway).outcome);
    close_place(&place);
}

static void *close_worker(void *context)
{
    worker_close(context);
    return NULL;
}

static void leaving_says_bye_to_a_task(void **state)
{
    struct place place;
    pthread_t closer;

    (void)state;
    open_place(&place, 1, 1, 1);
    (void)gateway_expect(&place.gateway, MESSAGE_READY);
    worker_leave(place.worker);
    assert_int_equal(0, pthread_create(&closer, NULL, close_worker, &place.worker));
    do {
        send_task(&place.gateway, "default", "forbidden", 800);
    } while (!says_bye(&place.gateway, MESSAGE_VERDICT));
    assert_int_equal(0, pthread_join(closer, NULL));
    close_place(&place);
}

static void leaving_ends_without_a_gateway(void **state)
{
    struct place place;
    uint64_t started_ms;

    (void)state;
    open_place(&place, 2, 2, 1);
    (void)gateway_expect(&place.gateway, MESSAGE_READY);
    gateway_close(&place.gateway);
    started_ms = clock_ms();
    worker_close(&place.worker);
    assert_true(clock_ms() - started_ms < GATEWAY_WAIT_MS);
    close_place(&place);
}

static struct series *between_of(struct place *place)
{
    return metrics_series(place->metrics, METRIC_COUNTER, "prismguard_moderator_judged_between_total", "", NULL, 0);
}

/* Short texts from the last of `count` slots until one was judged between two steps of a long one. On a busy machine long ones may
 * end before that: they are sent again, so that each of the other slots has one. */
static void send_short_until_between(struct place *place, struct gateway *peers, size_t count, const char *text)
{
    int64_t before = series_value(between_of(place));

    while (series_value(between_of(place)) == before) {
        send_task(&peers[count - 1], "default", "this is forbidden", 60000);
        while (gateway_verdict(&place->gateway).outcome != OUTCOME_BLOCK) {
            send_task(&place->gateway, "default", text, 60000);
        }
        assert_true(bytes_equal(gateway_peer(&peers[count - 1]), gateway_peer(&place->gateway)));
    }
}

/* A text that takes many steps. */
static const char *slow_text(void)
{
    static char text[MIB + 1];

    for (size_t at = 0; at + 1 < sizeof text; at += 2) {
        memcpy(text + at, "\xCC\x81", 2); /* a combining mark */
    }
    return text;
}

/* Of one thread; where each of them is. */
static void open_slots(struct place *place, struct gateway peers[], size_t count)
{
    open_place(place, 1, count, 1);
    for (size_t slot = 0; slot < count; slot++) {
        (void)gateway_expect(&place->gateway, MESSAGE_READY);
        peers[slot] = place->gateway;
    }
}

/* Slots A and B get a long text each, then C gets a short one: it is answered before them. */
static void a_short_text_does_not_wait_for_a_long_one(void **state)
{
    const char *text = slow_text();
    struct gateway peers[3];
    struct place place;

    (void)state;
    open_slots(&place, peers, 3);
    send_task(&peers[0], "default", text, 60000);
    send_task(&peers[1], "default", text, 60000);
    send_short_until_between(&place, peers, 3, text);
    for (size_t slot = 0; slot < 2; slot++) {
        assert_int_equal(OUTCOME_ALLOW, gateway_verdict(&place.gateway).outcome);
    }
    assert_int_equal(1, series_value(between_of(&place)));
    close_place(&place);
}

/* A batch does not wait for one either. */
static void a_batch_does_not_wait_for_a_long_one(void **state)
{
    const char *text = slow_text();
    const struct bytes texts[] = {BYTES("forbidden"), BYTES("fine")};
    static const char *const profiles[] = {"default", "default"};
    struct gateway peers[2];
    struct place place;

    (void)state;
    open_slots(&place, peers, 2);
    send_task(&peers[0], "default", text, 60000);
    while (series_value(between_of(&place)) == 0) {
        struct message_verdicts verdicts;

        send_several(&peers[1], profiles, texts, 2, 60000);
        verdicts = gateway_verdicts(&place.gateway);
        assert_int_equal(OUTCOME_BLOCK, verdicts.answers[0].verdict.outcome);
        assert_int_equal(OUTCOME_ALLOW, verdicts.answers[1].verdict.outcome);
    }
    assert_int_equal(2, series_value(between_of(&place)));
    assert_int_equal(OUTCOME_ALLOW, gateway_verdict(&place.gateway).outcome);
    close_place(&place);
}

/* A short text between two of its steps says that it has begun. False where the last step came before the clock was put on. */
static bool is_given_up(struct place *place, struct gateway peers[2], const char *text)
{
    struct message_busy busy;
    struct bytes frame;
    enum message_type type;

    send_task(&peers[0], "default", text, 60000);
    send_short_until_between(place, peers, 2, text);
    clock_freeze(clock_ms() + 60000);
    assert_true(gateway_hear(&place->gateway, GATEWAY_WAIT_MS, &frame));
    clock_freeze(0);
    assert_status(STATUS_OK, message_read_type(frame, &type));
    if (type == MESSAGE_VERDICT) {
        return false;
    }
    assert_status(STATUS_OK, message_read_busy(frame, &busy));
    assert_int_equal(BUSY_EXPIRED, busy.reason);
    return true;
}

static void a_long_text_is_given_up_when_its_deadline_has_passed(void **state)
{
    const char *text = slow_text();
    struct gateway peers[2];
    struct place place;
    bool given_up = false;

    (void)state;
    open_slots(&place, peers, 2);
    for (int tries = 0; !given_up && tries < TRIES; tries++) {
        given_up = is_given_up(&place, peers, text);
    }
    assert_true(given_up);
    assert_int_equal(1, counted(&place, "prismguard_moderator_tasks_refused_total", "reason", "expired"));
    assert_int_equal(1, series_value(metrics_series(place.metrics, METRIC_COUNTER, "prismguard_moderator_given_up_total", "",
                                                    NULL, 0)));
    close_place(&place);
}

/* One is judged, those behind it wait for their turn, and are another moderator's when this one leaves. */
static void leaving_says_bye_to_long_texts_that_wait(void **state)
{
    enum { SLOTS = 6 };
    const char *text = slow_text();
    struct gateway peers[SLOTS];
    struct place place;
    size_t bye_count = 0;

    (void)state;
    open_slots(&place, peers, SLOTS);
    for (size_t slot = 0; slot < SLOTS; slot++) {
        send_task(&peers[slot], "default", text, 60000);
    }
    (void)gateway_verdict(&place.gateway);
    worker_close(&place.worker);
    for (size_t slot = 1; slot < SLOTS; slot++) {
        bye_count += says_bye(&place.gateway, MESSAGE_VERDICT);
    }
    assert_in_range(bye_count, 1, SLOTS - 1);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_text_does_not_wait_for_a_long_one),
        cmocka_unit_test(a_batch_does_not_wait_for_a_long_one),
        cmocka_unit_test(a_task_is_judged_and_the_slot_goes_on),
        cmocka_unit_test(what_cannot_be_judged_is_answered_with_busy),
        cmocka_unit_test(tasks_of_one_message_are_answered_in_one),
        cmocka_unit_test(what_a_slow_task_holds_back_comes_again),
        cmocka_unit_test(leaving_says_bye_to_a_batch),
        cmocka_unit_test(no_gateway_that_sends_no_message_hides_another),
        cmocka_unit_test(a_text_that_was_left_out_and_is_not_known_is_asked_for),
        cmocka_unit_test(names_of_profiles_in_tasks_leave_nothing_behind),
        cmocka_unit_test(new_rules_judge_the_next_task_and_know_new_profiles),
        cmocka_unit_test(every_thread_holds_its_slots_at_every_gateway),
        cmocka_unit_test(a_gateway_that_falls_silent_is_joined_again),
        cmocka_unit_test(a_gateway_that_starts_late_or_again_is_joined),
        cmocka_unit_test(leaving_says_bye_to_a_task),
        cmocka_unit_test(leaving_ends_without_a_gateway),
        cmocka_unit_test(leaving_says_bye_to_long_texts_that_wait),
        cmocka_unit_test(a_long_text_is_given_up_when_its_deadline_has_passed), /* last: its clock is ahead of the log's limits */
    };

    return cmocka_run_group_tests(tests, start, finish);
}
