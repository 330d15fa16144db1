/* message: what is written is read back; every prefix and every damaged byte is refused or harmless; ranges are exact. */
#include "support/unit.h"

#include "proto/message.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char worker[] = "0123456789abcdef";

static struct message_verdict sample_verdict(void)
{
    return (struct message_verdict){.nonce = 1,
                                    .sequence = UINT64_MAX,
                                    .outcome = OUTCOME_UNSURE,
                                    .fallback = OUTCOME_BLOCK,
                                    .drawn = DRAWN_RANDOM,
                                    .source = SOURCE_MODEL,
                                    .category = BYTES("violence"),
                                    .score = 0.5f,
                                    .model_version = 3,
                                    .worker_us = UINT32_MAX,
                                    .unsure = {"\x10\x80", 2}};
}

/* Each sample message in turn, appended to an empty buffer. */
enum { SAMPLES = 7 };
static void write_sample(unsigned which, struct buffer *out)
{
    struct message_verdict verdict = sample_verdict();
    struct message_ready ready = {BYTES(worker), SLOT_REVIEW, BYTES("default"), 4 * MIB};
    enum status status = STATUS_NOT_FOUND;

    buffer_clear(out);
    switch (which) {
    case 0:
        status = message_write_ready(&ready, out);
        break;
    case 1:
        status = message_write_verdict(&verdict, out);
        break;
    case 2:
        status = message_write_busy(&(struct message_busy){9, 10, BUSY_FAILED}, out);
        break;
    case 3:
        status = message_write_model(&(struct message_model){5, UINT64_MAX}, out);
        break;
    case 4:
        status = message_write_plain(MESSAGE_PING, out);
        break;
    case 5:
        status = message_write_plain(MESSAGE_PONG, out);
        break;
    case 6:
        status = message_write_plain(MESSAGE_BYE, out);
        break;
    }
    assert_status(STATUS_OK, status);
}

/* The answers of all readers to one frame; how many took it. */
static unsigned readers_that_take(struct bytes frame)
{
    struct message_ready ready;
    struct message_task task;
    struct message_verdict verdict;
    struct message_verdicts verdicts;
    struct message_busy busy;
    struct message_model model;
    unsigned count = 0;

    count += message_read_ready(frame, &ready) == STATUS_OK;
    count += message_read_task(frame, &task) == STATUS_OK;
    count += message_read_verdict(frame, &verdict) == STATUS_OK;
    count += message_read_verdicts(frame, &verdicts) == STATUS_OK;
    count += message_read_busy(frame, &busy) == STATUS_OK;
    count += message_read_model(frame, &model) == STATUS_OK;
    return count;
}

static void ready_comes_back_as_it_was(void **state)
{
    struct buffer out;
    struct message_ready ready = {BYTES(worker), SLOT_LOCAL, BYTES(""), UINT64_MAX};
    struct message_ready back;

    (void)state;
    buffer_init(&out, KIB);
    assert_status(STATUS_OK, message_write_ready(&ready, &out));
    assert_status(STATUS_OK, message_read_ready(buffer_view(&out), &back));
    assert_bytes(worker, back.worker);
    assert_int_equal(SLOT_LOCAL, back.kind);
    assert_bytes("", back.profile);
    assert_true(back.text_bytes_max == UINT64_MAX);
    buffer_free(&out);
}

static void only_a_review_slot_names_a_profile(void **state)
{
    struct buffer out;
    struct message_ready local = {BYTES(worker), SLOT_LOCAL, BYTES("default"), 1};
    struct message_ready review = {BYTES(worker), SLOT_REVIEW, BYTES(""), 1};
    struct message_ready nameless = {BYTES("short"), SLOT_LOCAL, BYTES(""), 1};

    (void)state;
    buffer_init(&out, KIB);
    assert_status(STATUS_MALFORMED, message_write_ready(&local, &out));
    assert_status(STATUS_MALFORMED, message_write_ready(&review, &out));
    assert_status(STATUS_MALFORMED, message_write_ready(&nameless, &out));
    assert_int_equal(0, out.count);
    /* The same from a peer that does not care. */
    assert_status(STATUS_MALFORMED, message_read_ready(BYTES("\x96\x01\x01\xc4\x10"
                                                             "0123456789abcdef"
                                                             "\x00\xa1"
                                                             "d\x01"),
                                                       &review));
    buffer_free(&out);
}

