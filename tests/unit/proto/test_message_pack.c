/* message_pack: fields keep their first failure; names are clean UTF-8; a failed message leaves no trace. */
#include "support/unit.h"

#include "proto/message_pack.h"

#include <math.h>

static void a_message_that_does_not_fit_leaves_the_buffer_as_it_was(void **state)
{
    struct buffer out;
    struct packer packer;

    (void)state;
    buffer_init(&out, 8);
    assert_status(STATUS_OK, buffer_append_text(&out, "ab"));
    pack_begin(&packer, &out);
    pack_array(&packer, 2);
    pack_text(&packer, BYTES("123456")); /* 2 + 1 + 7 bytes, and 8 are allowed */
    pack_unsigned(&packer, 1);           /* would fit by itself; the failure sticks */
    assert_status(STATUS_TOO_LARGE, pack_end(&packer));
    assert_bytes("ab", buffer_view(&out));

    pack_begin(&packer, &out);
    pack_text(&packer, BYTES("12345"));
    assert_status(STATUS_OK, pack_end(&packer));
    assert_bytes("ab\xa5"
                 "12345",
                 buffer_view(&out));
    buffer_free(&out);
}

static void fields_come_back_as_they_were(void **state)
{
    struct buffer out;
    struct packer packer;
    struct unpacker unpacker;

    (void)state;
    buffer_init(&out, KIB);
    pack_begin(&packer, &out);
    pack_head(&packer, 7, MESSAGE_BUSY);
    pack_unsigned(&packer, UINT64_MAX);
    pack_real(&packer, 0.5f);
    pack_real(&packer, NAN);
    pack_text(&packer, BYTES("text"));
    pack_binary(&packer, BYTES("binary"));
    assert_status(STATUS_OK, pack_end(&packer));

    assert_status(STATUS_MALFORMED, unpack_begin(&unpacker, buffer_view(&out), MESSAGE_BUSY, 6));
    assert_status(STATUS_MALFORMED, unpack_begin(&unpacker, buffer_view(&out), MESSAGE_TASK, 7));
    assert_status(STATUS_OK, unpack_begin(&unpacker, buffer_view(&out), MESSAGE_BUSY, 7));
    assert_true(unpack_unsigned(&unpacker, UINT64_MAX) == UINT64_MAX);
    assert_true(unpack_score(&unpacker) == 0.5f);
    assert_true(isnan(unpack_score(&unpacker)));
    assert_bytes("text", unpack_text(&unpacker, 4));
    assert_status(STATUS_MALFORMED, unpack_end(&unpacker)); /* something is left */
    assert_bytes("binary", unpack_binary(&unpacker, 6, 6));
    assert_status(STATUS_OK, unpack_end(&unpacker));
    buffer_free(&out);
}

static void a_field_past_its_maximum_or_of_another_type_spoils_the_rest(void **state)
{
    struct unpacker number = {.rest = BYTES("\x05\x01")};
    struct unpacker text = {.rest = BYTES("\xa2hi")};
    struct unpacker binary = {.rest = BYTES("\xc4\x02hi")};
    struct unpacker negative = {.rest = BYTES("\xff")};
    struct unpacker score = {.rest = BYTES("\xca\x3f\x80\x00\x01")}; /* the next float above 1 */
    struct unpacker one = {.rest = (struct bytes){"\xca\x3f\x80\x00\x00", 5}};
    struct unpacker nothing = {.rest = BYTES("")};

    (void)state;
    assert_int_equal(0, unpack_unsigned(&number, 4));
    assert_int_equal(0, unpack_unsigned(&number, 4)); /* the 1 behind it is not read any more */
    assert_status(STATUS_MALFORMED, unpack_end(&number));
    assert_int_equal(0, unpack_text(&text, 1).count);
    assert_true(text.bad);
    assert_int_equal(0, unpack_binary(&binary, 3, 5).count);
    assert_true(binary.bad);
    (void)unpack_unsigned(&negative, UINT64_MAX);
    assert_true(negative.bad);
    (void)unpack_score(&score);
    assert_true(score.bad);
    assert_true(unpack_score(&one) == 1.0f);
    assert_false(one.bad);
    (void)unpack_unsigned(&nothing, 1);
    assert_true(nothing.bad);
}

static void names_are_utf8_without_control_characters(void **state)
{
    static const char *const good[] = {"", "hate/threatening", "\xe8\x89\xb2\xe6\x83\x85", "\xf4\x8f\xbf\xbf", "\xc2\x80"};
    static const char *const bad[] = {
        "a\nb", "\x7f",                        /* control characters */
        "\x80", "\xc0\x80", "\xc1\xbf",        /* no first byte; overlong */
        "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf",    /* overlong */
        "\xed\xa0\x80", "\xf4\x90\x80\x80",    /* a surrogate; above U+10FFFF */
        "\xf5\x80\x80\x80", "\xff",            /* no first byte */
        "\xe8\x89", "\xe8\x89z", "\xc3(",       /* cut short, or broken off */
    };

    (void)state;
    for (size_t index = 0; index < sizeof good / sizeof good[0]; index++) {
        assert_true(name_is_sound(bytes_of(good[index]), 64));
    }
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        assert_false(name_is_sound(bytes_of(bad[index]), 64));
    }
    assert_false(name_is_sound((struct bytes){"a\0b", 3}, 64));
    assert_true(name_is_sound(BYTES("abc"), 3));
    assert_false(name_is_sound(BYTES("abcd"), 3));
    assert_false(profile_is_sound(BYTES("")));
    assert_true(profile_is_sound(BYTES("default")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_that_does_not_fit_leaves_the_buffer_as_it_was),
        cmocka_unit_test(fields_come_back_as_they_were),
        cmocka_unit_test(a_field_past_its_maximum_or_of_another_type_spoils_the_rest),
        cmocka_unit_test(names_are_utf8_without_control_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
