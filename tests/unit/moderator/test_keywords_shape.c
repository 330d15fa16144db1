/* test_keywords_shape: how a keyword may be spelled and still be found, how not, and both sides of each bound. */
#include "support/word_list.h"

#include "moderator/keywords_shape.h"

#include <time.h>

#define LIST(lines) word_list_open(*state, bytes_of(lines))

static void letters_that_stand_alone_are_read_over_gaps(void **state)
{
    struct word_list list = LIST("contraband\n");

    assert_true(word_list_has(&list, "c o n t r a b a n d"));
    assert_true(word_list_has(&list, "a c.o.n.t.r.a.b.a.n.d!"));
    assert_true(word_list_has(&list, "c**o**n**t**r**a**b**a**n**d"));
    assert_true(word_list_has(&list, "\u8BF4c-o n_t\u2010r\u3000a\nb a n d\u8BF4"));
    assert_true(word_list_has(&list, "this i s c o n t r a b a n d s o"));
    assert_false(word_list_has(&list, "contra band"));
    assert_false(word_list_has(&list, "con-tra-band"));
    assert_false(word_list_has(&list, "c o n t r a band"));
    assert_false(word_list_has(&list, "xc o n t r a b a n d"));
    assert_false(word_list_has(&list, "c o n t r a b a n dx"));
    word_list_close(&list);
}

static void three_letters_that_stand_alone_are_too_few_and_four_are_enough(void **state)
{
    struct word_list list = LIST("abc\n");

    assert_true(word_list_has(&list, "abc"));
    assert_false(word_list_has(&list, "a b c"));
    assert_false(word_list_has(&list, "of a b c to"));
    assert_true(word_list_has(&list, "x a b c"));
    assert_true(word_list_has(&list, "a b c x"));
    assert_false(word_list_has(&list, "xx a b c xx"));
    assert_false(word_list_has(&list, "\u8BF4 a b c \u8BF4"));
    word_list_close(&list);
}

static void a_gap_of_the_keyword_is_any_gap_but_none(void **state)
{
    struct word_list list = LIST("forged passport\nforbidden-keyword\n");

    assert_true(word_list_has(&list, "forged passport"));
    assert_true(word_list_has(&list, "forged_passport"));
    assert_true(word_list_has(&list, "forged,\n  passport"));
    assert_true(word_list_has(&list, "f o r g e d p a s s p o r t"));
    assert_true(word_list_has(&list, "f.o.r.g.e.d passport"));
    assert_false(word_list_has(&list, "forgedpassport"));
    assert_false(word_list_has(&list, "forged a passport"));
    assert_true(word_list_has(&list, "forbidden\u2010keyword"));
    assert_true(word_list_has(&list, "forbidden\u00AD-\u200Fkeyword"));
    assert_false(word_list_has(&list, "forbiddenkeyword"));
    word_list_close(&list);
}

/* A gateway decodes "forbidden\ud800-keyword", which JSON may hold, to U+FFFD: a model reads on, and so do we. */
static void half_a_pair_hides_nothing(void **state)
{
    struct word_list list = LIST("forbidden-keyword\n");

    assert_true(word_list_has(&list, "forbidden\uFFFD-keyword"));
    assert_true(word_list_has(&list, "forb\uFFFDidden-keyw\xFFord"));
    assert_false(word_list_has(&list, "forbidden\uFFFDkeyword"));
    word_list_close(&list);
}

static void what_cannot_be_seen_and_marks_hide_nothing(void **state)
{
    struct word_list list = LIST("contraband\n");

    assert_true(word_list_has(&list, "c\u200Bo\u200Dn\u2060t\uFEFFr\u00ADa\u034Fb\u202Ba\u200En\u061Cd"));
    assert_true(word_list_has(&list, "co\U000E0061\U000E0062ntraband"));
    assert_true(word_list_has(&list, "c\u0301\u0302o\u20DDntr\u0E34aba\uFE0Fnd"));
    assert_true(word_list_has(&list, "\U000E0063\U000E006F\U000E006E\U000E0074\U000E0072\U000E0061\U000E0062\U000E0061\U000E006E\U000E0064"));
    assert_true(word_list_has(&list, "see \u202Ednabartnoc\u202C"));
    assert_true(word_list_has(&list, "{\"see\":\"\\u0063ontrab\\u0061nd\"}"));
    word_list_close(&list);
}

