/* test_keywords: what a list of literals and expressions matches, and what it must not; whole texts of any length. */
#include "support/word_list.h"

#define LIST(lines) word_list_open(*state, bytes_of(lines))

static void a_literal_matches_anywhere_in_any_case(void **state)
{
    struct word_list list = LIST("# comment\n\n  Contra Band \r\nforbidden\n");

    assert_int_equal(keywords_count(list.keywords), 2);
    assert_true(word_list_has(&list, "xxCONTRA BANDyy"));
    assert_true(word_list_has(&list, "forbidden"));
    assert_true(word_list_has(&list, "so FoRbIdDeN!"));
    assert_false(word_list_has(&list, "contraband"));
    assert_false(word_list_has(&list, "forbidde"));
    assert_false(word_list_has(&list, "# comment"));
    assert_false(word_list_has(&list, ""));
    word_list_close(&list);
}

static void both_sides_are_folded_alike(void **state)
{
    /* STRASSE, a full-width keyword, Chinese, Cyrillic capitals */
    struct word_list list = LIST("Stra\xc3\x9f" "e\n\xef\xbc\xa8\xef\xbc\xa1\xef\xbc\xb8\n"
                                       "\xe8\xb5\x8c\xe5\x8d\x9a\n\xd0\x9d\xd0\x90\xd0\xa0\xd0\x9a\n");

    assert_true(word_list_has(&list, "STRASSE"));
    assert_true(word_list_has(&list, "stra\xc3\x9f" "e"));
    assert_true(word_list_has(&list, "hax"));
    assert_true(word_list_has(&list, "h\xe2\x80\x8b" "a\xc2\xad" "x"));
    assert_true(word_list_has(&list, "\xe6\x88\x91\xe8\xb5\x8c\xe5\x8d\x9a\xe4\xba\x86"));
    assert_true(word_list_has(&list, "\xd0\xbd\xd0\xb0\xd1\x80\xd0\xba"));
    assert_false(word_list_has(&list, "\xe8\xb5\x8c\xe8\xb5\x8c"));
    word_list_close(&list);
}

static void the_characters_of_expressions_mean_themselves_in_a_literal(void **state)
{
    struct word_list list = LIST("a.b*c\n(x|y)\\d[z]\n$^\n");

    assert_true(word_list_has(&list, "A.B*C"));
    assert_false(word_list_has(&list, "aXbbc"));
    assert_true(word_list_has(&list, "(x|y)\\d[z]"));
    assert_false(word_list_has(&list, "x1z"));
    assert_true(word_list_has(&list, "a$^b"));
    word_list_close(&list);
}

static void an_expression_matches_without_regard_to_case(void **state)
{
    struct word_list list = LIST("re:\\bcard\\s+\\d{4}\\b\nre: ^start\nre:end$\nre:[\xd0\x90-\xd0\xaf]+!\n");

    assert_true(word_list_has(&list, "my CARD   1234."));
    assert_false(word_list_has(&list, "my card 12345"));
    assert_false(word_list_has(&list, "discard 1234"));
    assert_true(word_list_has(&list, "START here"));
    assert_false(word_list_has(&list, "a start"));
    assert_true(word_list_has(&list, "the end"));
    assert_false(word_list_has(&list, "the end."));
    assert_true(word_list_has(&list, "\xd0\xb6\xd0\x96!")); /* Cyrillic, small and capital */
    word_list_close(&list);
}

static void an_expression_meets_the_folded_text(void **state)
{
    /* A full-width A in the expression, full-width letters and a full-width '*' in the texts. */
    struct word_list list = LIST("re:\xef\xbc\xa1" "b\\d\nre:x\xef\xbc\x8ay\n");

    assert_true(word_list_has(&list, "ab1"));
    assert_true(word_list_has(&list, "\xef\xbc\xa1\xef\xbc\xa2\xef\xbc\x91"));
    assert_true(word_list_has(&list, "x*y"));
    assert_false(word_list_has(&list, "xxy"));
    word_list_close(&list);
}

static void a_keyword_is_found_at_every_place_around_the_border_of_a_chunk(void **state)
{
    struct word_list list = LIST("forbidden\n");
    size_t count = FOLD_CHUNK_BYTES * 2;
    char *text = malloc(count + 1);

    assert_non_null(text);
    for (size_t at = FOLD_CHUNK_BYTES - 10; at <= FOLD_CHUNK_BYTES + 1; at++) {
        memset(text, '.', count);
        text[count] = '\0';
        memcpy(text + at, "forBidden", 9);
        assert_true(word_list_has(&list, text));
        memcpy(text, "\xc3\x9f", 2); /* the same through ICU */
        assert_true(word_list_has(&list, text));
        text[at] = '.';
        assert_false(word_list_has(&list, text));
    }
    free(text);
    word_list_close(&list);
}

static void a_keyword_in_the_last_bytes_of_a_long_text_is_found(void **state)
{
    struct word_list list = LIST("forbidden\n");
    size_t count = 4 * MIB;
    char *text = malloc(count + 1);

    assert_non_null(text);
    memset(text, 'a', count);
    text[count] = '\0';
    assert_false(word_list_has(&list, text));
    memcpy(text + count - 9, "forbidden", 9);
    assert_true(word_list_has(&list, text));
    free(text);
    word_list_close(&list);
}

