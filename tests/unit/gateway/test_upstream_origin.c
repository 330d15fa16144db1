/* upstream_origin: what is compared is what libcurl connects to, and what is no plain URL has no origin. */
#include "support/unit.h"

#include "gateway/upstream_origin.h"

static void read_origin(const char *url, struct upstream_origin *out)
{
    char text[ORIGIN_BYTES_MAX];
    size_t bytes = 0;

    assert_status(STATUS_OK, upstream_origin_bytes(bytes_of(url), &bytes));
    assert_status(STATUS_OK, bytes_copy(bytes_first(bytes_of(url), bytes), text, sizeof text));
    assert_status(STATUS_OK, upstream_origin_read(text, out));
}

static void one_origin_may_be_written_in_many_ways(void **state)
{
    static const struct {
        bool equal;
        const char *left;
        const char *right;
    } cases[] = {
        {true, "https://a.test/x", "HTTPS://A.TEST:443?y"}, {true, "http://127.0.0.1:80", "http://0x7f.1/"},
        {true, "http://2130706433/", "http://0177.0.0.1/"}, {true, "http://[::1]/", "http://[0:0:0:0:0:0:0:1]:80/"},
        {false, "https://a.test", "http://a.test"},         {false, "https://a.test", "https://a.test:8443"},
        {false, "https://a.test", "https://a.test./"},      {false, "https://a.test", "https://xa.test"},
        {false, "http://127.0.0.1", "http://127.0.0.2"},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct upstream_origin left;
        struct upstream_origin right;

        read_origin(cases[index].left, &left);
        read_origin(cases[index].right, &right);
        if (upstream_origin_equal(&left, &right) != cases[index].equal) {
            fail_msg("%s and %s", cases[index].left, cases[index].right);
        }
    }
}

static void an_origin_ends_where_the_path_or_query_begins(void **state)
{
    size_t bytes = 0;

    (void)state;
    assert_status(STATUS_OK, upstream_origin_bytes(BYTES("https://a.test:1/x?y"), &bytes));
    assert_int_equal(16, bytes);
    assert_status(STATUS_OK, upstream_origin_bytes(BYTES("http://a?y"), &bytes));
    assert_int_equal(8, bytes);
    assert_status(STATUS_MALFORMED, upstream_origin_bytes(BYTES("http://a\\b"), &bytes));
    assert_status(STATUS_MALFORMED, upstream_origin_bytes(BYTES("http://a/\r\n"), &bytes));
    assert_status(STATUS_MALFORMED, upstream_origin_bytes(BYTES("http://a@b/"), &bytes));
    assert_int_equal(8, bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_origin_may_be_written_in_many_ways),
        cmocka_unit_test(an_origin_ends_where_the_path_or_query_begins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