static void a_verdict_comes_back_as_it_was(void **state)
{
    struct buffer out;
    struct message_verdict verdict = sample_verdict();
    struct message_verdict back;

    (void)state;
    buffer_init(&out, KIB);
    assert_status(STATUS_OK, message_write_verdict(&verdict, &out));
    assert_status(STATUS_OK, message_read_verdict(buffer_view(&out), &back));
    assert_int_equal(1, back.nonce);
    assert_true(back.sequence == UINT64_MAX);
    assert_int_equal(OUTCOME_UNSURE, back.outcome);
    assert_int_equal(OUTCOME_BLOCK, back.fallback);
    assert_int_equal(DRAWN_RANDOM, back.drawn);
    assert_int_equal(SOURCE_MODEL, back.source);
    assert_bytes("violence", back.category);
    assert_true(back.score == 0.5f);
    assert_int_equal(3, back.model_version);
    assert_true(back.worker_us == UINT32_MAX);
    assert_int_equal(2, back.unsure.count);
    for (size_t index = 0; index < 24; index++) {
        assert_int_equal(index == 4 || index == 15, message_unsure_has(back.unsure, index));
    }
    assert_int_equal(16, message_unsure_end(back.unsure));
    assert_int_equal(5, message_unsure_end(bytes_first(back.unsure, 1)));
    buffer_free(&out);
}

static void a_verdict_without_a_model_has_no_score(void **state)
{
    struct buffer out;
    struct message_verdict verdict = {.outcome = OUTCOME_BLOCK, .source = SOURCE_KEYWORD, .category = BYTES("k"), .score = NAN};
    struct message_verdict back;

    (void)state;
    buffer_init(&out, KIB);
    assert_status(STATUS_OK, message_write_verdict(&verdict, &out));
    assert_status(STATUS_OK, message_read_verdict(buffer_view(&out), &back));
    assert_true(isnan(back.score));
    assert_int_equal(0, back.unsure.count);
    buffer_free(&out);
}

/* `change` one field of a good verdict: it must then be unsound. */
#define assert_unsound(change)                                                                                         \
    do {                                                                                                               \
        struct message_verdict verdict = sample_verdict();                                                             \
        struct buffer out;                                                                                             \
        buffer_init(&out, KIB);                                                                                        \
        change;                                                                                                        \
        assert_status(STATUS_MALFORMED, message_write_verdict(&verdict, &out));                                        \
        assert_int_equal(0, out.count);                                                                                \
        buffer_free(&out);                                                                                             \
    } while (0)

static void an_unsound_verdict_is_not_written(void **state)
{
    static char long_category[CATEGORY_BYTES_MAX + 1];
    static char all_segments[UNSURE_BYTES_MAX + 1];

    (void)state;
    memset(long_category, 'c', sizeof long_category);
    memset(all_segments, 0xff, sizeof all_segments);
    assert_unsound(verdict.score = 1.0001f);
    assert_unsound(verdict.score = -0.0001f);
    assert_unsound(verdict.score = INFINITY);
    assert_unsound(verdict.category = BYTES("two\nlines"));
    assert_unsound(verdict.category = ((struct bytes){long_category, sizeof long_category}));
    assert_unsound(verdict.fallback = OUTCOME_UNSURE);
    assert_unsound(verdict.source = SOURCE_KEYWORD); /* a keyword is never unsure */
    assert_unsound(verdict.unsure = BYTES(""));
    assert_unsound(verdict.unsure = ((struct bytes){"\x10", 2})); /* another form of the same set */
    assert_unsound(verdict.unsure = ((struct bytes){all_segments, UNSURE_BYTES_MAX + 1}));
    assert_unsound(verdict.outcome = OUTCOME_ALLOW); /* and yet it names unsure segments */
}

