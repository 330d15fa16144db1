/* keywords: a list is read or refused with a line for each problem; a keyword is found exactly where a plain look at every place
 * of the text finds it, and wherever the folded text holds it as it is written; folding again changes nothing, nor does looking
 * twice. The input: lines of a file, a NUL, a text. */
#include "fuzz/fuzz.h"

#include "moderator/fold.h"
#include "moderator/keywords.h"
#include "moderator/keywords_shape.h"
#include "moderator/outline.h"
#include "moderator/second_reading.h"
#include "proto/utf8.h"

#include <sys/mman.h>
#include <unistd.h>

/* The forms of one text or keyword. */
struct forms {
    struct buffer folded;
    struct buffer glyphs;
};

struct tools {
    struct fold *fold;
    struct skeleton *skeleton;
};

static void glyphs_of(const struct tools *tools, struct bytes text, struct buffer *out)
{
    struct skeleton_reader reader;

    skeleton_begin(&reader, tools->skeleton, text, 0, false);
    fuzz_hold(skeleton_append(&reader, SIZE_MAX, out) == STATUS_OK);
    fuzz_hold(utf8_sound_bytes(buffer_view(out)) == out->count);
}

static void forms_make(struct forms *forms, const struct tools *tools, struct bytes text)
{
    buffer_init(&forms->folded, 64 * MIB);
    buffer_init(&forms->glyphs, 64 * MIB);
    fuzz_hold(fold_append(tools->fold, text, &forms->folded) == STATUS_OK);
    fuzz_hold(utf8_sound_bytes(buffer_view(&forms->folded)) == forms->folded.count);
    glyphs_of(tools, text, &forms->glyphs);
    fuzz_hold(forms->folded.count <= 11 * text.count && forms->glyphs.count <= OUTLINE_GROWTH * text.count);
}

static void forms_free(struct forms *forms)
{
    buffer_free(&forms->folded);
    buffer_free(&forms->glyphs);
}

static void hold_again(const struct tools *tools, const struct forms *once)
{
    struct forms of_folded, of_glyphs;

    forms_make(&of_folded, tools, buffer_view(&once->folded));
    forms_make(&of_glyphs, tools, buffer_view(&once->glyphs));
    fuzz_hold(bytes_equal(buffer_view(&of_folded.folded), buffer_view(&once->folded)));
    fuzz_hold(bytes_equal(buffer_view(&of_glyphs.glyphs), buffer_view(&once->glyphs)));
    forms_free(&of_folded);
    forms_free(&of_glyphs);
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n' || byte == '\v' || byte == '\f';
}

static bool holds(const struct buffer *text, const struct buffer *word)
{
    return text->count != 0 && memmem(text->data, text->count, word->data, word->count) != NULL;
}

static bool has_iota(const struct buffer *folded)
{
    return memmem(folded->data, folded->count, "\u03B9", 2) != NULL;
}

/* The shape at every place, without a search before; symbols as gaps, and as letters in words where they may be. */
static bool is_anywhere(const struct tools *tools, const struct keyword_shape *shape, struct bytes text, bool *out_disguised)
{
    const unsigned char *begin = (const unsigned char *)text.data;
    const unsigned char *at = begin;

    while (text.count > 0 && at < begin + text.count) {
        (void)utf8_decode(&at, begin + text.count);
        if (keyword_shape_ends_at(shape, tools->skeleton, text, (size_t)(at - begin), false)) {
            return true;
        }
        *out_disguised = *out_disguised || keyword_shape_ends_at(shape, tools->skeleton, text, (size_t)(at - begin), true);
    }
    return false;
}

/* The same in what the text says in another order. */
static bool is_in_second_reading(const struct tools *tools, const struct keyword_shape *shape, struct bytes text,
                                 bool *out_disguised)
{
    struct second_reading *reading = malloc(sizeof *reading);
    struct bytes piece;
    bool found = false;

    fuzz_hold(reading != NULL);
    second_reading_begin(reading, text);
    while (second_reading_next(reading, &piece)) {
        found = is_anywhere(tools, shape, piece, out_disguised) || found;
    }
    free(reading);
    return found;
}

