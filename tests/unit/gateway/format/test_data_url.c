/* data_url: heads of data URLs are split as RFC 2397 says, and base64 of either alphabet decodes to its bytes or is
 * refused. */
#include "support/unit.h"

#include "gateway/format/data_url.h"
#include "proto/limits.h"

static struct buffer out;

static int set_up(void **state)
{
    (void)state;
    buffer_init(&out, KIB);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_free(&out);
    return 0;
}

static void a_data_url_is_split_at_its_marks(void **state)
{
    static const struct {
        const char *text;
        const char *media_type;
        bool base64, percent;
        const char *data;
    } cases[] = {
        {"data:text/plain;base64,aGk=", "text/plain", true, false, "aGk="},
        {"data:text/plain;charset=utf-8;base64,aGk=", "text/plain", true, false, "aGk="},
        {"DATA:Image/PNG;BASE64,AA==", "Image/PNG", true, false, "AA=="},
        {"data:,hello", "", false, true, "hello"},
        {"data:;base64,", "", true, false, ""},
        {"data:text/plain,a,b;base64", "text/plain", false, true, "a,b;base64"},
        {" \n\tdata:text/plain;base64,aGk=\r\n", "text/plain", true, false, "aGk="},
        {"data:text/plain ; Base64,aGk=", "text/plain", true, true, "aGk="}, /* as fetch reads it, and as RFC 2397 does */
        {"data:text/plain;base64;charset=utf-8,aGk=", "text/plain", true, true, "aGk="},
        {"data:text/plain;base64;,aGk=", "text/plain", true, true, "aGk="},
        {"data:base64,aGk=", "base64", false, true, "aGk="},
        {"data:text/plain;base64=1,aGk=", "text/plain", false, true, "aGk="},
    };
    struct data_url url;

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        assert_true(data_url_read(bytes_of(cases[index].text), &url));
        assert_bytes(cases[index].media_type, url.media_type);
        assert_int_equal(cases[index].base64, url.base64);
        assert_int_equal(cases[index].percent, url.percent);
        assert_bytes(cases[index].data, url.data);
    }
    assert_false(data_url_read(BYTES("data"), &url));
    assert_false(data_url_read(BYTES("data:text/plain;base64"), &url));
    assert_false(data_url_read(BYTES("https://host/a,b"), &url));
    assert_false(data_url_read(BYTES(""), &url));
}

static void families_compare_without_case(void **state)
{
    (void)state;
    assert_true(data_url_is_family(BYTES("Image/PNG"), "image/"));
    assert_false(data_url_is_family(BYTES("image"), "image/"));
    assert_false(data_url_is_family(BYTES("text/image"), "image/"));
}

static void the_word_base64_is_found_wherever_it_stands(void **state)
{
    static const char *const cases[][2] = {
        {"data:text/plain;x=\",\";Base64,eA==", "eA=="}, {"base64,eA==,base64,eQ==", "eA==,base64,eQ=="}, {"base64,", ""},
        {"data:,ase64,base6,4,base64", NULL},           {"", NULL},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct bytes found;

        assert_int_equal(cases[index][1] != NULL, data_url_find_base64(bytes_of(cases[index][0]), &found));
        if (cases[index][1] != NULL) {
            assert_bytes(cases[index][1], found);
        }
    }
}

static void base64_decodes_in_both_alphabets(void **state)
{
    static const struct {
        const char *base64;
        enum status status;
        const char *decoded;
    } cases[] = {
        {"", STATUS_OK, ""},
        {"Zg==", STATUS_OK, "f"},
        {"Zm8=", STATUS_OK, "fo"},
        {"Zm9v", STATUS_OK, "foo"},
        {"Zm9vYg", STATUS_OK, "foob"},
        {"Zm9v\r\nYmFy\n", STATUS_OK, "foobar"},
        {"+/-_", STATUS_OK, "\xFB\xFF\xBF"},
        {"Z", STATUS_OK, ""},
        {"Zm9vY", STATUS_OK, "foo"},
        {"Zm9v YmFy", STATUS_MALFORMED, "foo"},
        {"Zm9v.", STATUS_MALFORMED, "foo"},
        {"Zg==Zg==", STATUS_MALFORMED, "f"},
        {"Zm9v\xC3\xA9", STATUS_MALFORMED, "foo"},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        buffer_clear(&out);
        assert_status(cases[index].status, data_url_decode(bytes_of(cases[index].base64), &out));
        assert_bytes(cases[index].decoded, buffer_view(&out));
    }
}

static void a_loose_reader_skips_what_is_no_digit(void **state)
{
    static const char *const cases[][2] = {
        {"Zm9vYmFy", "foobar"},       {"*Zm9v.Ym\xC3\xA9\x01" "Fy", "foobar"}, {"Zm8=b2JhciE=", "foobar!"}, {"Zg%3D%3dZg", "ff"},
        {"%5Am9v%59mFy", "foobar"},   {"Zm9v%", "foo"},                      {"Zm9v%4", "foo"},            {"Zm9v%zz", "foo\xCF"},
        {"", ""},                     {"=", ""},
    };

    (void)state;
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        buffer_clear(&out);
        assert_status(STATUS_OK, data_url_decode_loosely(bytes_of(cases[index][0]), &out));
        assert_bytes(cases[index][1], buffer_view(&out));
    }
}

static void decoding_stops_at_the_bound(void **state)
{
    struct buffer small;

    (void)state;
    buffer_init(&small, 6);
    assert_status(STATUS_OK, data_url_decode(BYTES("Zm9vYmFy"), &small));
    assert_bytes("foobar", buffer_view(&small));
    buffer_clear(&small);
    assert_status(STATUS_TOO_LARGE, data_url_decode(BYTES("Zm9vYmFyIQ=="), &small));
    assert_bytes("foobar", buffer_view(&small));
    buffer_clear(&small);
    assert_status(STATUS_TOO_LARGE, data_url_decode_loosely(BYTES("Zm9v.YmFyIQ=="), &small));
    assert_bytes("foobar", buffer_view(&small));
    buffer_free(&small);
}

static void a_run_is_base64_from_its_least_length_on(void **state)
{
    char text[BASE64_RUN_BYTES_MIN];

    (void)state;
    memset(text, 'A', sizeof text);
    text[7] = '-';
    text[8] = '_';
    text[sizeof text - 1] = '=';
    assert_true(data_url_is_base64_run((struct bytes){text, sizeof text}));
    assert_false(data_url_is_base64_run((struct bytes){text, sizeof text - 1}));
    text[100] = ' ';
    assert_false(data_url_is_base64_run((struct bytes){text, sizeof text}));
    text[100] = '.';
    assert_false(data_url_is_base64_run((struct bytes){text, sizeof text}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_data_url_is_split_at_its_marks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(families_compare_without_case, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_word_base64_is_found_wherever_it_stands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(base64_decodes_in_both_alphabets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_loose_reader_skips_what_is_no_digit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(decoding_stops_at_the_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_is_base64_from_its_least_length_on, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
