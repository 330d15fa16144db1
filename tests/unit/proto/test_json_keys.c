/* json_keys: no key twice, however it is spelled and however many there are, in time linear in the object. */
#include "support/unit.h"

#include "proto/json_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { KEYS_MANY = 99000, CPU_SECONDS_MAX = 20 };

static struct json json;

static int set_up(void **state)
{
    (void)state;
    json_init(&json);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    json_free(&json);
    return 0;
}

/* An object of `count` keys, all of one length, then `last`. */
static enum status read_keys(size_t count, const char *last)
{
    struct buffer buffer;
    enum status status;

    buffer_init(&buffer, 4 * MIB);
    assert_status(STATUS_OK, buffer_append_text(&buffer, "{"));
    for (size_t index = 0; index < count; index++) {
        assert_status(STATUS_OK, buffer_append_format(&buffer, "\"key%05zu\":0,", index));
    }
    assert_status(STATUS_OK, buffer_append_format(&buffer, "%s:1}", last));
    status = json_read(&json, buffer_view(&buffer), JSON_REFUSE_DUPLICATES);
    if (status == STATUS_DUPLICATE) {
        assert_int_equal(buffer.count - strlen(last) - 2, json.error_at); /* within the quotes of the second one */
    }
    buffer_free(&buffer);
    return status;
}

static void a_repeated_key_is_found_among_few_and_among_many(void **state)
{
    static const size_t counts[] = {1, 2, 14, 15, 16, 17, 18, 100, 1000};

    (void)state;
    for (size_t index = 0; index < sizeof counts / sizeof counts[0]; index++) {
        size_t count = counts[index];
        char last[32];

        assert_status(STATUS_OK, read_keys(count, "\"other\""));
        for (size_t repeated = 0; repeated < count; repeated += count / 10 + 1) {
            (void)snprintf(last, sizeof last, "\"key%05zu\"", repeated);
            assert_status(STATUS_DUPLICATE, read_keys(count, last));
            (void)snprintf(last, sizeof last, "\"k\\u0065y%05zu\"", repeated);
            assert_status(STATUS_DUPLICATE, read_keys(count, last));
            (void)snprintf(last, sizeof last, "\"Key%05zu\"", repeated);
            assert_status(STATUS_OK, read_keys(count, last));
        }
    }
}

static void keys_compare_decoded(void **state)
{
    static const char *const repeated[] = {
        "{\"a/b\":1,\"a\\/b\":2}",
        "{\"\xF0\x9F\x98\x80\":1,\"\\uD83D\\uDE00\":2}",
        "{\"\\u0061\\u0062\":1,\"a\\u0062\":2}",
        "{\"\":1,\"\":2}",
        "{\"\\ud800\":1,\"\\udfff\":2}", /* both are judged as U+FFFD */
        "{\"\xEF\xBF\xBD\":1,\"\\ud800\":2}",
    };
    static const char *const different[] = {
        "{\"a\":1,\"A\":2}",        "{\"\xC3\xA9\":1,\"e\xCC\x81\":2}", /* composed and decomposed are two keys: nothing
                                                                           is normalised */
        "{\"a\":1,\"a\\u200b\":2}", "{\"a\":{\"a\":1},\"b\":{\"a\":1}}", "[{\"a\":1},{\"a\":1}]",
        "{\"\":1,\"\\u0020\":2}",
    };

    (void)state;
    for (size_t index = 0; index < sizeof repeated / sizeof repeated[0]; index++) {
        assert_status(STATUS_DUPLICATE, json_read(&json, bytes_of(repeated[index]), JSON_REFUSE_DUPLICATES));
        assert_status(STATUS_OK, json_read(&json, bytes_of(repeated[index]), JSON_LAST_DUPLICATE_WINS));
    }
    for (size_t index = 0; index < sizeof different / sizeof different[0]; index++) {
        assert_status(STATUS_OK, json_read(&json, bytes_of(different[index]), JSON_REFUSE_DUPLICATES));
    }
}

static void a_repeated_key_is_found_at_any_depth(void **state)
{
    (void)state;
    assert_status(STATUS_DUPLICATE,
                  json_read(&json, BYTES("{\"a\":[0,{\"b\":{\"c\":1,\"c\":2}}]}"), JSON_REFUSE_DUPLICATES));
    assert_int_equal(21, json.error_at);
}

static void long_names_differ_in_any_byte(void **state)
{
    enum { LENGTH = 30, COUNT = 2 * LENGTH };
    char text[COUNT * (LENGTH + 6)];
    size_t count = 0;

    (void)state;
    text[count++] = '{';
    for (size_t index = 0; index < COUNT; index++) {
        text[count++] = '"';
        memset(text + count, 'a', LENGTH);
        text[count + index % LENGTH] = index < LENGTH ? 'b' : 'c';
        count += LENGTH;
        memcpy(text + count, "\":0,", 4);
        count += 4;
    }
    text[count - 1] = '}';
    assert_status(STATUS_OK, json_read(&json, (struct bytes){text, count}, JSON_REFUSE_DUPLICATES));
}

/* Comparing each with each would be 5 000 million comparisons: minutes, not a second. */
static void ninety_nine_thousand_keys_do_not_cost_the_square(void **state)
{
    clock_t before = clock();

    (void)state;
    assert_status(STATUS_OK, read_keys(KEYS_MANY, "\"other\""));
    assert_status(STATUS_DUPLICATE, read_keys(KEYS_MANY, "\"key00000\""));
    assert_status(STATUS_DUPLICATE, read_keys(KEYS_MANY, "\"key9899\\u0039\""));
    assert_true(clock() - before < (clock_t)CPU_SECONDS_MAX * CLOCKS_PER_SEC);
}

static void each_document_draws_its_own_hash(void **state)
{
    struct json other;
    uint64_t first;

    (void)state;
    assert_int_equal(0, json.random[0]);
    assert_status(STATUS_OK, read_keys(20, "\"other\""));
    first = json.random[0];
    assert_int_not_equal(0, first);
    json_init(&other);
    assert_status(STATUS_OK, json_read(&other, BYTES("{\"\\u0061\":1,\"b\":2}"), JSON_REFUSE_DUPLICATES));
    assert_true(other.random[0] != first);
    json_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_repeated_key_is_found_among_few_and_among_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_compare_decoded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_repeated_key_is_found_at_any_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_names_differ_in_any_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ninety_nine_thousand_keys_do_not_cost_the_square, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_document_draws_its_own_hash, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
