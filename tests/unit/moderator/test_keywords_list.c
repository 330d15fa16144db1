/* test_keywords_list: what keyword files are refused for, each with its file and line, and both sides of the bounds. */
#include "support/own_folder.h"
#include "support/unit.h"

#include "moderator/keywords_list.h"
#include "moderator/keywords.h"

/* Opens a list from one file of this content and keeps what it told; the caller frees *told. */
static enum status open_with(const struct folder *home, struct bytes content, char **told)
{
    char files[1][PATH_BYTES_MAX + 1];
    struct keywords *keywords = NULL;
    size_t told_count;
    FILE *errors = open_memstream(told, &told_count);
    enum status status;

    assert_non_null(errors);
    folder_write(home, "list.txt", content);
    folder_path(home, "list.txt", files[0]);
    status = keywords_open(&keywords, (const char(*)[PATH_BYTES_MAX + 1])files, 1, errors);
    assert_int_equal(status == STATUS_OK, keywords != NULL);
    keywords_close(&keywords);
    assert_int_equal(fclose(errors), 0);
    return status;
}

static void is_refused(const struct folder *home, struct bytes content, const char *expected)
{
    char *told = NULL;

    assert_status(STATUS_MALFORMED, open_with(home, content, &told));
    if (strstr(told, expected) == NULL) {
        fail_msg("expected '%s' in '%s'", expected, told);
    }
    free(told);
}

static void is_accepted(const struct folder *home, struct bytes content)
{
    char *told = NULL;
    enum status status = open_with(home, content, &told);

    assert_string_equal(told, "");
    assert_status(STATUS_OK, status);
    free(told);
}

static void an_empty_file_is_refused(void **state)
{
    is_refused(*state, (struct bytes){NULL, 0}, "list.txt: the file holds no keyword");
    is_refused(*state, BYTES("# only\n\n   \n# comments"), "list.txt: the file holds no keyword");
}

static void a_missing_file_is_refused(void **state)
{
    const char files[1][PATH_BYTES_MAX + 1] = {"/nonexistent/keywords.txt"};
    struct keywords *keywords = NULL;
    char *told = NULL;
    size_t told_count;
    FILE *errors = open_memstream(&told, &told_count);

    (void)state;
    assert_non_null(errors);
    assert_status(STATUS_MALFORMED, keywords_open(&keywords, files, 1, errors));
    assert_null(keywords);
    assert_int_equal(fclose(errors), 0);
    assert_string_equal(told, "/nonexistent/keywords.txt: not found\n");
    free(told);
}

static void bad_bytes_are_refused_with_their_line(void **state)
{
    is_refused(*state, BYTES("fine\nbro\xffken\n"), "list.txt:2: not UTF-8");
    is_refused(*state, BYTES("fine\n\nze\0ro\n"), "list.txt:3: not UTF-8, or a zero byte");
    is_refused(*state, BYTES("cut \xe2\x82"), "list.txt:1: not UTF-8");
}

static void a_keyword_that_folds_to_nothing_is_refused(void **state)
{
    is_refused(*state, BYTES("ok\n\xe2\x80\x8b\n"), "list.txt:2: a keyword of invisible characters only");
}

static void bad_expressions_are_refused_with_their_line(void **state)
{
    is_refused(*state, BYTES("re:\n"), "list.txt:1: an empty regular expression");
    is_refused(*state, BYTES("re:   \n"), "list.txt:1: an empty regular expression");
    is_refused(*state, BYTES("a\nb\nre:(\n"), "list.txt:3: not a regular expression that can be used: Missing close");
    is_refused(*state, BYTES("re:a*\n"), "list.txt:1: the regular expression matches the empty text");
    is_refused(*state, BYTES("re:a|\n"), "list.txt:1: the regular expression matches the empty text");
    is_refused(*state, BYTES("re:^$\n"), "list.txt:1: the regular expression matches the empty text");
    is_refused(*state, BYTES("re:(?=a)b\n"), "list.txt:1: not a regular expression that can be used");
    is_refused(*state, BYTES("re:a{1,100000}\n"), "list.txt:1: not a regular expression that can be used");
    is_refused(*state, BYTES("re:stra\xc3\x9f" "e\n"), "list.txt:1: a character that folding turns into none or several");
    is_refused(*state, BYTES("re:a\xe2\x80\x8b\n"), "list.txt:1: a character that folding turns into none or several");
}