static void the_greatest_sound_verdict_passes(void **state)
{
    char category[CATEGORY_BYTES_MAX];
    char all_segments[UNSURE_BYTES_MAX];
    struct buffer out;
    struct message_verdict verdict = sample_verdict();
    struct message_verdict back;

    (void)state;
    memset(category, 'c', sizeof category);
    memset(all_segments, 0xff, sizeof all_segments);
    buffer_init(&out, REPLY_BYTES_MAX);
    verdict.category = (struct bytes){category, sizeof category};
    verdict.score = 1;
    verdict.unsure = (struct bytes){all_segments, sizeof all_segments};
    assert_status(STATUS_OK, message_write_verdict(&verdict, &out));
    assert_status(STATUS_OK, message_read_verdict(buffer_view(&out), &back));
    assert_int_equal(SEGMENTS_MAX, message_unsure_end(back.unsure));
    buffer_free(&out);
}

static void busy_and_model_come_back_as_they_were(void **state)
{
    struct buffer out;
    struct message_busy busy;
    struct message_model model;

    (void)state;
    buffer_init(&out, KIB);
    write_sample(2, &out);
    assert_status(STATUS_OK, message_read_busy(buffer_view(&out), &busy));
    assert_int_equal(9, busy.nonce);
    assert_int_equal(10, busy.sequence);
    assert_int_equal(BUSY_FAILED, busy.reason);
    out.data[out.count - 1] = BUSY_UNKNOWN_TEXT + 1;
    assert_status(STATUS_MALFORMED, message_read_busy(buffer_view(&out), &busy));
    out.data[out.count - 1] = BUSY_EXPIRED - 1;
    assert_status(STATUS_MALFORMED, message_read_busy(buffer_view(&out), &busy));
    write_sample(3, &out);
    assert_status(STATUS_OK, message_read_model(buffer_view(&out), &model));
    assert_int_equal(5, model.epoch);
    assert_true(model.change == UINT64_MAX);
    buffer_free(&out);
}

static void types_are_told_without_reading_the_fields(void **state)
{
    static const enum message_type types[SAMPLES] = {MESSAGE_READY, MESSAGE_VERDICT, MESSAGE_BUSY, MESSAGE_MODEL,
                                                     MESSAGE_PING,  MESSAGE_PONG,    MESSAGE_BYE};
    struct buffer out;

    (void)state;
    buffer_init(&out, KIB);
    for (unsigned which = 0; which < SAMPLES; which++) {
        enum message_type type;

        write_sample(which, &out);
        assert_status(STATUS_OK, message_read_type(buffer_view(&out), &type));
        assert_int_equal(types[which], type);
        assert_int_equal(which < 4 ? 1 : 0, readers_that_take(buffer_view(&out)));
    }
    buffer_free(&out);
}

static void other_versions_and_types_are_unsupported(void **state)
{
    enum message_type type;
    struct message_busy busy;

    (void)state;
    assert_status(STATUS_UNSUPPORTED, message_read_type(BYTES("\x92\x02\x04"), &type));
    assert_status(STATUS_UNSUPPORTED, message_read_type((struct bytes){"\x92\x00\x04", 3}, &type));
    assert_status(STATUS_UNSUPPORTED, message_read_type(BYTES("\x93\x02\xa1z\x81\x01\x02"), &type));
    assert_status(STATUS_UNSUPPORTED, message_read_busy(BYTES("\x92\x02\x04"), &busy));
    assert_status(STATUS_UNSUPPORTED, message_read_type(BYTES("\x92\x01\x0c"), &type));
    assert_status(STATUS_UNSUPPORTED, message_read_type((struct bytes){"\x92\x01\x00", 3}, &type));
    assert_status(STATUS_MALFORMED, message_read_type(BYTES("\x92\xff\x04"), &type)); /* -1 is no version */
    assert_status(STATUS_MALFORMED, message_read_type(BYTES("\x91\x01"), &type));
    assert_status(STATUS_MALFORMED, message_read_type(BYTES("\x90"), &type));
    assert_status(STATUS_MALFORMED, message_read_type(BYTES("\x04"), &type));
    assert_status(STATUS_MALFORMED, message_read_type(BYTES("\x93\x01\x04\x05"), &type)); /* PING has no fields */
}

