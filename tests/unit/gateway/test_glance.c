/* glance: what each dialect's events tell, in every cut of the bytes, whatever their length. */
#include "gateway/glance.h"

#include "support/unit.h"

#include "proto/limits.h"

#include <string.h>

enum { ENDED = 1, FAILED = 2, CONTENT = 4, CREATED = 8 };

static unsigned tells_of(const struct glance *glance)
{
    return (glance->ended ? ENDED : 0u) | (glance->failed ? FAILED : 0u) | (glance->content ? CONTENT : 0u) |
           (glance->created ? CREATED : 0u);
}

/* The whole stream in every cut, and byte by byte. */
static void expect(enum glance_form form, enum dialect dialect, const char *stream, unsigned tells)
{
    struct bytes text = bytes_of(stream);
    struct glance glance;

    for (size_t cut = 0; cut <= text.count; cut++) {
        glance_init(&glance, form, dialect, KIB);
        assert_status(STATUS_OK, glance_follow(&glance, bytes_first(text, cut)));
        assert_status(STATUS_OK, glance_follow(&glance, bytes_from(text, cut)));
        glance_finish(&glance);
        if (tells_of(&glance) != tells) {
            fail_msg("%s: %u at cut %zu", stream, tells_of(&glance), cut);
        }
    }
    glance_init(&glance, form, dialect, KIB);
    for (size_t at = 0; at < text.count; at++) {
        assert_status(STATUS_OK, glance_follow(&glance, (struct bytes){text.data + at, 1}));
    }
    glance_finish(&glance);
    assert_int_equal(tells, tells_of(&glance));
}

static void chat_ends_with_done_and_shows_text_reasoning_and_tools(void **state)
{
    static const struct {
        const char *stream;
        unsigned tells;
    } cases[] = {
        {"data: [DONE]\n\n", ENDED},
        {"\xEF\xBB\xBF" "data:[DONE]\r\n\r\n", ENDED},
        {": ping\rdata: [DONE]\r\r", ENDED},
        {"data: [DONE]", ENDED},
        {"data: [DONE] \n\n", 0},
        {"data: DONE]\n\n", 0},
        {"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":null}}]}\n\n", 0},
        {"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n", CONTENT},
        {"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n", CONTENT},
        {"data: {\"choices\":[{\"delta\":{\"content\":\"x\"\n", 0},
        {"data: {\"choices\":\ndata: [{\"delta\":{\"reasoning_content\":\"x\"}}]}\n\n", CONTENT},
        {"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\n\n", CONTENT},
        {"data: {\"choices\":[{\"delta\":{\"tool_calls\":[]}}]}\n\n", 0},
        {"data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}}]}\n\n", CONTENT},
        {"data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"\"}]}}]}\n\n", 0},
        {"data: {\"choices\":[{\"message\":{\"content\":\"x\"}}]}\n\n", 0},
        {"data: {\"error\":{\"message\":\"m\"}}\n\n", FAILED},
        {"data: {\"error\":null}\n\n", 0},
        {"event: error\ndata: {}\n\n", FAILED},
        {"data: {\"error\":{}}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n", FAILED},
        {"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"error\":{}}\n\n", FAILED | CONTENT},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        expect(GLANCE_EVENTS, DIALECT_OPENAI_CHAT, cases[index].stream, cases[index].tells);
    }
}

static void responses_tell_by_the_type_of_an_event(void **state)
{
    static const struct {
        const char *stream;
        unsigned tells;
    } cases[] = {
        {"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"error\":null}}\n\n", ENDED},
        {"data: {\"type\":\"response.incomplete\"}\n\n", ENDED},
        {"event: response.completed\ndata: {}\n\n", ENDED},
        {"data: {\"type\":\"response.failed\"}\n\n", FAILED},
        {"data: {\"type\":\"error\",\"error\":{}}\n\n", FAILED},
        {"data: {\"type\":\"response.created\"}\n\n", CREATED},
        {"data: {\"delta\":\"x\",\"type\":\"response.output_text.delta\"}\n\n", CONTENT},
        {"data: {\"type\":\"response.reasoning_summary_text.delta\",\"delta\":\"x\"}\n\n", CONTENT},
        {"data: {\"type\":\"response.output_text.delta\",\"delta\":\"\"}\n\n", 0},
        {"data: {\"type\":\"response.output_item.added\",\"item\":{\"type\":\"message\"}}\n\n", 0},
        {"data: {\"type\":\"response.output_item.added\",\"item\":{\"type\":\"function_call\"}}\n\n", CONTENT},
        {"data: {\"type\":\"response.output_text.done\",\"text\":\"x\"}\n\n", CONTENT},
        {"data: {\"type\":\"response.output_item.done\",\"item\":{\"type\":\"message\",\"content\":[{\"text\":\"x\"}]}}\n\n", CONTENT},
        {"data: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"content\":[{\"text\":\"x\"}]}]}}\n\n", ENDED | CONTENT},
        {"data: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"type\":\"function_call\"}]}}\n\n", ENDED | CONTENT},
        {"data: {\"type\":\"response.completed\",\"response\":{\"output\":[]", 0},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        expect(GLANCE_EVENTS, DIALECT_OPENAI_RESPONSES, cases[index].stream, cases[index].tells);
    }
}

