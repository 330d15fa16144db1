/* message_check: hostile msgpack is refused before anything is reserved for it; whole good objects pass. */
#include "support/unit.h"

#include "proto/limits.h"
#include "proto/message.h"
#include "proto/message_check.h"

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

enum { VECTOR_BYTES_MAX = MIB };

/* Reads a file of the vectors; the caller frees. */
static struct bytes read_vector(const char *name)
{
    char path[PATH_BYTES_MAX];
    char *data = malloc(VECTOR_BYTES_MAX);
    FILE *file;
    size_t count;

    assert_non_null(data);
    (void)snprintf(path, sizeof path, "%s/msgpack/%s", TEST_VECTORS, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    count = fread(data, 1, VECTOR_BYTES_MAX, file);
    assert_true(count > 0 && count < VECTOR_BYTES_MAX);
    (void)fclose(file);
    /* Exactly as long as its content, so that the sanitizer sees a read past its end. */
    data = realloc(data, count);
    return (struct bytes){data, count};
}

/* Does msgpack-c take exactly these bytes as one object? */
static bool library_takes(struct bytes frame)
{
    msgpack_unpacked unpacked;
    size_t used = 0;
    bool taken;

    msgpack_unpacked_init(&unpacked);
    taken = frame.count > 0 &&
            msgpack_unpack_next(&unpacked, frame.data, frame.count, &used) == MSGPACK_UNPACK_SUCCESS &&
            used == frame.count;
    msgpack_unpacked_destroy(&unpacked);
    return taken;
}

static void no_reader_takes_what_the_corpus_rejects(void **state)
{
    struct bytes manifest = read_vector("manifest.tsv");
    struct bytes rest = manifest;
    unsigned rejected = 0;

    (void)state;
    while (rest.count > 0) {
        struct bytes line = bytes_first(rest, (size_t)bytes_find(rest, '\n'));
        struct bytes name = bytes_first(line, (size_t)bytes_find(line, '\t'));
        struct bytes verdict = bytes_from(line, name.count + 1);
        char file[PATH_BYTES_MAX];

        rest = bytes_from(rest, line.count + 1);
        verdict = bytes_first(verdict, (size_t)bytes_find(verdict, '\t'));
        if (bytes_ends_with(name, BYTES(".bin"))) {
            struct bytes frame;
            enum message_type type;

            assert_status(STATUS_OK, bytes_copy(name, file, sizeof file));
            frame = read_vector(file);
            if (bytes_equal(verdict, BYTES("decode"))) {
                assert_status(STATUS_OK, message_check(frame));
            } else if (bytes_equal(verdict, BYTES("reject"))) {
                rejected++;
                assert_int_not_equal(STATUS_OK, message_read_type(frame, &type));
            }
            /* Whatever passes the check, the library takes too. */
            if (message_check(frame) == STATUS_OK) {
                assert_true(library_takes(frame));
            }
            free((void *)frame.data);
        }
    }
    assert_true(rejected >= 14);
    free((void *)manifest.data);
}

static void lengths_that_lie_are_malformed(void **state)
{
    static const char *const names[] = {"array32-4g.bin", "bin32-4g.bin", "ext32-4g.bin", "str32-4g.bin", "trunc-31.bin"};

    (void)state;
    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++) {
        struct bytes frame = read_vector(names[index]);

        assert_status(STATUS_MALFORMED, message_check(frame));
        free((void *)frame.data);
    }
}

static void a_count_above_the_bytes_left_is_a_lie_before_it_is_too_many(void **state)
{
    static unsigned char data[MSGPACK_ITEMS_MAX + 100];

    (void)state;
    memset(data, 0xc0, sizeof data);
    data[0] = 0xdd;
    memset(data + 1, 0xff, 4);
    assert_status(STATUS_MALFORMED, message_check((struct bytes){(char *)data, sizeof data}));
    data[0] = 0xdf; /* pairs count twice */
    assert_status(STATUS_MALFORMED, message_check((struct bytes){(char *)data, sizeof data}));
}

/* "c4-01-ff" */
static struct bytes from_hex(const char *text, char *out)
{
    size_t count = 0;