static void look_alikes_are_the_letters(void **state)
{
    struct word_list list = LIST("contraband\nskimmer\n\u043D\u0430\u0440\u043A\u043E\u0442\u0438\u043A\n");

    assert_true(word_list_has(&list, "\u0441\u043Entr\u0430b\u0430nd"));
    assert_true(word_list_has(&list, "\u0421\u041EN\u0422R\u0410\u0412\u0410ND")); /* Cyrillic capitals */
    assert_true(word_list_has(&list, "c\u03BF\u03B7tr\u03B1b\u03B1\u03B7d"));
    assert_true(word_list_has(&list, "\uFF43\uFF4F\uFF4E\uFF54\uFF52\uFF41\uFF42\uFF41\uFF4E\uFF44"));
    assert_true(word_list_has(&list, "\U0001D41C\U0001D428\U0001D427\U0001D42D\U0001D42B\U0001D41A\U0001D41B\U0001D41A\U0001D427\U0001D41D"));
    assert_true(word_list_has(&list, "sk\u05C0mmer"));
    assert_true(word_list_has(&list, "\u041D\u0410\u0420\u041A\u041E\u0422\u0418\u041A"));
    assert_true(word_list_has(&list, "\u043Dap\u043Ao\u0442\u0438\u043A")); /* a, p, o of ASCII */
    assert_false(word_list_has(&list, "\u043A\u043E\u043D\u0442\u0440\u0430\u0431\u0430\u043D\u0434\u0430")); /* the Russian word is another */
    word_list_close(&list);
}

static void digits_and_symbols_are_put_for_letters(void **state)
{
    struct word_list list = LIST("contraband\nwirefraud\nillicit\nforged passport\n");

    assert_true(word_list_has(&list, "c0n7r4b4nd"));
    assert_true(word_list_has(&list, "(on+r@b@nd"));
    assert_true(word_list_has(&list, "w1r3fr4ud"));
    assert_true(word_list_has(&list, "w!r\u20ACfr@ud"));
    assert_true(word_list_has(&list, "1ll1c1t"));
    assert_true(word_list_has(&list, "i|licit"));
    assert_true(word_list_has(&list, "f0rg3d p455p0r7"));
    assert_true(word_list_has(&list, "forged p@$$por+"));
    assert_true(word_list_has(&list, "a wirefraud! (contraband)"));
    word_list_close(&list);
}

static void letters_are_never_put_for_letters_and_numbers_are_no_words(void **state)
{
    struct word_list list = LIST("fall\nsoso\nboss\nlil\n");

    assert_false(word_list_has(&list, "fail"));
    assert_false(word_list_has(&list, "5050"));
    assert_true(word_list_has(&list, "5o5o"));
    assert_false(word_list_has(&list, "50s0"));
    assert_false(word_list_has(&list, "8055"));
    assert_false(word_list_has(&list, "lll iii ill"));
    word_list_close(&list);
}

static void digits_and_symbols_of_a_keyword_are_themselves(void **state)
{
    struct word_list list = LIST("b00k\nmp3\n.onion\n$hit-\nc++\nr&d\n");

    assert_true(word_list_has(&list, "a b00k"));
    assert_false(word_list_has(&list, "a book"));
    assert_false(word_list_has(&list, "stampede"));
    assert_true(word_list_has(&list, "abc.onion"));
    assert_true(word_list_has(&list, "abc\uFF0E\u043Enion"));
    assert_false(word_list_has(&list, "an onion"));
    assert_true(word_list_has(&list, "$HIT-x"));
    assert_false(word_list_has(&list, "$hit"));
    assert_false(word_list_has(&list, "hit-"));
    assert_true(word_list_has(&list, "C++"));
    assert_true(word_list_has(&list, "\u0421++")); /* Cyrillic: as its glyphs */
    assert_false(word_list_has(&list, "c t t"));
    assert_false(word_list_has(&list, "r d"));
    word_list_close(&list);
}

static void chinese_is_read_over_gaps_and_in_both_scripts(void **state)
{
    struct word_list list = LIST("\u8D4C\u535A\n\u9055\u7981\u54C1\n");

    assert_true(word_list_has(&list, "\u8D4C*\u535A"));
    assert_true(word_list_has(&list, "\u8CED\uFF0C\u535A"));
    assert_true(word_list_has(&list, "\u8FDD \u7981 \u54C1"));
    assert_false(word_list_has(&list, "\u535A\u8D4C"));
    assert_false(word_list_has(&list, "\u8D4Cx\u535A"));
    word_list_close(&list);
}