static void no_prefix_of_a_message_is_a_message(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, KIB);
    for (unsigned which = 0; which < SAMPLES; which++) {
        write_sample(which, &out);
        for (size_t count = 0; count < out.count; count++) {
            char *exact = malloc(count + 1);
            struct bytes frame = {exact, count};
            enum message_type type;

            memcpy(exact, out.data, count);
            assert_status(STATUS_MALFORMED, message_read_type(frame, &type));
            assert_int_equal(0, readers_that_take(frame));
            free(exact);
        }
    }
    buffer_free(&out);
}

/* One byte changed to every other value: at most one reader takes it, and what it says is in range. */
static void a_damaged_message_is_refused_or_sound(void **state)
{
    struct buffer out;
    struct buffer again;

    (void)state;
    buffer_init(&out, KIB);
    buffer_init(&again, KIB);
    for (unsigned which = 0; which < SAMPLES; which++) {
        write_sample(which, &out);
        for (size_t at = 0; at < out.count; at++) {
            char kept = out.data[at];

            for (unsigned value = 0; value < 256; value++) {
                struct message_verdict verdict;
                struct message_ready ready;

                out.data[at] = (char)value;
                assert_true(readers_that_take(buffer_view(&out)) <= 1);
                buffer_clear(&again);
                /* What a reader took, the writer would write: their rules are the same. */
                if (message_read_verdict(buffer_view(&out), &verdict) == STATUS_OK) {
                    assert_status(STATUS_OK, message_write_verdict(&verdict, &again));
                }
                if (message_read_ready(buffer_view(&out), &ready) == STATUS_OK) {
                    assert_status(STATUS_OK, message_write_ready(&ready, &again));
                }
            }
            out.data[at] = kept;
        }
    }
    buffer_free(&out);
    buffer_free(&again);
}

static void outputs_are_untouched_when_a_message_is_refused(void **state)
{
    struct message_model model = {1, 2};
    enum message_type type = MESSAGE_BYE;

    (void)state;
    assert_status(STATUS_MALFORMED, message_read_model(BYTES("\x94\x01\x08\x05\xa1x"), &model));
    assert_int_equal(1, model.epoch);
    assert_int_equal(2, model.change);
    assert_status(STATUS_UNSUPPORTED, message_read_type(BYTES("\x92\x01\x7f"), &type));
    assert_int_equal(MESSAGE_BYE, type);
}

/* Is the buffer's content, in hex between backquotes, in PROTOCOL.md? Forgets the content. */
static void assert_documented(const char *document, struct buffer *out)
{
    char hex[256] = "`";
    size_t at = 1;

    assert_true(2 * out->count + 2 < sizeof hex);
    for (size_t index = 0; index < out->count; index++, at += 2) {
        (void)snprintf(hex + at, sizeof hex - at, "%02x", (unsigned char)out->data[index]);
    }
    hex[at] = '`';
    hex[at + 1] = '\0';
    if (strstr(document, hex) == NULL) {
        fail_msg("%s is not in PROTOCOL.md", hex);
    }
    buffer_clear(out);
}