static void claude_and_gemini_have_their_own(void **state)
{
    static const struct {
        enum dialect dialect;
        const char *stream;
        unsigned tells;
    } cases[] = {
        {DIALECT_CLAUDE_CHAT, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", ENDED},
        {DIALECT_CLAUDE_CHAT, "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n", CONTENT},
        {DIALECT_CLAUDE_CHAT, "data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n", 0},
        {DIALECT_CLAUDE_CHAT, "data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\"}}\n\n", CONTENT},
        {DIALECT_CLAUDE_CHAT, "data: {\"type\":\"content_block_delta\",\"delta\":{\"thinking\":\"x\"}}\n\n", CONTENT},
        {DIALECT_CLAUDE_CHAT, "event: error\ndata: {\"type\":\"error\",\"error\":{}}\n\n", FAILED},
        {DIALECT_CLAUDE_CHAT, "event: ping\ndata: {\"type\":\"ping\"}\n\n", 0},
        {DIALECT_GEMINI_CHAT, "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]},\"finishReason\":\"STOP\"}]}\n\n",
         ENDED | CONTENT},
        {DIALECT_GEMINI_CHAT, "data: {\"candidates\":[{\"finishReason\":null}]}\n\n", 0},
        {DIALECT_GEMINI_CHAT, "data: {\"candidates\":[{\"finishReason\":\"STOP\",\"content\":{", 0},
        {DIALECT_GEMINI_CHAT, "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\n\n", ENDED | CONTENT},
        {DIALECT_GEMINI_CHAT, "data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{}}]}}]}\n\n", CONTENT},
        {DIALECT_GEMINI_CHAT, "{\n\"error\": {}\n}\n\n", FAILED},
        {DIALECT_GEMINI_CHAT, "{\"error\":{}}\n\n", FAILED},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        expect(GLANCE_EVENTS, cases[index].dialect, cases[index].stream, cases[index].tells);
    }
    expect(GLANCE_LIST, DIALECT_GEMINI_CHAT, "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]}}]}\n,{}]", ENDED | CONTENT);
    expect(GLANCE_LIST, DIALECT_GEMINI_CHAT, "[{\"error\":{}}", FAILED);
    expect(GLANCE_LIST, DIALECT_GEMINI_CHAT, "[{\"candidates\":[]},", 0);
}

static void an_error_is_what_its_upstream_calls_it(void **state)
{
    static const struct {
        enum dialect dialect;
        const char *data;
        enum error_kind kind;
    } cases[] = {
        {DIALECT_OPENAI_CHAT, "{\"error\":{\"type\":\"x\",\"code\":\"rate_limit_exceeded\"}}", ERROR_RATE_LIMIT},
        {DIALECT_OPENAI_CHAT, "{\"error\":{\"code\":\"y\"}}", ERROR_BAD_GATEWAY},
        {DIALECT_OPENAI_RESPONSES, "{\"type\":\"error\",\"code\":\"insufficient_quota\"}", ERROR_RATE_LIMIT},
        {DIALECT_OPENAI_RESPONSES, "{\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_is_overloaded\"}}}",
         ERROR_OVERLOADED},
        {DIALECT_CLAUDE_CHAT, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}", ERROR_OVERLOADED},
        {DIALECT_GEMINI_CHAT, "{\"error\":{\"code\":429,\"status\":\"x\"}}", ERROR_RATE_LIMIT},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct glance glance;

        glance_init(&glance, GLANCE_EVENTS, cases[index].dialect, KIB);
        assert_status(STATUS_OK, glance_follow(&glance, BYTES("data: ")));
        assert_status(STATUS_OK, glance_follow(&glance, bytes_of(cases[index].data)));
        assert_status(STATUS_OK, glance_follow(&glance, BYTES("\n\n")));
        assert_true(glance.failed);
        assert_int_equal(cases[index].kind, glance.error);
    }
}

static void the_id_and_the_next_number_are_those_of_the_response(void **state)
{
    static const char stream[] =
        "data: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"output\":[{\"id\":\"x\"}]}}\n\n"
        "data: {\"type\":\"a\",\"response_id\":\"y\",\"sequence_number\":41}\n\ndata: {\"sequence_number\":99";
    struct glance glance;

    (void)state;
    glance_init(&glance, GLANCE_EVENTS, DIALECT_OPENAI_RESPONSES, KIB);
    assert_bytes("", glance_response_id(&glance));
    assert_status(STATUS_OK, glance_follow(&glance, bytes_of(stream)));
    assert_bytes("resp_1", glance_response_id(&glance));
    assert_int_equal(42, glance.next_sequence); /* an event that is not complete has no number */
    assert_status(STATUS_OK, glance_follow(&glance, BYTES("}\n\ndata: {\"type\":\"b\"}\n\n")));
    assert_int_equal(101, glance.next_sequence);
}

static void an_event_has_its_bound_whatever_is_in_it(void **state)
{
    static const char *const lines[] = {"data: ", ": ", "x"};

    (void)state;
    for (size_t index = 0; index < sizeof lines / sizeof lines[0]; index++) {
        for (int more = 0; more <= 1; more++) {
            struct glance glance;
            char text[KIB];

            memset(text, 'x', sizeof text);
            memcpy(text, lines[index], strlen(lines[index]));
            glance_init(&glance, GLANCE_EVENTS, DIALECT_CLAUDE_CHAT, KIB);
            assert_status(STATUS_OK, glance_follow(&glance, (struct bytes){text, KIB - 2 + (size_t)more}));
            assert_status(STATUS_OK, glance_follow(&glance, BYTES("\n")));
            assert_status(more == 0 ? STATUS_OK : STATUS_TOO_LARGE, glance_follow(&glance, BYTES("\n")));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chat_ends_with_done_and_shows_text_reasoning_and_tools),
        cmocka_unit_test(responses_tell_by_the_type_of_an_event),
        cmocka_unit_test(claude_and_gemini_have_their_own),
        cmocka_unit_test(an_error_is_what_its_upstream_calls_it),
        cmocka_unit_test(the_id_and_the_next_number_are_those_of_the_response),
        cmocka_unit_test(an_event_has_its_bound_whatever_is_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
