/* keywords_shape: reads a text back from a keyword's last letter to its first, glyph by glyph. */
#include "moderator/keywords_shape.h"

#include "moderator/outline.h"
#include "proto/limits.h"
#include "proto/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIDE_BY_SIDE_MIN = 3, /* letters: two are in every other word */
    APART_MIN = 4,        /* letters that stand alone, one after another */
};

struct shape_glyph {
    struct glyph glyph; /* no gap */
    bool after_gap;
};

struct keyword_shape {
    size_t lead_count; /* glyphs of `ends` before the first letter; the others follow the last */
    size_t end_count;
    struct glyph *ends; /* gaps and marks */
    size_t count;
    bool has_marks;
    struct shape_glyph glyphs[];
};

static size_t read_glyphs(const struct skeleton *skeleton, struct bytes keyword, struct glyph *out)
{
    struct skeleton_reader reader;
    size_t count = 0;

    skeleton_begin(&reader, skeleton, keyword, 0, false);
    while (skeleton_read(&reader, &out[count])) {
        count++;
    }
    return count;
}

static bool is_known_again(const struct glyph *glyphs, size_t count)
{
    size_t letters = 0; /* side by side, up to here */
    size_t gap = 0;
    bool known = false;

    for (size_t index = 0; index < count; index++) {
        bool is_gap = glyphs[index].kind == GLYPH_GAP;

        letters = is_gap ? 0 : letters + 1;
        gap = is_gap ? gap + 1 : 0;
        known = known || letters == SIDE_BY_SIDE_MIN || glyphs[index].kind == GLYPH_ALONE;
        if (gap > KEYWORD_GAP_MAX) {
            return false;
        }
    }
    return known;
}

static enum status append_outline(const struct skeleton *skeleton, struct bytes keyword, struct buffer *out)
{
    const unsigned char *at = (const unsigned char *)keyword.data;
    const unsigned char *end = at + keyword.count;
    enum status status = STATUS_OK;

    while (status == STATUS_OK && at < end) {
        char bytes[OUTLINE_CHARACTER_BYTES_MAX];
        size_t count = outline_of(skeleton, utf8_decode(&at, end), false, bytes);

        status = out->count + count > OUTLINE_BYTES_MAX ? STATUS_UNSUPPORTED : buffer_append(out, (struct bytes){bytes, count});
    }
    return status;
}

/* `glyphs` hold a letter. */
static struct keyword_shape *shape_of(const struct glyph *glyphs, size_t count)
{
    struct keyword_shape *shape = calloc(1, sizeof *shape + count * sizeof *shape->glyphs);
    size_t first = 0;
    size_t end = count;

    if (shape == NULL) {
        return NULL;
    }
    while (glyphs[first].kind == GLYPH_GAP) {
        first++;
    }
    /* A vowel or tone at the end is behind the last letter of the outline. */
    while (!outline_has(glyphs[end - 1])) {
        end--;
    }
    shape->lead_count = first;
    shape->end_count = first + (count - end);
    if (shape->end_count > 0) {
        shape->ends = calloc(shape->end_count, sizeof *shape->ends);
        if (shape->ends == NULL) {
            free(shape);
            return NULL;
        }
        memcpy(shape->ends, glyphs, first * sizeof *glyphs);
        memcpy(shape->ends + first, glyphs + end, (count - end) * sizeof *glyphs);
    }
    for (size_t index = first; index < end; index++) {
        if (glyphs[index].kind != GLYPH_GAP) {
            bool after_gap = index > first && glyphs[index - 1].kind == GLYPH_GAP;

            shape->glyphs[shape->count++] = (struct shape_glyph){glyphs[index], after_gap};
        }
    }
    for (size_t index = 0; index < count; index++) {
        shape->has_marks = shape->has_marks || (glyphs[index].kind == GLYPH_MARK && !outline_has(glyphs[index]));
    }
    return shape;
}

enum status keyword_shape_make(struct keyword_shape **out, const struct skeleton *skeleton, struct bytes keyword,
                               struct buffer *outline)
{
    /* One more than a character of a byte each may give: where the reader says that there is none. */
    struct glyph *glyphs = calloc(keyword.count * SKELETON_GLYPHS_MAX + 1, sizeof *glyphs);
    size_t outline_before = outline->count;
    struct keyword_shape *shape = NULL;
    enum status status = STATUS_OK;
    size_t count;