static void every_bad_line_is_told_up_to_the_bound(void **state)
{
    struct buffer content;
    char *told = NULL;
    size_t lines = 0;

    buffer_init(&content, 4 * KIB);
    for (size_t index = 0; index < KEYWORD_ERRORS_MAX + 5; index++) {
        assert_status(STATUS_OK, buffer_append_text(&content, "re:(\n"));
    }
    assert_status(STATUS_MALFORMED, open_with(*state, buffer_view(&content), &told));
    for (const char *at = told; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    assert_int_equal(lines, KEYWORD_ERRORS_MAX);
    free(told);
    buffer_free(&content);
}

static void a_line_of_the_bound_is_accepted_and_one_byte_more_is_refused(void **state)
{
    char line[KEYWORD_BYTES_MAX + 2];

    memset(line, 'k', sizeof line);
    line[KEYWORD_BYTES_MAX] = '\n';
    is_accepted(*state, (struct bytes){line, KEYWORD_BYTES_MAX + 1});
    line[KEYWORD_BYTES_MAX] = 'k';
    line[KEYWORD_BYTES_MAX + 1] = '\n';
    is_refused(*state, (struct bytes){line, KEYWORD_BYTES_MAX + 2}, "list.txt:1: found 1025 bytes, allowed are 1024");
}

static void a_file_of_the_bound_is_accepted_and_one_byte_more_is_refused(void **state)
{
    char *content = malloc(KEYWORD_FILE_BYTES_MAX + 1);

    assert_non_null(content);
    memset(content, '\n', KEYWORD_FILE_BYTES_MAX + 1);
    memcpy(content, "word", 4);
    is_accepted(*state, (struct bytes){content, KEYWORD_FILE_BYTES_MAX});
    is_refused(*state, (struct bytes){content, KEYWORD_FILE_BYTES_MAX + 1}, "list.txt: larger than its limit");
    free(content);
}

/* Reading alone, without compiling: the bound is the reader's. */
struct reading {
    char files[1][PATH_BYTES_MAX + 1];
    struct keyword_source source;
    struct keywords_list list;
    char *told;
    size_t told_count;
};

/* The file has this line so many times. */
static void begin(struct reading *reading, const struct folder *home, const char *line, size_t count)
{
    struct buffer content;

    *reading = (struct reading){.source = {.files = (const char(*)[PATH_BYTES_MAX + 1])reading->files}};
    reading->source.errors = open_memstream(&reading->told, &reading->told_count);
    assert_non_null(reading->source.errors);
    assert_status(STATUS_OK, fold_open(&reading->source.fold));
    assert_status(STATUS_OK, skeleton_open(&reading->source.skeleton));
    buffer_init(&content, KEYWORD_FILE_BYTES_MAX);
    for (size_t index = 0; index < count; index++) {
        assert_status(STATUS_OK, buffer_append_text(&content, line));
    }
    folder_write(home, "many.txt", buffer_view(&content));
    folder_path(home, "many.txt", reading->files[0]);
    buffer_free(&content);
}

/* Read once more, behind what has been read. */
static void read_file(struct reading *reading, size_t count, size_t expressions)
{
    assert_status(STATUS_OK, keywords_list_read(&reading->list, &reading->source, 0));
    assert_int_equal(count, reading->list.count);
    assert_int_equal(expressions, reading->list.expression_count);
}

static void end(struct reading *reading, const char *told)
{
    assert_int_equal(fclose(reading->source.errors), 0);
    assert_non_null(strstr(reading->told, told));
    free(reading->told);
    keywords_list_free(&reading->list);
    fold_close(&reading->source.fold);
    skeleton_close(&reading->source.skeleton);
}

static void a_list_of_the_bound_is_read_and_one_keyword_more_is_refused(void **state)
{
    struct reading reading;

    begin(&reading, *state, "k\n", KEYWORDS_MAX);
    read_file(&reading, KEYWORDS_MAX, 0);
    assert_int_equal(0, reading.list.error_count);
    read_file(&reading, KEYWORDS_MAX, 0);
    assert_int_equal(KEYWORDS_MAX, reading.list.error_count);
    end(&reading, "many.txt:1: more than 100000 keywords in one profile");
}

static void expressions_of_the_bound_are_read_and_one_more_is_refused(void **state)
{
    struct reading reading;

    begin(&reading, *state, "re:k\n", EXPRESSIONS_MAX);
    read_file(&reading, EXPRESSIONS_MAX, EXPRESSIONS_MAX);
    assert_int_equal(0, reading.list.error_count);
    folder_write(*state, "many.txt", BYTES("keyword\nre:k\n"));
    read_file(&reading, EXPRESSIONS_MAX + 1, EXPRESSIONS_MAX);
    end(&reading, "many.txt:2: more than 2000 regular expressions in one profile");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_is_refused),
        cmocka_unit_test(a_missing_file_is_refused),
        cmocka_unit_test(bad_bytes_are_refused_with_their_line),
        cmocka_unit_test(a_keyword_that_folds_to_nothing_is_refused),
        cmocka_unit_test(bad_expressions_are_refused_with_their_line),
        cmocka_unit_test(every_bad_line_is_told_up_to_the_bound),
        cmocka_unit_test(a_line_of_the_bound_is_accepted_and_one_byte_more_is_refused),
        cmocka_unit_test(a_file_of_the_bound_is_accepted_and_one_byte_more_is_refused),
        cmocka_unit_test(a_list_of_the_bound_is_read_and_one_keyword_more_is_refused),
        cmocka_unit_test(expressions_of_the_bound_are_read_and_one_more_is_refused),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