static void one_segment_never_completes_the_keyword_of_another(void **state)
{
    struct word_list list = LIST("forbidden\n");

    assert_false(word_list_has(&list, "forbid"));
    assert_false(word_list_has(&list, "den"));
    word_list_close(&list);
}

static void a_list_of_no_files_matches_nothing(void **state)
{
    struct keywords *keywords = NULL;
    struct keyword_scanner *scanner = NULL;
    bool hit = true;

    (void)state;
    assert_status(STATUS_OK, keywords_open(&keywords, NULL, 0, stderr));
    assert_int_equal(keywords_count(keywords), 0);
    assert_status(STATUS_OK, keyword_scanner_open(&scanner, &keywords, 1));
    assert_status(STATUS_OK, keywords_scan(keywords, scanner, BYTES("anything"), &hit));
    assert_false(hit);
    hit = true;
    assert_status(STATUS_OK, keywords_scan(NULL, scanner, BYTES("anything"), &hit));
    assert_false(hit);
    keyword_scanner_close(&scanner);
    keyword_scanner_close(&scanner);
    keywords_close(&keywords);
    keywords_close(&keywords);
}

static void one_scanner_serves_several_lists(void **state)
{
    struct word_list one = LIST("alpha\n");
    struct word_list two = LIST("re:be.a\ngamma\n");
    struct keywords *lists[] = {one.keywords, NULL, two.keywords};
    struct keyword_scanner *scanner = NULL;
    bool hit = false;

    assert_status(STATUS_OK, keyword_scanner_open(&scanner, lists, 3));
    assert_status(STATUS_OK, keywords_scan(one.keywords, scanner, BYTES("an alpha"), &hit));
    assert_true(hit);
    assert_status(STATUS_OK, keywords_scan(two.keywords, scanner, BYTES("an alpha"), &hit));
    assert_false(hit);
    assert_status(STATUS_OK, keywords_scan(two.keywords, scanner, BYTES("a beta"), &hit));
    assert_true(hit);
    keyword_scanner_close(&scanner);
    word_list_close(&one);
    word_list_close(&two);
}

static void several_files_make_one_list(void **state)
{
    char files[2][PATH_BYTES_MAX + 1];
    struct word_list list = {0};

    folder_write(*state, "one.txt", BYTES("alpha\n"));
    folder_write(*state, "two.txt", BYTES("\xef\xbb\xbf" "beta"));
    folder_path(*state, "one.txt", files[0]);
    folder_path(*state, "two.txt", files[1]);
    assert_status(STATUS_OK, keywords_open(&list.keywords, (const char(*)[PATH_BYTES_MAX + 1])files, 2, stderr));
    assert_status(STATUS_OK, keyword_scanner_open(&list.scanner, &list.keywords, 1));
    assert_int_equal(keywords_count(list.keywords), 2);
    assert_true(word_list_has(&list, "Alpha"));
    assert_true(word_list_has(&list, "Beta"));
    word_list_close(&list);
}

static void a_hit_is_known_with_its_place(void **state)
{
    struct word_list list = LIST("# comment\nalpha\n\n \tBe Ta \r\nre:gamma\\d\n$^\n");
    static const struct {
        const char *text;
        unsigned line;
        const char *keyword;
    } rows[] = {{"an alpha", 2, "alpha"}, {"some BE TA", 4, "Be Ta"}, {"gamma7", 5, "re:gamma\\d"}, {"$^", 6, "$^"}};
    char path[PATH_BYTES_MAX + 1];
    struct buffer keyword;

    folder_path(*state, "keywords.txt", path);
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        buffer_init(&keyword, 64);
        assert_true(word_list_has(&list, rows[index].text));
        assert_int_equal(0, keyword_scanner_place(list.scanner).file);
        assert_int_equal(rows[index].line, keyword_scanner_place(list.scanner).line);
        assert_status(STATUS_OK, keyword_read(path, rows[index].line, &keyword));
        assert_bytes(rows[index].keyword, buffer_view(&keyword));
        buffer_free(&keyword);
    }
    assert_status(STATUS_NOT_FOUND, keyword_read(path, 7, &keyword));
    word_list_close(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_literal_matches_anywhere_in_any_case),
        cmocka_unit_test(both_sides_are_folded_alike),
        cmocka_unit_test(the_characters_of_expressions_mean_themselves_in_a_literal),
        cmocka_unit_test(an_expression_matches_without_regard_to_case),
        cmocka_unit_test(an_expression_meets_the_folded_text),
        cmocka_unit_test(a_keyword_is_found_at_every_place_around_the_border_of_a_chunk),
        cmocka_unit_test(a_keyword_in_the_last_bytes_of_a_long_text_is_found),
        cmocka_unit_test(one_segment_never_completes_the_keyword_of_another),
        cmocka_unit_test(a_list_of_no_files_matches_nothing),
        cmocka_unit_test(one_scanner_serves_several_lists),
        cmocka_unit_test(several_files_make_one_list),
        cmocka_unit_test(a_hit_is_known_with_its_place),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