static void the_examples_of_the_protocol_are_what_is_written(void **state)
{
    enum { DOCUMENT_BYTES_MAX = 64 * KIB };
    static char document[DOCUMENT_BYTES_MAX];
    static const enum message_type plain[] = {MESSAGE_PING, MESSAGE_PONG, MESSAGE_BYE};
    FILE *file = fopen(TEST_ROOT "/proto/PROTOCOL.md", "rb");
    struct message_ready ready = {BYTES(worker), SLOT_LOCAL, BYTES(""), 4 * MIB};
    struct message_task_head head = {0x1122334455667788, 7, SLOT_LOCAL, 800, DRAWN_UNSURE, NAN, 0};
    struct message_verdict block = {.nonce = head.nonce, .sequence = 7, .outcome = OUTCOME_BLOCK, .source = SOURCE_KEYWORD,
                                    .category = BYTES("violence"), .score = NAN, .worker_us = 120};
    struct message_verdict unsure = {.nonce = head.nonce, .sequence = 7, .outcome = OUTCOME_UNSURE, .source = SOURCE_MODEL,
                                     .score = 0.5f, .model_version = 12, .worker_us = 120, .unsure = BYTES("\x01")};
    struct buffer body;
    struct buffer out;
    struct message_body packing;

    (void)state;
    assert_non_null(file);
    assert_true(fread(document, 1, sizeof document - 1, file) > 0);
    (void)fclose(file);
    buffer_init(&body, KIB);
    buffer_init(&out, KIB);
    assert_status(STATUS_OK, message_write_ready(&ready, &out));
    assert_documented(document, &out);
    assert_status(STATUS_OK, message_body_open(&packing, &body, BYTES("team-a"), BYTES("default")));
    assert_status(STATUS_OK, message_body_add(&packing, &(struct segment){2, BYTES("hello")}));
    message_body_end(&packing);
    assert_status(STATUS_OK, message_write_task(&head, buffer_view(&body), &out));
    assert_documented(document, &out);
    buffer_clear(&body);
    assert_status(STATUS_OK, message_body_open(&packing, &body, BYTES("team-a"), BYTES("default")));
    assert_status(STATUS_OK, message_body_add_named(&packing, &(struct segment){2, BYTES("hello")}, BYTES("0123456789abcdef")));
    assert_status(STATUS_OK, message_body_add_named(&packing, &(struct segment){2, BYTES("")}, BYTES("fedcba9876543210")));
    message_body_end(&packing);
    assert_status(STATUS_OK, message_write_recall(&head, buffer_view(&body), &out));
    assert_documented(document, &out);
    assert_status(STATUS_OK, message_write_tasks(&head, 2, &out));
    assert_status(STATUS_OK, message_write_tasks_next(&out));
    assert_status(STATUS_OK, message_body_open(&packing, &out, BYTES("team-a"), BYTES("default")));
    assert_status(STATUS_OK, message_body_add(&packing, &(struct segment){2, BYTES("hello")}));
    message_body_end(&packing);
    assert_status(STATUS_OK, message_write_tasks_next(&out));
    assert_status(STATUS_OK, message_body_open(&packing, &out, BYTES(""), BYTES("other")));
    assert_status(STATUS_OK, message_body_add(&packing, &(struct segment){2, BYTES("hi")}));
    message_body_end(&packing);
    assert_documented(document, &out);
    assert_status(STATUS_OK, message_write_verdicts(&head, 2, &out));
    assert_status(STATUS_OK, message_write_verdicts_next(&block, &out));
    assert_status(STATUS_OK, message_write_verdicts_busy(BUSY_LATER, &out));
    assert_documented(document, &out);
    assert_status(STATUS_OK, message_write_verdict(&block, &out));
    assert_documented(document, &out);
    assert_status(STATUS_OK, message_write_verdict(&unsure, &out));
    assert_documented(document, &out);
    assert_status(STATUS_OK, message_write_busy(&(struct message_busy){head.nonce, 7, BUSY_EXPIRED}, &out));
    assert_documented(document, &out);
    assert_status(STATUS_OK, message_write_model(&(struct message_model){3, 41}, &out));
    assert_documented(document, &out);
    for (size_t index = 0; index < sizeof plain / sizeof plain[0]; index++) {
        assert_status(STATUS_OK, message_write_plain(plain[index], &out));
        assert_documented(document, &out);
    }
    buffer_free(&body);
    buffer_free(&out);
}

static void sources_outcomes_and_kinds_have_names(void **state)
{
    (void)state;
    assert_string_equal("none", verdict_source_name(SOURCE_NONE));
    assert_string_equal("undecided", verdict_source_name(SOURCE_UNDECIDED));
    assert_string_equal("unknown", verdict_source_name((enum verdict_source)99));
    assert_string_equal("allow", outcome_name(OUTCOME_ALLOW));
    assert_string_equal("unsure", outcome_name(OUTCOME_UNSURE));
    assert_string_equal("unknown", outcome_name((enum outcome)3));
    assert_string_equal("local", slot_kind_name(SLOT_LOCAL));
    assert_string_equal("review", slot_kind_name(SLOT_REVIEW));
    assert_string_equal("unknown", slot_kind_name((enum slot_kind)2));
}

static const struct message_task_head batch_head = {.nonce = UINT64_MAX, .sequence = 7, .kind = SLOT_LOCAL};

static const struct message_verdict allowed = {.outcome = OUTCOME_ALLOW, .source = SOURCE_MODEL, .score = 0.125f, .model_version = 12,
                                               .worker_us = 5};