    if (glyphs == NULL) {
        return STATUS_NO_MEMORY;
    }
    count = read_glyphs(skeleton, keyword, glyphs);
    if (!is_known_again(glyphs, count)) {
        status = STATUS_UNSUPPORTED;
    } else {
        status = append_outline(skeleton, keyword, outline);
    }
    if (status == STATUS_OK && outline->count - outline_before < KEYWORD_OUTLINE_BYTES_MIN) {
        status = STATUS_UNSUPPORTED; /* a letter of two bytes and marks */
    }
    if (status == STATUS_OK) {
        shape = shape_of(glyphs, count);
        status = shape == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    }
    free(glyphs);
    if (status != STATUS_OK) {
        outline->count = outline_before;
        return status;
    }
    *out = shape;
    return STATUS_OK;
}

void keyword_shape_free(struct keyword_shape *shape)
{
    if (shape != NULL) {
        free(shape->ends);
        free(shape);
    }
}

bool keyword_shape_has_marks(const struct keyword_shape *shape)
{
    return shape->has_marks;
}

/* A walk from letter to letter, back from a keyword's last one, or on from there. */
struct walk {
    struct skeleton_reader reader;
    size_t from;
    bool symbols;
    size_t gap; /* glyphs between the letter met last and the one before */
};

static void walk_begin(struct walk *walk, const struct skeleton *skeleton, struct bytes text, size_t from, bool backwards)
{
    skeleton_begin(&walk->reader, skeleton, text, from, backwards);
    walk->from = from;
    walk->gap = 0;
}

static bool is_letter(const struct walk *walk, struct glyph glyph)
{
    return glyph.kind != GLYPH_GAP || (walk->symbols && outline_letter(glyph.point, true) != 0);
}

/* The next letter or mark. False where the text ends, and where it is too far. */
static bool step(struct walk *walk, struct glyph *out)
{
    walk->gap = 0;
    while (skeleton_read(&walk->reader, out)) {
        size_t at = walk->reader.at;

        if (is_letter(walk, *out)) {
            return (at > walk->from ? at - walk->from : walk->from - at) <= KEYWORD_SPAN_BYTES_MAX;
        }
        if (++walk->gap > KEYWORD_GAP_MAX) {
            return false;
        }
    }
    return false;
}

/* What is beside a keyword's first or last letter. */
struct beside {
    bool border;  /* no letter of the same word */
    size_t apart; /* letters that stand alone one after another, up to APART_MIN */
};

static struct beside look_beside(struct walk walk)
{
    struct beside beside = {.border = true};
    struct glyph letter;
    struct glyph next;

    if (!step(&walk, &letter) || letter.kind == GLYPH_ALONE) {
        return beside;
    }
    beside.border = walk.gap > 0;
    while (beside.border && beside.apart < APART_MIN && letter.kind != GLYPH_ALONE) {
        bool more = step(&walk, &next);

        if (more && walk.gap == 0 && next.kind != GLYPH_ALONE) {
            break; /* in one word with it */
        }
        beside.apart++;
        if (!more) {
            break;
        }
        letter = next;
    }
    return beside;
}

/* A keyword's letters as they were met in a text. */
struct found {
    const struct keyword_shape *shape;
    struct walk before; /* goes on before the first letter */
    struct walk behind; /* behind the last */
    unsigned char gaps[OUTLINE_BYTES_MAX]; /* before each letter but the first */
};

_Static_assert(KEYWORD_GAP_MAX < 256, "a gap fits a byte");

static bool is_alone(const struct found *found, size_t index)
{
    return found->shape->glyphs[index].glyph.kind == GLYPH_ALONE;
}

/* Whether a gap before the letter `index` needs letters apart to be read over. */
static bool is_foreign_gap(const struct found *found, size_t index)
{
    bool is_kept = found->shape->glyphs[index].after_gap || (is_alone(found, index - 1) && is_alone(found, index));

    return found->gaps[index] > 0 && !is_kept;
}

static bool is_border(const struct found *found, size_t index)
{
    return found->gaps[index] > 0 || is_alone(found, index - 1) || is_alone(found, index);
}

/* Behind a letter and the marks on it: together they are one letter. */
static size_t letter_end(const struct found *found, size_t index)
{
    const struct keyword_shape *shape = found->shape;

    do {
        index++;
    } while (index < shape->count && shape->glyphs[index].glyph.kind == GLYPH_MARK && found->gaps[index] == 0);
    return index;
}

