/* test_review_texts: parts end at their bounds, pass over what is known, and lose no text; a digest tells lists apart. */
#include "support/task.h"
#include "support/unit.h"

#include "moderator/review_texts.h"

#include <stdlib.h>

static const struct message_task_head head = {.kind = SLOT_REVIEW, .remaining_ms = 1000};

static size_t collect(const struct message_task *task, struct bytes passed, size_t start, size_t count_max, struct bytes *texts,
                      size_t *out_end)
{
    const struct review_texts_choice choice = {.passed = passed, .alone = BYTES(""), .start = start, .count_max = count_max};

    return review_texts_collect(task, &choice, texts, out_end);
}

static void a_part_ends_at_the_number_of_texts(void **state)
{
    static struct bytes all[REVIEW_PART_TEXTS_MAX + 1];
    struct bytes texts[REVIEW_PART_TEXTS_MAX];
    struct message_task task;
    struct buffer packed;
    size_t end = 0;

    (void)state;
    for (size_t index = 0; index <= REVIEW_PART_TEXTS_MAX; index++) {
        all[index] = BYTES("text");
    }
    task = task_make(&packed, &head, "default", all, REVIEW_PART_TEXTS_MAX);
    assert_int_equal(REVIEW_PART_TEXTS_MAX, collect(&task, BYTES(""), 0, REVIEW_PART_TEXTS_MAX, texts, &end));
    assert_int_equal(REVIEW_PART_TEXTS_MAX, end);
    assert_int_equal(0, collect(&task, BYTES(""), end, REVIEW_PART_TEXTS_MAX, texts, &end));
    buffer_free(&packed);
    task = task_make(&packed, &head, "default", all, REVIEW_PART_TEXTS_MAX + 1);
    assert_int_equal(REVIEW_PART_TEXTS_MAX, collect(&task, BYTES(""), 0, REVIEW_PART_TEXTS_MAX, texts, &end));
    assert_int_equal(1, collect(&task, BYTES(""), end, REVIEW_PART_TEXTS_MAX, texts, &end));
    assert_int_equal(REVIEW_PART_TEXTS_MAX + 1, end);
    buffer_free(&packed);
}

static void a_part_ends_at_its_bytes_but_for_a_text_alone(void **state)
{
    char *data = calloc(1, 2 * REVIEW_PART_BYTES);
    struct bytes texts[REVIEW_PART_TEXTS_MAX];
    struct bytes all[3] = {{data, REVIEW_PART_BYTES - 1}, {data, 1}, {data, 2 * REVIEW_PART_BYTES}};
    struct message_task task;
    struct buffer packed;
    size_t end = 0;

    (void)state;
    assert_non_null(data);
    task = task_make(&packed, &head, "default", all, 3);
    assert_int_equal(2, collect(&task, BYTES(""), 0, REVIEW_PART_TEXTS_MAX, texts, &end));
    assert_int_equal(1, collect(&task, BYTES(""), end, REVIEW_PART_TEXTS_MAX, texts, &end));
    assert_int_equal(2 * REVIEW_PART_BYTES, texts[0].count);
    assert_int_equal(3, end);
    buffer_free(&packed);
    all[1].count = 2;
    task = task_make(&packed, &head, "default", all, 3);
    assert_int_equal(1, collect(&task, BYTES(""), 0, REVIEW_PART_TEXTS_MAX, texts, &end));
    assert_int_equal(1, end);
    buffer_free(&packed);
    free(data);
}

static void what_has_passed_is_left_out(void **state)
{
    const struct bytes all[] = {BYTES("a"), BYTES("b"), BYTES("c"), BYTES("d")};
    struct bytes texts[REVIEW_PART_TEXTS_MAX];
    struct message_task task;
    struct buffer packed;
    size_t end = 0;

    (void)state;
    task = task_make(&packed, &head, "default", all, 4);
    assert_int_equal(1, collect(&task, BYTES("\x05"), 0, 1, texts, &end));
    assert_bytes("b", texts[0]);
    assert_int_equal(3, end);
    assert_int_equal(1, collect(&task, BYTES("\x05"), end, 1, texts, &end));
    assert_bytes("d", texts[0]);
    assert_int_equal(4, end);
    assert_int_equal(0, collect(&task, BYTES("\x0f"), 0, 1, texts, &end));
    buffer_free(&packed);
}

static void a_text_that_is_alone_shares_no_part(void **state)
{
    const struct bytes all[] = {BYTES("a"), BYTES("b"), BYTES("alone"), BYTES("also alone"), BYTES("passed"), BYTES("c"), BYTES("d")};
    static const size_t counts[] = {2, 1, 1, 2};
    static const char *const firsts[] = {"a", "alone", "also alone", "c"};
    struct review_texts_choice choice = {.passed = BYTES("\x10"), .alone = BYTES("\x0c"), .count_max = REVIEW_PART_TEXTS_MAX};
    struct bytes texts[REVIEW_PART_TEXTS_MAX];
    struct message_task task;
    struct buffer packed;

    (void)state;
    task = task_make(&packed, &head, "default", all, 7);
    for (size_t part = 0; part < 4; part++) {
        assert_int_equal(counts[part], review_texts_collect(&task, &choice, texts, &choice.start));
        assert_bytes(firsts[part], texts[0]);
    }
    assert_int_equal(0, review_texts_collect(&task, &choice, texts, &choice.start));
    buffer_free(&packed);
}

static void digest(const struct bytes *texts, size_t count, unsigned char out[SHA256_BYTES])
{
    struct buffer packed;
    struct message_task task = task_make(&packed, &head, "default", texts, count);

    review_texts_digest(&task, out);
    buffer_free(&packed);
}

static void only_the_same_texts_have_the_same_digest(void **state)
{
    static const struct bytes lists[][2] = {
        {{"ab", 2}, {"c", 1}}, {{"a", 1}, {"bc", 2}}, {{"abc", 3}, {"", 0}}, {{"", 0}, {"abc", 3}}, {{"c", 1}, {"ab", 2}}};
    enum { LISTS = sizeof lists / sizeof *lists };
    unsigned char digests[LISTS + 1][SHA256_BYTES];
    unsigned char again[SHA256_BYTES];

    (void)state;
    for (size_t index = 0; index < LISTS; index++) {
        digest(lists[index], 2, digests[index]);
        digest(lists[index], 2, again);
        assert_memory_equal(digests[index], again, sizeof again);
    }
    digest(lists[2], 1, digests[LISTS]);
    for (size_t index = 0; index <= LISTS; index++) {
        for (size_t other = 0; other < index; other++) {
            assert_memory_not_equal(digests[index], digests[other], SHA256_BYTES);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_ends_at_the_number_of_texts),
        cmocka_unit_test(a_part_ends_at_its_bytes_but_for_a_text_alone),
        cmocka_unit_test(what_has_passed_is_left_out),
        cmocka_unit_test(a_text_that_is_alone_shares_no_part),
        cmocka_unit_test(only_the_same_texts_have_the_same_digest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