    for (; *text != '\0'; text += text[2] == '-' ? 3 : 2) {
        out[count++] = (char)strtoul((char[]){text[0], text[1], '\0'}, NULL, 16);
    }
    return (struct bytes){out, count};
}

static void every_encoding_of_the_suite_passes_and_no_prefix_of_it(void **state)
{
    struct bytes suite = read_vector("msgpack-test-suite.json");
    yyjson_doc *document = yyjson_read(suite.data, suite.count, 0);
    yyjson_obj_iter groups;
    yyjson_val *name;
    unsigned encodings = 0;

    (void)state;
    assert_non_null(document);
    yyjson_obj_iter_init(yyjson_doc_get_root(document), &groups);
    while ((name = yyjson_obj_iter_next(&groups)) != NULL) {
        size_t index, max;
        yyjson_val *test;

        yyjson_arr_foreach(yyjson_obj_iter_get_val(name), index, max, test)
        {
            size_t inner, inner_max;
            yyjson_val *encoding;

            yyjson_arr_foreach(yyjson_obj_get(test, "msgpack"), inner, inner_max, encoding)
            {
                char *data = malloc(yyjson_get_len(encoding) + 1);
                struct bytes frame = from_hex(yyjson_get_str(encoding), data);

                encodings++;
                assert_status(STATUS_OK, message_check(frame));
                for (size_t count = 0; count < frame.count; count++) {
                    assert_status(STATUS_MALFORMED, message_check(bytes_first(frame, count)));
                }
                free(data);
            }
        }
    }
    assert_true(encodings > 200);
    yyjson_doc_free(document);
    free((void *)suite.data);
}

/* Every first byte, several second ones, with zeros behind: the check and the library say the same. */
static void every_header_is_judged_as_the_library_judges_it(void **state)
{
    static const unsigned char seconds[] = {0, 1, 2, 3, 15, 16, 17, 127, 128, 255};
    unsigned char data[24];

    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        /* A container whose length field claims millions makes the library reserve them: that is what the check is for. */
        size_t second_count = first >= 0xdc && first <= 0xdf ? 1 : sizeof seconds;

        for (size_t second = 0; second < second_count; second++) {
            for (size_t count = 1; count <= sizeof data; count++) {
                struct bytes frame = {(const char *)data, count};

                memset(data, 0, sizeof data);
                data[0] = (unsigned char)first;
                data[1] = seconds[second];
                assert_int_equal(library_takes(frame), message_check(frame) == STATUS_OK);
            }
        }
    }
}

static void the_byte_that_is_never_used_is_malformed(void **state)
{
    (void)state;
    assert_status(STATUS_MALFORMED, message_check(BYTES("\xc1")));
    assert_status(STATUS_MALFORMED, message_check(BYTES("\x91\xc1")));
    assert_status(STATUS_MALFORMED, message_check(BYTES("")));
}

static void bytes_behind_the_object_are_malformed(void **state)
{
    (void)state;
    assert_status(STATUS_OK, message_check(BYTES("\x92\x01\x06")));
    assert_status(STATUS_MALFORMED, message_check(BYTES("\x92\x01\x06\x00")));
    assert_status(STATUS_MALFORMED, message_check((struct bytes){"\x01\x02", 2}));
}

static void nesting_is_bounded_exactly(void **state)
{
    char data[MSGPACK_DEPTH_MAX + 2];

    (void)state;
    memset(data, '\x91', sizeof data);
    data[MSGPACK_DEPTH_MAX] = '\xc0';
    assert_status(STATUS_OK, message_check((struct bytes){data, MSGPACK_DEPTH_MAX + 1}));
    data[MSGPACK_DEPTH_MAX] = '\x91';
    data[MSGPACK_DEPTH_MAX + 1] = '\xc0';
    assert_status(STATUS_TOO_LARGE, message_check((struct bytes){data, MSGPACK_DEPTH_MAX + 2}));
    data[MSGPACK_DEPTH_MAX] = '\x90'; /* an empty array opens nothing */
    assert_status(STATUS_OK, message_check((struct bytes){data, MSGPACK_DEPTH_MAX + 1}));
}