/* Whether every gap that is none of the keyword's is among enough letters that stand alone. */
static bool gaps_are_read_over(const struct found *found)
{
    const struct beside before = look_beside(found->before);
    const struct beside behind = look_beside(found->behind);
    size_t count = found->shape->count;
    size_t run = before.apart;   /* letters alone up to here, one after another */
    bool begins = before.border; /* whether a word begins here */
    bool last_apart = false;
    bool wanted = false; /* a gap in the run that is none of the keyword's */

    for (size_t index = 0, next; index < count; index = next) {
        bool foreign = index > 0 && is_foreign_gap(found, index);
        bool ends, apart;

        next = letter_end(found, index);
        ends = next == count ? behind.border : is_border(found, next);
        apart = begins && ends && !is_alone(found, index);
        if (foreign && !(apart && last_apart)) {
            return false;
        }
        if (!apart && wanted && run < APART_MIN) {
            return false;
        }
        run = apart ? run + 1 : 0;
        wanted = apart && (wanted || foreign);
        last_apart = apart;
        begins = ends;
    }
    return !wanted || run + behind.apart >= APART_MIN;
}

/* Whether the keyword's symbols stand beside its letters. */
static bool ends_are_so(const struct found *found)
{
    const struct keyword_shape *shape = found->shape;
    struct skeleton_reader before = found->before.reader;
    struct skeleton_reader behind = found->behind.reader;
    struct glyph glyph;

    for (size_t index = shape->lead_count; index > 0; index--) {
        if (!skeleton_read(&before, &glyph) || glyph.point != shape->ends[index - 1].point) {
            return false;
        }
    }
    for (size_t index = shape->lead_count; index < shape->end_count; index++) {
        if (!skeleton_read(&behind, &glyph) || glyph.point != shape->ends[index].point) {
            return false;
        }
    }
    return true;
}

/* Walks back over the keyword's letters. False where one of them is another. */
static bool find_letters(struct found *found)
{
    const struct keyword_shape *shape = found->shape;
    size_t stand_in_count = 0;

    for (size_t index = shape->count; index > 0; index--) {
        struct glyph wanted = shape->glyphs[index - 1].glyph;
        struct glyph glyph;
        bool inside = index < shape->count;

        if (!step(&found->before, &glyph)) {
            return false;
        }
        if (glyph.point != wanted.point) {
            if (!outline_stands_for(glyph.point, wanted.point)) {
                return false;
            }
            stand_in_count++;
        }
        if (inside ? shape->glyphs[index].after_gap && found->before.gap == 0 : found->before.gap > 0) {
            return false;
        }
        if (inside) {
            found->gaps[index] = (unsigned char)found->before.gap;
        }
    }
    return 2 * stand_in_count <= shape->count;
}

static bool has_foreign_gap(const struct found *found)
{
    for (size_t index = 1; index < found->shape->count; index++) {
        if (is_foreign_gap(found, index)) {
            return true;
        }
    }
    return false;
}

/* The same for the last glyph but `skipped` of the character that lies in [begin, end). */
static bool ends_with_glyph(struct found *found, const struct skeleton *skeleton, struct bytes text, size_t begin, size_t end,
                            size_t skipped)
{
    struct skeleton_reader *behind = &found->behind.reader;
    struct glyph glyph;

    walk_begin(&found->before, skeleton, text, end, true);
    for (size_t index = 0; index < skipped; index++) {
        if (!skeleton_read(&found->before.reader, &glyph)) {
            return false;
        }
    }
    if (!find_letters(found)) {
        return false;
    }
    walk_begin(&found->behind, skeleton, text, begin, false);
    behind->base = found->shape->glyphs[found->shape->count - 1].glyph.point; /* where that is a mark: of the script it is on */
    do {
        if (!skeleton_read(behind, &glyph)) {
            return false;
        }
    } while (behind->glyph_count - behind->glyph_next > skipped);
    return ends_are_so(found) && (!has_foreign_gap(found) || gaps_are_read_over(found));
}

bool keyword_shape_ends_at(const struct keyword_shape *shape, const struct skeleton *skeleton, struct bytes text, size_t end,
                           bool symbols)
{
    struct skeleton_reader last;
    struct found found;
    struct glyph glyph;

    skeleton_begin(&last, skeleton, text, end, true);
    if (!skeleton_read(&last, &glyph)) {
        return false;
    }
    found.shape = shape;
    found.before.symbols = symbols;
    found.behind.symbols = symbols;
    for (size_t skipped = 0; skipped < last.glyph_count; skipped++) {
        if (ends_with_glyph(&found, skeleton, text, last.at, end, skipped)) {
            return true;
        }
    }
    return false;
}
