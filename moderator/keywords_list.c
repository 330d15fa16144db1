/* keywords_list: reads keyword files line by line, folds each keyword and writes it as a pattern. */
#include "moderator/keywords_list.h"

#include "moderator/file.h"
#include "moderator/fold_expression.h"

#include <assert.h>
#include <hs.h>
#include <stdlib.h>
#include <string.h>

enum {
    LITERAL_FLAGS = HS_FLAG_CASELESS,                   /* bytes of folded UTF-8, ASCII letters in either case */
    EXPRESSION_FLAGS = HS_FLAG_CASELESS | HS_FLAG_UTF8, /* without HS_FLAG_UCP: it knows no \b */
    FOLDED_BYTES_MAX = KEYWORD_BYTES_MAX * 11,          /* the longest mapping of NFKC_Casefold, see fold.c */
    PATTERN_BYTES_MAX = FOLDED_BYTES_MAX * 4 + 1,       /* each byte as \xHH */
    LIST_FIRST_ROOM = 64,
};

void keywords_list_error(struct keywords_list *list, const struct keyword_source *source, unsigned file, unsigned line,
                        const char *what)
{
    list->error_count++;
    if (list->error_count > KEYWORD_ERRORS_MAX) {
        return;
    }
    if (line == 0) {
        fprintf(source->errors, "%s: %s\n", source->files[file], what);
    } else {
        fprintf(source->errors, "%s:%u: %s\n", source->files[file], line, what);
    }
}

void keyword_words_free(struct keyword_word *words, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        keyword_shape_free(words[index].shape);
        free(words[index].outline);
    }
    free(words);
}

void keywords_list_free(struct keywords_list *list)
{
    for (size_t index = 0; index < list->pattern_count; index++) {
        free(list->patterns[index].text);
    }
    keyword_words_free(list->words, list->word_count);
    free(list->patterns);
    *list = (struct keywords_list){0};
}

/* Room for one more of `item_bytes` in an array of `count`. */
static enum status grow(void **array, size_t count, size_t *room, size_t item_bytes)
{
    size_t more = *room == 0 ? LIST_FIRST_ROOM : 2 * *room;
    void *grown;

    if (count < *room) {
        return STATUS_OK;
    }
    grown = realloc(*array, more * item_bytes);
    if (grown == NULL) {
        return STATUS_NO_MEMORY;
    }
    *array = grown;
    *room = more;
    return STATUS_OK;
}

static enum status add_pattern(struct keywords_list *list, struct bytes text, unsigned flags, struct keyword_place place)
{
    struct keyword_pattern pattern = {.flags = flags, .place = place};
    void *patterns = list->patterns;
    enum status status = grow(&patterns, list->pattern_count, &list->pattern_room, sizeof *list->patterns);

    list->patterns = patterns;
    if (status != STATUS_OK) {
        return status;
    }
    pattern.text = strndup(text.data, text.count);
    if (pattern.text == NULL) {
        return STATUS_NO_MEMORY;
    }
    list->patterns[list->pattern_count++] = pattern;
    return STATUS_OK;
}

/* STATUS_UNSUPPORTED: the keyword is not known again by its letters. */
static enum status add_word(struct keywords_list *list, const struct keyword_source *source, struct keyword_place place,
                            struct bytes keyword, bool *has_marks)
{
    char outline_bytes[OUTLINE_BYTES_MAX];
    struct buffer outline = {.data = outline_bytes, .room = sizeof outline_bytes, .max = sizeof outline_bytes};
    struct keyword_word word = {.place = place};
    void *words = list->words;
    enum status status = grow(&words, list->word_count, &list->word_room, sizeof *list->words);

    list->words = words;
    if (status == STATUS_OK) {
        status = keyword_shape_make(&word.shape, source->skeleton, keyword, &outline);
    }
    if (status != STATUS_OK) {
        return status;
    }
    word.outline_bytes = outline.count;
    word.outline = malloc(outline.count);
    if (word.outline == NULL) {
        keyword_shape_free(word.shape);
        return STATUS_NO_MEMORY;
    }
    memcpy(word.outline, outline_bytes, outline.count);
    *has_marks = keyword_shape_has_marks(word.shape);
    list->words[list->word_count++] = word;
    return STATUS_OK;
}

/* Says what vectorscan will not take, line by line; compiling all of them at once would tell only the first. */
static const char *expression_problem(const char *pattern, char *why, size_t why_room)
{
    hs_expr_info_t *info = NULL;
    hs_compile_error_t *error = NULL;
    const char *problem = NULL;

    if (hs_expression_info(pattern, EXPRESSION_FLAGS, &info, &error) != HS_SUCCESS) {
        (void)snprintf(why, why_room, "not a regular expression that can be used: %s",
                       error == NULL || error->message == NULL ? "out of memory" : error->message);
        problem = why;
    } else if (info->min_width == 0) {
        problem = "the regular expression matches the empty text, so everything";
    }
    hs_free_compile_error(error);
    free(info);
    return problem;
}