static void vowels_that_are_marks_tell_words_apart(void **state)
{
    /* Devanagari "kam" and "kum", Thai "kin" and "kan"; Korean; a mark at the end. */
    struct word_list list = LIST("\u0915\u092E\n\u0E01\u0E34\u0E19\n\uB9C8\uC57D\n\u0928\u0926\u0940\n");

    assert_true(word_list_has(&list, "\u0915\u092E"));
    assert_false(word_list_has(&list, "\u0915\u0941\u092E"));
    assert_true(word_list_has(&list, "x\u0E01\u0E34\u0E19x"));
    assert_false(word_list_has(&list, "\u0E01\u0E31\u0E19"));
    assert_true(word_list_has(&list, "\uB9C8\uC57D"));
    assert_true(word_list_has(&list, "\u1106\u1161\u110B\u1163\u11A8")); /* taken apart */
    assert_false(word_list_has(&list, "\uBB34\uC57D"));
    assert_true(word_list_has(&list, "\u0928\u0926\u0940"));
    assert_false(word_list_has(&list, "\u0928\u0926\u093F"));
    word_list_close(&list);
}

/* The text "a", `count` times `filler`, "b", and so on, with the letters of "abcdef". */
static bool has_spaced(struct word_list *list, const char *filler, size_t count)
{
    struct buffer text;
    bool has;

    buffer_init(&text, MIB);
    for (const char *letter = "abcdef"; *letter != '\0'; letter++) {
        assert_status(STATUS_OK, buffer_append(&text, (struct bytes){letter, 1}));
        for (size_t index = 0; index < count; index++) {
            assert_status(STATUS_OK, buffer_append_text(&text, filler));
        }
    }
    has = word_list_has_bytes(list, buffer_view(&text));
    buffer_free(&text);
    return has;
}

static void a_gap_of_the_bound_is_read_over_and_one_more_is_not(void **state)
{
    struct word_list list = LIST("abcdef\n");

    assert_true(has_spaced(&list, "-", KEYWORD_GAP_MAX));
    assert_false(has_spaced(&list, "-", KEYWORD_GAP_MAX + 1));
    word_list_close(&list);
}

static void a_span_of_the_bound_is_read_over_and_more_is_not(void **state)
{
    struct word_list list = LIST("abcdef\n");
    size_t count = KEYWORD_SPAN_BYTES_MAX / 5 / 3; /* of three bytes, in five places */

    assert_true(has_spaced(&list, "\u200B", count - 1));
    assert_false(has_spaced(&list, "\u200B", count + 1));
    word_list_close(&list);
}

/* Each end of a word looks back over all that is invisible; without the bound the square of a text of it. */
static void invisible_characters_cost_no_more_than_others(void **state)
{
    struct word_list list = LIST("abcdef\n");
    struct buffer text;
    clock_t started;

    buffer_init(&text, 4 * MIB);
    while (text.count < 2 * MIB) {
        assert_status(STATUS_OK, buffer_append_text(&text, "abc\u200B\u200B\u200B\u0301\u0302-def"));
    }
    started = clock(); /* of this process: other load does not count */
    assert_false(word_list_has_bytes(&list, buffer_view(&text)));
    assert_true(clock() - started < 10 * CLOCKS_PER_SEC);
    buffer_free(&text);
    word_list_close(&list);
}

static void a_hit_is_found_at_every_place_around_the_border_of_a_chunk(void **state)
{
    struct word_list list = LIST("forbidden\nforged passport\n");
    size_t count = 2 * OUTLINE_CHUNK_BYTES;
    char *text = malloc(count + 1);

    assert_non_null(text);
    for (size_t at = OUTLINE_CHUNK_BYTES - 30; at <= OUTLINE_CHUNK_BYTES + 1; at++) {
        static const char *const spellings[] = {"f o r b i d d e n", "f\u043Erbidden", "f0rbidden", "forged p@$$por+"};

        for (size_t spelling = 0; spelling < sizeof spellings / sizeof spellings[0]; spelling++) {
            memset(text, '.', count);
            text[count] = '\0';
            memcpy(text + at, spellings[spelling], strlen(spellings[spelling]));
            assert_true(word_list_has(&list, text));
            text[at] = '_';
            assert_false(word_list_has(&list, text));
        }
    }
    free(text);
    word_list_close(&list);
}

