/* test_fold: what folding makes equal, that chunks never show, and both sides of its bounds. */
#include "support/unit.h"

#include "moderator/fold.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <time.h>

static int open_fold(void **state)
{
    struct fold *fold = NULL;

    assert_status(STATUS_OK, fold_open(&fold));
    *state = fold;
    return 0;
}

static int close_fold(void **state)
{
    struct fold *fold = *state;

    fold_close(&fold);
    assert_null(fold);
    fold_close(&fold); /* takes NULL */
    return 0;
}

static void folds_to(struct fold *fold, const char *text, const char *expected)
{
    struct buffer out;

    buffer_init(&out, 4 * KIB);
    assert_status(STATUS_OK, fold_append(fold, bytes_of(text), &out));
    assert_bytes(expected, buffer_view(&out));
    buffer_free(&out);
}

static void case_and_compatibility_forms_become_one(void **state)
{
    folds_to(*state, "Plain ASCII 42!", "plain ascii 42!");
    folds_to(*state, "\xef\xbc\xa6\xef\xbc\xaf\xef\xbc\xb2\xef\xbc\xa2\xef\xbc\xa9\xef\xbc\xa4", "forbid"); /* full-width */
    folds_to(*state, "Stra\xc3\x9f" "e STRASSE", "strasse strasse");
    folds_to(*state, "\xd0\x9d\xd0\x90\xd0\xa0\xd0\x9a\xd0\x9e", "\xd0\xbd\xd0\xb0\xd1\x80\xd0\xba\xd0\xbe"); /* Cyrillic */
    folds_to(*state, "\xef\xac\x81re", "fire");       /* the ligature fi */
    folds_to(*state, "\xe2\x84\xaa" "ey", "key");     /* the Kelvin sign */
    folds_to(*state, "\xf0\x9d\x90\x9b\xf0\x9d\x90\x9a", "ba"); /* mathematical bold */
    folds_to(*state, "e\xcc\x81", "\xc3\xa9");        /* letter and mark compose */
}

static void what_cannot_be_seen_is_dropped(void **state)
{
    folds_to(*state, "for\xe2\x80\x8b" "bid\xe2\x80\x8d" "den\xc2\xad", "forbidden");
    folds_to(*state, "\xe2\x80\x8b\xef\xbb\xbf", "");
}

static void broken_bytes_become_the_replacement_character(void **state)
{
    folds_to(*state, "a\xff" "b", "a\xef\xbf\xbd" "b");
    folds_to(*state, "\xe2\x82", "\xef\xbf\xbd");
}

static void ascii_is_lent_as_it_is(void **state)
{
    struct bytes text = BYTES("Not Copied");
    struct bytes rest = text;
    struct bytes piece;

    assert_status(STATUS_OK, fold_next(*state, &rest, &piece));
    assert_ptr_equal(piece.data, text.data);
    assert_int_equal(piece.count, text.count);
    assert_status(STATUS_NOT_FOUND, fold_next(*state, &rest, &piece));
}

static void a_chunk_of_the_bound_is_one_piece_and_one_byte_more_are_two(void **state)
{
    char *text = malloc(FOLD_CHUNK_BYTES + 1);
    struct bytes piece;
    struct bytes rest;

    assert_non_null(text);
    memset(text, 'a', FOLD_CHUNK_BYTES + 1);
    rest = (struct bytes){text, FOLD_CHUNK_BYTES};
    assert_status(STATUS_OK, fold_next(*state, &rest, &piece));
    assert_int_equal(rest.count, 0);
    rest = (struct bytes){text, FOLD_CHUNK_BYTES + 1};
    assert_status(STATUS_OK, fold_next(*state, &rest, &piece));
    assert_int_equal(piece.count, FOLD_CHUNK_BYTES);
    assert_int_equal(rest.count, 1);
    free(text);
}

/* The border of the first chunk is moved over every byte of a text whose parts join: the folded whole must not change. */
static void a_border_between_chunks_never_shows(void **state)
{
    static const char hard[] = "e\xcc\x81 A\xe2\x80\x8d\xcc\x8a \xef\xbc\xa6\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab q\xcc\xa3\xcc\x87 "
                               "\xf0\x9d\x90\x9b\xc3\x9f";
    static const char folded[] = "\xc3\xa9 \xc3\xa5 f\xed\x95\x9c q\xcc\xa3\xcc\x87 bss";
    size_t hard_count = sizeof hard - 1;
    char *text = malloc(FOLD_CHUNK_BYTES + sizeof hard);

    assert_non_null(text);
    for (size_t before = FOLD_CHUNK_BYTES - hard_count - 1; before <= FOLD_CHUNK_BYTES; before++) {
        struct buffer out;

        memset(text, 'x', before);
        memcpy(text + before, hard, hard_count);
        buffer_init(&out, 2 * FOLD_CHUNK_BYTES);
        assert_status(STATUS_OK, fold_append(*state, (struct bytes){text, before + hard_count}, &out));
        assert_bytes(folded, bytes_from(buffer_view(&out), before));
        buffer_free(&out);
    }
    free(text);
}

