/* models: the list that a client of each dialect expects, and its bound. */
#include "support/unit.h"

#include "gateway/format/models.h"

static struct route_settings route = {.model_count = 2, .models = {"a", "b"}};

static void assert_list(enum dialect dialect, const char *expected)
{
    struct buffer out;

    buffer_init(&out, strlen(expected));
    assert_status(STATUS_OK, models_list(dialect, &route, &out));
    assert_bytes(expected, buffer_view(&out));
    buffer_free(&out);
    buffer_init(&out, strlen(expected) - 1);
    assert_status(STATUS_TOO_LARGE, models_list(dialect, &route, &out));
    assert_int_equal(0, out.count);
    buffer_free(&out);
}

static void each_dialect_has_its_own_list(void **state)
{
    (void)state;
    assert_list(DIALECT_OPENAI_CHAT,
                "{\"object\":\"list\",\"data\":[{\"id\":\"a\",\"object\":\"model\",\"created\":0,\"owned_by\":\"prismguard\"},"
                "{\"id\":\"b\",\"object\":\"model\",\"created\":0,\"owned_by\":\"prismguard\"}]}");
    assert_list(DIALECT_CLAUDE_CHAT,
                "{\"data\":[{\"type\":\"model\",\"id\":\"a\",\"display_name\":\"a\",\"created_at\":\"1970-01-01T00:00:00Z\"},"
                "{\"type\":\"model\",\"id\":\"b\",\"display_name\":\"b\",\"created_at\":\"1970-01-01T00:00:00Z\"}],"
                "\"has_more\":false,\"first_id\":\"a\",\"last_id\":\"b\"}");
    assert_list(DIALECT_GEMINI_CHAT,
                "{\"models\":[{\"name\":\"models/a\",\"displayName\":\"a\",\"supportedGenerationMethods\":[\"generateContent\","
                "\"countTokens\"]},{\"name\":\"models/b\",\"displayName\":\"b\",\"supportedGenerationMethods\":"
                "[\"generateContent\",\"countTokens\"]}]}");
}

static void a_list_may_be_empty(void **state)
{
    (void)state;
    route.model_count = 0;
    assert_list(DIALECT_OPENAI_RESPONSES, "{\"object\":\"list\",\"data\":[]}");
    assert_list(DIALECT_CLAUDE_CHAT, "{\"data\":[],\"has_more\":false,\"first_id\":null,\"last_id\":null}");
    route.model_count = 2;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_dialect_has_its_own_list),
        cmocka_unit_test(a_list_may_be_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
