/* Tests of request_extension: a name or value has bytes, a quoted string is one from its beginning, and all of them have a bound. */
#include "support/unit.h"

#include "gateway/request_extension.h"
#include "proto/limits.h"

static const char *rule(enum request_refusal refusal)
{
    return refusal_rule(refusal);
}

static void a_part_has_bytes_and_quotes_stand_around_all_of_it(void **state)
{
    static const struct {
        const char *first;
        const char *second;
        enum request_refusal read;
        enum request_refusal end;
    } cases[] = {
        {"name", "", REFUSAL_NONE, REFUSAL_NONE},         {"na", "me", REFUSAL_NONE, REFUSAL_NONE},
        {"\"a b", "\\\" c\"", REFUSAL_NONE, REFUSAL_NONE}, {"", "", REFUSAL_NONE, REFUSAL_CHUNK},
        {"a\"b\"", "", REFUSAL_CHUNK, REFUSAL_NONE},      {"a", "\"b\"", REFUSAL_CHUNK, REFUSAL_NONE},
        {"\"a\x7F\"", "", REFUSAL_CHUNK, REFUSAL_NONE},   {"a", "\x7F", REFUSAL_CHUNK, REFUSAL_NONE},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct request_extension extension = {0};
        enum request_refusal refusal = request_extension_read(&extension, bytes_of(cases[index].first));

        refusal = refusal != REFUSAL_NONE ? refusal : request_extension_read(&extension, bytes_of(cases[index].second));
        assert_string_equal(rule(cases[index].read), rule(refusal));
        if (refusal == REFUSAL_NONE) {
            assert_string_equal(rule(cases[index].end), rule(request_extension_end(&extension)));
            assert_string_equal(rule(REFUSAL_CHUNK), rule(request_extension_end(&extension)));
        }
    }
}

static void all_parts_together_have_a_bound(void **state)
{
    static char text[CHUNK_EXTENSION_BYTES_MAX];
    struct request_extension extension = {0};

    (void)state;
    memset(text, 'a', sizeof text);
    assert_string_equal(rule(REFUSAL_NONE), rule(request_extension_read(&extension, (struct bytes){text, sizeof text - 1})));
    assert_string_equal(rule(REFUSAL_NONE), rule(request_extension_end(&extension)));
    assert_string_equal(rule(REFUSAL_NONE), rule(request_extension_read(&extension, BYTES("a"))));
    assert_string_equal(rule(REFUSAL_EXTENSIONS), rule(request_extension_read(&extension, BYTES("a"))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_has_bytes_and_quotes_stand_around_all_of_it),
        cmocka_unit_test(all_parts_together_have_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