static void a_chunk_of_marks_alone_is_cut_between_two_of_them(void **state)
{
    size_t count = 2 * FOLD_CHUNK_BYTES;
    char *text = malloc(count);
    struct buffer out;

    assert_non_null(text);
    for (size_t index = 0; index < count; index += 2) {
        memcpy(text + index, "\xcc\x81", 2);
    }
    buffer_init(&out, count);
    assert_status(STATUS_OK, fold_append(*state, (struct bytes){text, count}, &out));
    assert_int_equal(out.count, count);
    buffer_free(&out);
    free(text);
}

/* The same letter under `count` marks in an order that folding must change. */
static size_t marked_letter(char *out, size_t count)
{
    size_t at = 0;

    out[at++] = 'q';
    for (size_t mark = 0; mark < count; mark++, at += 2) {
        memcpy(out + at, mark % 2 == 0 ? "\xcc\x87" : "\xcc\xa3", 2); /* above, below */
    }
    return at;
}

static void marks_up_to_the_bound_are_put_in_order_together_and_one_more_is_cut_off(void **state)
{
    char text[2 * FOLD_MARKS_MAX + 3];
    struct bytes piece;
    struct bytes rest = {text, marked_letter(text, FOLD_MARKS_MAX)};

    assert_status(STATUS_OK, fold_next(*state, &rest, &piece));
    assert_int_equal(0, rest.count);
    rest = (struct bytes){text, marked_letter(text, FOLD_MARKS_MAX + 1)};
    assert_status(STATUS_OK, fold_next(*state, &rest, &piece));
    assert_int_equal(2, rest.count);
}

static void invisible_characters_between_letter_and_mark_are_no_marks(void **state)
{
    struct buffer text;
    struct buffer out;

    buffer_init(&text, 4 * KIB);
    buffer_init(&out, 4 * KIB);
    assert_status(STATUS_OK, buffer_append_text(&text, "e"));
    for (int count = 0; count < 3 * FOLD_MARKS_MAX; count++) {
        assert_status(STATUS_OK, buffer_append_text(&text, "\xe2\x80\x8b"));
    }
    assert_status(STATUS_OK, buffer_append_text(&text, "\xcc\x81"));
    assert_status(STATUS_OK, fold_append(*state, buffer_view(&text), &out));
    assert_bytes("\xc3\xa9", buffer_view(&out));
    buffer_free(&text);
    buffer_free(&out);
}

/* n marks take n * n steps to put in order: a text of four megabytes took half a minute. */
static void marks_in_the_wrong_order_cost_no_more_than_other_text(void **state)
{
    char *text = malloc(MIB);
    struct bytes rest = {text, MIB};
    struct bytes piece;
    size_t folded_count = 0;
    clock_t started = clock(); /* of this process: other load does not count */

    assert_non_null(text);
    for (size_t index = 0; index < MIB; index += 4) {
        memcpy(text + index, "\xcc\x81\xcc\xa3", 4);
    }
    while (fold_next(*state, &rest, &piece) == STATUS_OK) {
        folded_count += piece.count;
    }
    assert_int_equal(MIB, folded_count);
    assert_true(clock() - started < 2 * CLOCKS_PER_SEC); /* measured: 0.08 s, and 5 s without the bound */
    free(text);
}

/* U+FDFA has the longest mapping there is; a chunk full of it must fit. */
static void the_longest_mapping_fits(void **state)
{
    size_t count = FOLD_CHUNK_BYTES / 3 * 3;
    char *text = malloc(count);
    struct bytes rest = {text, count};
    struct bytes piece;

    assert_non_null(text);
    for (size_t index = 0; index < count; index += 3) {
        memcpy(text + index, "\xef\xb7\xba", 3);
    }
    assert_status(STATUS_OK, fold_next(*state, &rest, &piece));
    assert_int_equal(rest.count, 0);
    assert_int_equal(piece.count, count / 3 * 33);
    free(text);
}

static void a_full_buffer_keeps_what_it_had(void **state)
{
    struct buffer out;

    buffer_init(&out, 5);
    assert_status(STATUS_OK, buffer_append_text(&out, "ab"));
    assert_status(STATUS_OK, fold_append(*state, BYTES("CDE"), &out));
    assert_bytes("abcde", buffer_view(&out));
    assert_status(STATUS_TOO_LARGE, fold_append(*state, BYTES("F"), &out));
    assert_bytes("abcde", buffer_view(&out));
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_and_compatibility_forms_become_one),
        cmocka_unit_test(what_cannot_be_seen_is_dropped),
        cmocka_unit_test(broken_bytes_become_the_replacement_character),
        cmocka_unit_test(ascii_is_lent_as_it_is),
        cmocka_unit_test(a_chunk_of_the_bound_is_one_piece_and_one_byte_more_are_two),
        cmocka_unit_test(a_border_between_chunks_never_shows),
        cmocka_unit_test(a_chunk_of_marks_alone_is_cut_between_two_of_them),
        cmocka_unit_test(marks_up_to_the_bound_are_put_in_order_together_and_one_more_is_cut_off),
        cmocka_unit_test(invisible_characters_between_letter_and_mark_are_no_marks),
        cmocka_unit_test(marks_in_the_wrong_order_cost_no_more_than_other_text),
        cmocka_unit_test(the_longest_mapping_fits),
        cmocka_unit_test(a_full_buffer_keeps_what_it_had),
    };

    return cmocka_run_group_tests(tests, open_fold, close_fold);
}