/* One keyword, and it is found where it stands. Where the reader may see several lines or an expression, nothing is said. */
static void hold_one(const struct tools *tools, const struct keywords *keywords, struct keyword_scanner *scanner, struct bytes line,
                     struct bytes text, const struct forms *of_text)
{
    struct keyword_shape *shape = NULL;
    struct forms of_line;
    struct buffer outline;
    bool hit = false, disguised = false;

    fuzz_hold(keywords_scan(keywords, scanner, text, &hit) == STATUS_OK);
    if (keywords_count(keywords) != 1 || line.count == 0 || memchr(line.data, '\n', line.count) != NULL ||
        memchr(line.data, '\r', line.count) != NULL || is_space(line.data[0]) || is_space(line.data[line.count - 1]) ||
        line.data[0] == '#' || bytes_starts_with(line, BYTES("re:")) || bytes_starts_with(line, BYTES("\xEF\xBB\xBF"))) {
        return;
    }
    buffer_init(&outline, MIB);
    forms_make(&of_line, tools, line);
    if (keyword_shape_make(&shape, tools->skeleton, line, &outline) == STATUS_OK) {
        bool found = is_anywhere(tools, shape, text, &disguised);
        bool folded_too = keyword_shape_has_marks(shape);

        found = is_in_second_reading(tools, shape, text, &disguised) || found;
        /* Symbols are letters only in words that look so; a keyword with marks is looked for in folded texts too. */
        fuzz_hold(!found || hit);
        fuzz_hold(found || disguised || folded_too || !hit);
        keyword_shape_free(shape);
    }
    /* The iota below is a letter when it is folded, and a mark by its looks. */
    fuzz_hold(!holds(&of_text->folded, &of_line.folded) || hit || has_iota(&of_text->folded));
    forms_free(&of_line);
    buffer_free(&outline);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes whole = fuzz_bytes(data, size);
    ptrdiff_t nul = bytes_find(whole, '\0');
    struct bytes list = bytes_first(whole, nul < 0 ? size : (size_t)nul), text = bytes_from(whole, list.count + 1);
    char files[1][PATH_BYTES_MAX + 1];
    int file = memfd_create("keywords", MFD_CLOEXEC);
    struct keyword_scanner *scanner = NULL;
    struct keywords *keywords = NULL;
    struct tools tools = {NULL, NULL};
    struct forms forms;
    size_t told_count = 0;
    char *told = NULL;
    FILE *errors = open_memstream(&told, &told_count);
    enum status status;

    fuzz_hold(file >= 0 && errors != NULL && write(file, list.data, list.count) == (ssize_t)list.count);
    (void)snprintf(files[0], sizeof files[0], "/proc/self/fd/%d", file);
    fuzz_hold(fold_open(&tools.fold) == STATUS_OK && skeleton_open(&tools.skeleton) == STATUS_OK);
    forms_make(&forms, &tools, text);
    hold_again(&tools, &forms);
    status = keywords_open(&keywords, (const char (*)[PATH_BYTES_MAX + 1])files, 1, errors);
    fuzz_hold(fclose(errors) == 0 && close(file) == 0);
    fuzz_hold(status == STATUS_OK ? told_count == 0 : status == STATUS_MALFORMED && told_count != 0);
    if (status == STATUS_OK) {
        struct keywords *lists[] = {keywords};

        fuzz_hold(keyword_scanner_open(&scanner, lists, 1) == STATUS_OK);
        hold_one(&tools, keywords, scanner, list, text, &forms);
        keyword_scanner_close(&scanner);
    }
    keywords_close(&keywords);
    forms_free(&forms);
    fold_close(&tools.fold);
    skeleton_close(&tools.skeleton);
    free(told);
    return 0;
}