static void a_keyword_of_few_letters_has_no_shape(void **state)
{
    static const char *const without[] = {"ab", "a+b=c", "$^", "c++", "I.R.A.", "12", "\u0E34", "\u200B", "\u0783\u07A6\u07A7"};
    static const char *const with[] = {"abc", "a.bcd", "\u8D4C", "123", "\uC57D"};
    struct skeleton *skeleton = NULL;
    struct keyword_shape *shape = NULL;
    struct buffer outline;

    (void)state;
    assert_status(STATUS_OK, skeleton_open(&skeleton));
    buffer_init(&outline, KIB);
    for (size_t index = 0; index < sizeof without / sizeof without[0]; index++) {
        assert_status(STATUS_UNSUPPORTED, keyword_shape_make(&shape, skeleton, bytes_of(without[index]), &outline));
        assert_int_equal(0, outline.count);
    }
    for (size_t index = 0; index < sizeof with / sizeof with[0]; index++) {
        buffer_clear(&outline);
        assert_status(STATUS_OK, keyword_shape_make(&shape, skeleton, bytes_of(with[index]), &outline));
        assert_true(outline.count > 0);
        keyword_shape_free(shape);
    }
    buffer_free(&outline);
    skeleton_close(&skeleton);
}

/* U+FDFA is 15 letters of two bytes: 341 of them are 1,023 bytes of a keyword. */
static void an_outline_of_the_bound_is_kept_and_a_longer_one_is_not(void **state)
{
    struct skeleton *skeleton = NULL;
    struct keyword_shape *shape = NULL;
    struct buffer keyword, outline;

    (void)state;
    assert_status(STATUS_OK, skeleton_open(&skeleton));
    buffer_init(&keyword, KIB);
    buffer_init(&outline, 64 * KIB);
    for (size_t count = 0; count < OUTLINE_BYTES_MAX / 30; count++) {
        assert_status(STATUS_OK, buffer_append_text(&keyword, "\uFDFA"));
    }
    assert_status(STATUS_OK, keyword_shape_make(&shape, skeleton, buffer_view(&keyword), &outline));
    assert_in_range(outline.count, OUTLINE_BYTES_MAX / 2, OUTLINE_BYTES_MAX);
    keyword_shape_free(shape);
    while (keyword.count < 1000) {
        assert_status(STATUS_OK, buffer_append_text(&keyword, "\uFDFA"));
    }
    buffer_clear(&outline);
    assert_status(STATUS_UNSUPPORTED, keyword_shape_make(&shape, skeleton, buffer_view(&keyword), &outline));
    assert_int_equal(0, outline.count);
    buffer_free(&keyword);
    buffer_free(&outline);
    skeleton_close(&skeleton);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_that_stand_alone_are_read_over_gaps),
        cmocka_unit_test(three_letters_that_stand_alone_are_too_few_and_four_are_enough),
        cmocka_unit_test(a_gap_of_the_keyword_is_any_gap_but_none),
        cmocka_unit_test(half_a_pair_hides_nothing),
        cmocka_unit_test(what_cannot_be_seen_and_marks_hide_nothing),
        cmocka_unit_test(look_alikes_are_the_letters),
        cmocka_unit_test(digits_and_symbols_are_put_for_letters),
        cmocka_unit_test(letters_are_never_put_for_letters_and_numbers_are_no_words),
        cmocka_unit_test(digits_and_symbols_of_a_keyword_are_themselves),
        cmocka_unit_test(chinese_is_read_over_gaps_and_in_both_scripts),
        cmocka_unit_test(vowels_that_are_marks_tell_words_apart),
        cmocka_unit_test(a_gap_of_the_bound_is_read_over_and_one_more_is_not),
        cmocka_unit_test(a_span_of_the_bound_is_read_over_and_more_is_not),
        cmocka_unit_test(invisible_characters_cost_no_more_than_others),
        cmocka_unit_test(a_hit_is_found_at_every_place_around_the_border_of_a_chunk),
        cmocka_unit_test(a_keyword_of_few_letters_has_no_shape),
        cmocka_unit_test(an_outline_of_the_bound_is_kept_and_a_longer_one_is_not),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