static void containers_that_end_together_end_the_message(void **state)
{
    (void)state;
    assert_status(STATUS_OK, message_check((struct bytes){"\x92\x81\x01\x92\x02\x90\x80", 7}));
    assert_status(STATUS_MALFORMED, message_check((struct bytes){"\x92\x81\x01\x92\x02\x90\x80\x00", 8}));
    assert_status(STATUS_MALFORMED, message_check((struct bytes){"\x92\x81\x01\x92\x02\x90", 6}));
}

/* An array of `count` nils with its header of three bytes. */
static enum status check_nils(unsigned char *data, size_t count)
{
    memset(data, 0xc0, count + 3);
    data[0] = 0xdc;
    data[1] = (unsigned char)(count >> 8);
    data[2] = (unsigned char)(count & 0xff);
    return message_check((struct bytes){(char *)data, count + 3});
}

static void objects_are_bounded_exactly(void **state)
{
    static unsigned char data[MSGPACK_ITEMS_MAX + 3];

    (void)state;
    assert_status(STATUS_OK, check_nils(data, MSGPACK_ITEMS_MAX - 1)); /* the array itself is one */
    assert_status(STATUS_TOO_LARGE, check_nils(data, MSGPACK_ITEMS_MAX));
}

static void an_arrays_header_is_stepped_over(void **state)
{
    struct bytes rest = BYTES("\x92\x01\x06");
    struct bytes cut = BYTES("\x93\x01\x06");
    struct bytes map = BYTES("\x81\x01\x06");
    size_t count = 99;

    (void)state;
    assert_status(STATUS_MALFORMED, message_check_array(&cut, &count));
    assert_status(STATUS_MALFORMED, message_check_array(&map, &count));
    assert_int_equal(3, map.count);
    assert_int_equal(99, count);
    assert_status(STATUS_OK, message_check_array(&rest, &count));
    assert_int_equal(2, count);
    assert_bytes("\x01\x06", rest);
}

static void a_text_is_stepped_over_whatever_its_header(void **state)
{
    const struct bytes good[] = {BYTES("\xa2hi!"), BYTES("\xd9\x02hi!"), BYTES("\xda\x00\x02hi!"),
                                        BYTES("\xdb\x00\x00\x00\x02hi!")};
    const struct bytes bad[] = {BYTES(""),         BYTES("\xa2h"), BYTES("\xd9"), BYTES("\xd9\x03hi"), BYTES("\xda\x00"),
                                       BYTES("\xc4\x02hi"), BYTES("\x02hi"), BYTES("\x92hi"), BYTES("\xc0"),
                                       BYTES("\xdb\xff\xff\xff\xffhi")};
    struct bytes text = BYTES("?");

    (void)state;
    for (size_t index = 0; index < sizeof good / sizeof *good; index++) {
        struct bytes rest = good[index];

        assert_status(STATUS_OK, message_check_text(&rest, &text));
        assert_bytes("hi", text);
        assert_bytes("!", rest);
    }
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        struct bytes rest = bad[index];

        assert_status(STATUS_MALFORMED, message_check_text(&rest, &text));
        assert_int_equal(bad[index].count, rest.count);
        assert_bytes("hi", text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_reader_takes_what_the_corpus_rejects),
        cmocka_unit_test(lengths_that_lie_are_malformed),
        cmocka_unit_test(a_count_above_the_bytes_left_is_a_lie_before_it_is_too_many),
        cmocka_unit_test(every_encoding_of_the_suite_passes_and_no_prefix_of_it),
        cmocka_unit_test(every_header_is_judged_as_the_library_judges_it),
        cmocka_unit_test(the_byte_that_is_never_used_is_malformed),
        cmocka_unit_test(bytes_behind_the_object_are_malformed),
        cmocka_unit_test(nesting_is_bounded_exactly),
        cmocka_unit_test(containers_that_end_together_end_the_message),
        cmocka_unit_test(objects_are_bounded_exactly),
        cmocka_unit_test(an_arrays_header_is_stepped_over),
        cmocka_unit_test(a_text_is_stepped_over_whatever_its_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