/* The pattern of one keyword or expression into `out`, terminated; or what is wrong with it into *problem. */
static enum status write_pattern(const struct keyword_source *source, struct bytes line, bool is_expression, struct buffer *out,
                                 const char **problem, char *why, size_t why_room)
{
    char folded_bytes[FOLDED_BYTES_MAX];
    struct buffer folded = {.data = folded_bytes, .room = sizeof folded_bytes, .max = sizeof folded_bytes};
    enum status status;

    *problem = NULL;
    if (is_expression) {
        status = fold_append_expression(source->fold, line, out);
        if (status == STATUS_UNSUPPORTED) {
            *problem = "a character that folding turns into none or several (write what it becomes)";
            return STATUS_OK;
        }
    } else {
        status = fold_append(source->fold, line, &folded);
        if (status == STATUS_OK) {
            status = fold_append_plain(out, buffer_view(&folded));
        }
    }
    if (status == STATUS_OK) {
        status = buffer_append(out, (struct bytes){"", 1});
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (out->count == 1) {
        *problem = is_expression ? "an empty regular expression" : "a keyword of invisible characters only";
    } else if (is_expression) {
        *problem = expression_problem(out->data, why, why_room);
    }
    return STATUS_OK;
}

static struct bytes trim(struct bytes line)
{
    while (line.count > 0 && strchr(" \t\r", line.data[0]) != NULL) {
        line = bytes_from(line, 1);
    }
    while (line.count > 0 && strchr(" \t\r", line.data[line.count - 1]) != NULL) {
        line.count--;
    }
    return line;
}

static enum status read_line(struct keywords_list *list, const struct keyword_source *source, struct keyword_place place,
                             struct bytes line)
{
    char pattern_bytes[PATTERN_BYTES_MAX];
    struct buffer pattern = {.data = pattern_bytes, .room = sizeof pattern_bytes, .max = sizeof pattern_bytes};
    bool is_expression = bytes_starts_with(line, BYTES("re:"));
    bool is_pattern = true;
    const char *problem = NULL;
    char why[256];
    enum status status;

    if (line.count > KEYWORD_BYTES_MAX) {
        (void)snprintf(why, sizeof why, "found %zu bytes, allowed are %d", line.count, KEYWORD_BYTES_MAX);
        problem = why;
    } else if (!fold_is_text(line)) {
        problem = "not UTF-8, or a zero byte";
    } else if (list->count == KEYWORDS_MAX) {
        (void)snprintf(why, sizeof why, "more than %d keywords in one profile", KEYWORDS_MAX);
        problem = why;
    } else if (is_expression && list->expression_count == EXPRESSIONS_MAX) {
        (void)snprintf(why, sizeof why, "more than %d regular expressions in one profile", EXPRESSIONS_MAX);
        problem = why;
    } else {
        line = is_expression ? trim(bytes_from(line, 3)) : line;
        status = write_pattern(source, line, is_expression, &pattern, &problem, why, sizeof why);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (problem != NULL) {
        keywords_list_error(list, source, place.file, place.line, problem);
        return STATUS_OK;
    }
    list->count++;
    list->expression_count += is_expression;
    if (!is_expression) {
        status = add_word(list, source, place, line, &is_pattern);
        if (status != STATUS_OK && status != STATUS_UNSUPPORTED) {
            return status;
        }
    }
    if (!is_pattern) {
        return STATUS_OK;
    }
    return add_pattern(list, (struct bytes){pattern.data, pattern.count - 1}, is_expression ? EXPRESSION_FLAGS : LITERAL_FLAGS,
                       place);
}

/* Takes it off the front, with its line feed. */
static struct bytes next_line(struct bytes *rest)
{
    ptrdiff_t end = bytes_find(*rest, '\n');
    struct bytes line = end < 0 ? *rest : bytes_first(*rest, (size_t)end);

    *rest = bytes_from(*rest, line.count + 1);
    return line;
}

static enum status read_lines(struct keywords_list *list, const struct keyword_source *source, unsigned file,
                              struct bytes rest)
{
    struct keyword_place place = {.file = file};
    size_t found_before = list->count + list->error_count;

    if (bytes_starts_with(rest, BYTES("\xef\xbb\xbf"))) {
        rest = bytes_from(rest, 3); /* editors on Windows begin a file so */
    }
    while (rest.count > 0) {
        struct bytes line = trim(next_line(&rest));

        place.line++;
        if (line.count > 0 && line.data[0] != '#') {
            enum status status = read_line(list, source, place, line);
            if (status != STATUS_OK) {
                return status;
            }
        }
    }
    if (list->count + list->error_count == found_before) {
        keywords_list_error(list, source, file, 0, "the file holds no keyword");
    }
    return STATUS_OK;
}

enum status keyword_read(const char *file, unsigned line, struct buffer *out)
{
    struct buffer content;
    struct bytes rest, whole = {NULL, 0};
    enum status status;

    buffer_init(&content, KEYWORD_FILE_BYTES_MAX);
    status = file_read(file, &content);
    rest = buffer_view(&content);
    for (unsigned at = 0; status == STATUS_OK && at < line; at++) {
        if (rest.count == 0) {
            status = STATUS_NOT_FOUND;
        }
        whole = next_line(&rest);
    }
    if (status == STATUS_OK) {
        status = buffer_append(out, trim(whole));
    }
    buffer_free(&content);
    return status;
}

enum status keywords_list_read(struct keywords_list *list, const struct keyword_source *source, unsigned file)
{
    struct buffer content;
    enum status status;

    assert(list != NULL && source != NULL);
    buffer_init(&content, KEYWORD_FILE_BYTES_MAX);
    status = file_read(source->files[file], &content);
    if (status == STATUS_OK) {
        secret_sha256_add(list->digest, buffer_view(&content));
        status = read_lines(list, source, file, buffer_view(&content));
    } else if (status != STATUS_NO_MEMORY) {
        keywords_list_error(list, source, file, 0, status_sentence(status));
        status = STATUS_OK;
    }
    buffer_free(&content);
    return status;
}