/* A verdict, a refusal and an unsure one. */
static void write_verdicts(struct buffer *out)
{
    const struct message_verdict unsure = {.outcome = OUTCOME_UNSURE, .source = SOURCE_MODEL, .score = 0.5f, .unsure = BYTES("\x02")};

    assert_status(STATUS_OK, message_write_verdicts(&batch_head, 3, out));
    assert_status(STATUS_OK, message_write_verdicts_next(&allowed, out));
    assert_status(STATUS_OK, message_write_verdicts_busy(BUSY_LATER, out));
    assert_status(STATUS_OK, message_write_verdicts_next(&unsure, out));
}

static void verdicts_come_back_in_their_order(void **state)
{
    struct message_verdicts verdicts;
    struct buffer out;

    (void)state;
    buffer_init(&out, KIB);
    write_verdicts(&out);
    assert_status(STATUS_OK, message_read_verdicts(buffer_view(&out), &verdicts));
    assert_true(verdicts.nonce == UINT64_MAX);
    assert_int_equal(7, verdicts.sequence);
    assert_int_equal(3, verdicts.count);
    assert_int_equal(BUSY_NONE, verdicts.answers[0].busy);
    assert_int_equal(OUTCOME_ALLOW, verdicts.answers[0].verdict.outcome);
    assert_int_equal(7, verdicts.answers[0].verdict.sequence);
    assert_true(verdicts.answers[0].verdict.score == 0.125f);
    assert_int_equal(12, verdicts.answers[0].verdict.model_version);
    assert_int_equal(5, verdicts.answers[0].verdict.worker_us);
    assert_int_equal(BUSY_LATER, verdicts.answers[1].busy);
    assert_int_equal(BUSY_NONE, verdicts.answers[2].busy);
    assert_bytes("\x02", verdicts.answers[2].verdict.unsure);
    assert_int_equal(1, readers_that_take(buffer_view(&out)));
    buffer_free(&out);
}

static void no_prefix_of_verdicts_is_a_message(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, KIB);
    write_verdicts(&out);
    for (size_t count = 0; count < out.count; count++) {
        char *exact = malloc(count + 1);

        memcpy(exact, out.data, count);
        assert_int_equal(0, readers_that_take((struct bytes){exact, count}));
        free(exact);
    }
    buffer_free(&out);
}

/* What is taken is in range, and would be written again. */
static void damaged_verdicts_are_refused_or_sound(void **state)
{
    struct message_verdicts verdicts;
    struct buffer out;
    struct buffer again;

    (void)state;
    buffer_init(&out, KIB);
    buffer_init(&again, KIB);
    write_verdicts(&out);
    for (size_t at = 0; at < out.count; at++) {
        char kept = out.data[at];

        for (unsigned value = 0; value < 256; value++) {
            out.data[at] = (char)value;
            if (message_read_verdicts(buffer_view(&out), &verdicts) != STATUS_OK) {
                continue;
            }
            assert_int_equal(3, verdicts.count);
            for (size_t index = 0; index < verdicts.count; index++) {
                buffer_clear(&again);
                assert_in_range(verdicts.answers[index].busy, BUSY_NONE, BUSY_LATER);
                assert_status(STATUS_OK, verdicts.answers[index].busy == BUSY_NONE
                                             ? message_write_verdicts_next(&verdicts.answers[index].verdict, &again)
                                             : message_write_verdicts_busy(verdicts.answers[index].busy, &again));
            }
        }
        out.data[at] = kept;
    }
    buffer_free(&out);
    buffer_free(&again);
}

/* The greatest of each field, as often as there may be tasks: a slot's buffer fits, and a ROUTER takes it. One more is refused. */
static void the_greatest_verdicts_fit_and_one_more_is_none(void **state)
{
    static char category[CATEGORY_BYTES_MAX];
    static const char names_last[BATCH_UNSURE_BYTES] = {[BATCH_UNSURE_BYTES - 1] = '\xff'};
    const struct message_verdict greatest = {.outcome = OUTCOME_UNSURE, .fallback = OUTCOME_BLOCK, .drawn = DRAWN_RANDOM,
                                             .source = SOURCE_UNDECIDED, .category = {category, sizeof category}, .score = 1,
                                             .model_version = UINT64_MAX, .worker_us = UINT32_MAX,
                                             .unsure = {names_last, sizeof names_last}};
    const struct message_task_head head = {.nonce = UINT64_MAX, .sequence = UINT64_MAX, .kind = SLOT_LOCAL};
    struct message_verdicts verdicts;
    struct buffer out;

    (void)state;
    memset(category, 'c', sizeof category);
    buffer_init(&out, REPLY_BYTES_MAX);
    assert_status(STATUS_OK, message_write_verdicts(&head, BATCH_TASKS_MAX, &out));
    for (size_t index = 0; index < BATCH_TASKS_MAX; index++) {
        assert_status(STATUS_OK, message_write_verdicts_next(&greatest, &out));
    }
    assert_status(STATUS_OK, message_read_verdicts(buffer_view(&out), &verdicts));
    assert_int_equal(BATCH_TASKS_MAX, verdicts.count);
    assert_int_equal(BATCH_UNSURE_BYTES, verdicts.answers[BATCH_TASKS_MAX - 1].verdict.unsure.count);
    buffer_free(&out);

    buffer_init(&out, ROUTER_MESSAGE_BYTES_MAX);
    assert_status(STATUS_OK, message_write_verdicts(&head, 1, &out));
    out.data[out.count - 1] = '\x90'; /* an array of none */
    assert_status(STATUS_MALFORMED, message_read_verdicts(buffer_view(&out), &verdicts));
    out.count--;
    assert_status(STATUS_OK, buffer_append(&out, (struct bytes){"\xdc\x00\x11", 3})); /* of seventeen */
    for (size_t index = 0; index < BATCH_TASKS_MAX + 1; index++) {
        assert_status(STATUS_OK, message_write_verdicts_next(&allowed, &out));
    }
    assert_status(STATUS_MALFORMED, message_read_verdicts(buffer_view(&out), &verdicts));
    buffer_free(&out);
}

/* A task of a batch has so many segments at most, and a verdict on it names no other. */
static void a_verdict_of_several_names_few_segments(void **state)
{
    static const char names_next[BATCH_UNSURE_BYTES + 1] = {[BATCH_UNSURE_BYTES] = 1};
    const struct message_verdict unsure = {.outcome = OUTCOME_UNSURE, .source = SOURCE_MODEL, .score = 0.5f,
                                           .unsure = {names_next, sizeof names_next}};
    struct buffer out;

    (void)state;
    buffer_init(&out, KIB);
    assert_status(STATUS_MALFORMED, message_write_verdicts_next(&unsure, &out));
    assert_int_equal(0, out.count);
    assert_status(STATUS_OK, message_write_verdict(&unsure, &out));
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready_comes_back_as_it_was),
        cmocka_unit_test(only_a_review_slot_names_a_profile),
        cmocka_unit_test(a_verdict_comes_back_as_it_was),
        cmocka_unit_test(a_verdict_without_a_model_has_no_score),
        cmocka_unit_test(an_unsound_verdict_is_not_written),
        cmocka_unit_test(the_greatest_sound_verdict_passes),
        cmocka_unit_test(busy_and_model_come_back_as_they_were),
        cmocka_unit_test(types_are_told_without_reading_the_fields),
        cmocka_unit_test(other_versions_and_types_are_unsupported),
        cmocka_unit_test(no_prefix_of_a_message_is_a_message),
        cmocka_unit_test(a_damaged_message_is_refused_or_sound),
        cmocka_unit_test(outputs_are_untouched_when_a_message_is_refused),
        cmocka_unit_test(the_examples_of_the_protocol_are_what_is_written),
        cmocka_unit_test(sources_outcomes_and_kinds_have_names),
        cmocka_unit_test(verdicts_come_back_in_their_order),
        cmocka_unit_test(no_prefix_of_verdicts_is_a_message),
        cmocka_unit_test(damaged_verdicts_are_refused_or_sound),
        cmocka_unit_test(the_greatest_verdicts_fit_and_one_more_is_none),
        cmocka_unit_test(a_verdict_of_several_names_few_segments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
