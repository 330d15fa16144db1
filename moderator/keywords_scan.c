/* keywords_scan: looks for the keywords of a list in all that a text says, chunk by chunk. */
#include "moderator/keywords.h"

#include "moderator/fold.h"
#include "moderator/keywords_compiled.h"
#include "moderator/outline.h"
#include "moderator/second_reading.h"
#include "proto/utf8.h"

#include <assert.h>
#include <stdlib.h>

enum { BESIDE_BYTES = 64 }; /* of a word with symbols for letters: what is looked at with it, for keywords of several words */

struct keyword_scanner {
    hs_scratch_t *scratch; /* grown to fit every list the thread scans with */
    struct fold *fold;
    struct skeleton *skeleton;
    struct buffer glyphs;
    struct second_reading second;
    struct outline *plain;     /* symbols are gaps */
    struct outline *disguised; /* symbols are letters */
    struct keyword_place place; /* of the last hit */
    struct pause pause;
    bool stopped; /* by the pause, in the scan at hand */
};

void keyword_scanner_pause(struct keyword_scanner *scanner, const struct pause *pause)
{
    scanner->pause = *pause;
}

struct keyword_place keyword_scanner_place(const struct keyword_scanner *scanner)
{
    return scanner->place;
}

enum status keyword_scanner_open(struct keyword_scanner **out, struct keywords *const *lists, size_t list_count)
{
    struct keyword_scanner *scanner = calloc(1, sizeof *scanner);
    enum status status;

    assert(out != NULL);
    if (scanner == NULL) {
        return STATUS_NO_MEMORY;
    }
    buffer_init(&scanner->glyphs, 2 * FOLD_CHUNK_BYTES);
    status = fold_open(&scanner->fold);
    if (status == STATUS_OK) {
        status = skeleton_open(&scanner->skeleton);
    }
    if (status == STATUS_OK) {
        status = outline_open(&scanner->plain, scanner->skeleton, false);
    }
    if (status == STATUS_OK) {
        status = outline_open(&scanner->disguised, scanner->skeleton, true);
    }
    for (size_t index = 0; status == STATUS_OK && index < list_count; index++) {
        if (lists[index] != NULL && lists[index]->patterns != NULL &&
            hs_alloc_scratch(lists[index]->patterns, &scanner->scratch) != HS_SUCCESS) {
            status = STATUS_NO_MEMORY;
        }
    }
    if (status != STATUS_OK) {
        keyword_scanner_close(&scanner);
        return status;
    }
    *out = scanner;
    return STATUS_OK;
}

void keyword_scanner_close(struct keyword_scanner **scanner)
{
    assert(scanner != NULL);
    if (*scanner == NULL) {
        return;
    }
    (void)hs_free_scratch((*scanner)->scratch);
    fold_close(&(*scanner)->fold);
    outline_close(&(*scanner)->plain);
    outline_close(&(*scanner)->disguised);
    skeleton_close(&(*scanner)->skeleton);
    buffer_free(&(*scanner)->glyphs);
    free(*scanner);
    *scanner = NULL;
}

/* Whether the scan may go on. */
static bool goes_on(struct keyword_scanner *scanner)
{
    scanner->stopped = scanner->stopped || !pause_call(&scanner->pause);
    return !scanner->stopped;
}

/* Which pattern was hit, if any. */
struct pattern_hit {
    bool hit;
    unsigned pattern;
};

/* One hit decides, so the scan ends with it. */
static int on_pattern(unsigned identity, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
    (void)from;
    (void)to;
    (void)flags;
    *(struct pattern_hit *)context = (struct pattern_hit){true, identity};
    return 1;
}

/* A text as one of its forms, piece by piece. STATUS_NOT_FOUND at the end. */
struct form {
    struct keyword_scanner *scanner;
    bool is_folded; /* or its glyphs */
    struct bytes rest;
    struct skeleton_reader reader;
};

static enum status next_piece(struct form *form, struct bytes *out)
{
    struct buffer *glyphs = &form->scanner->glyphs;
    enum status status;

    if (!goes_on(form->scanner)) {
        return STATUS_TIMEOUT;
    }
    if (form->is_folded) {
        return fold_next(form->scanner->fold, &form->rest, out);
    }
    buffer_clear(glyphs);
    status = skeleton_append(&form->reader, FOLD_CHUNK_BYTES, glyphs);
    *out = buffer_view(glyphs);
    return status == STATUS_OK && glyphs->count == 0 ? STATUS_NOT_FOUND : status;
}

static enum status scan_form(const struct keywords *keywords, struct form *form, bool *hit)
{
    hs_stream_t *stream = NULL;
    struct pattern_hit found = {0};
    struct bytes piece;
    enum status status = STATUS_NOT_FOUND;
    hs_error_t result;

    if (hs_open_stream(keywords->patterns, 0, &stream) != HS_SUCCESS) {
        return STATUS_NO_MEMORY;
    }
    while (!found.hit && (status = next_piece(form, &piece)) == STATUS_OK) {
        result = hs_scan_stream(stream, piece.data, (unsigned)piece.count, 0, form->scanner->scratch, on_pattern, &found);
        assert(result == HS_SUCCESS || result == HS_SCAN_TERMINATED);
    }
    /* Closing a stream tells the hits that only the end of the text completes ("$"). */
    result = hs_close_stream(stream, form->scanner->scratch, on_pattern, &found);
    assert(result == HS_SUCCESS || result == HS_SCAN_TERMINATED);
    if (found.hit) {
        form->scanner->place = keywords->pattern_places[found.pattern];
        *hit = true;
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Folded; and where that leaves what is not ASCII, glyph by glyph, so that letters of another script meet expressions too. */
static enum status scan_patterns(const struct keywords *keywords, struct keyword_scanner *scanner, struct bytes text,
                                 bool is_ascii, bool *hit)
{
    struct form form = {.scanner = scanner, .is_folded = true, .rest = text};
    enum status status = scan_form(keywords, &form, hit);

    if (status == STATUS_OK && !*hit && !is_ascii) {
        form.is_folded = false;
        skeleton_begin(&form.reader, scanner->skeleton, text, 0, false);
        status = scan_form(keywords, &form, hit);
    }
    return status;
}

_Static_assert((int)OUTLINE_SLACK >= (int)KEYWORD_INDEX_SLACK, "the index may look ahead");

/* A search for outlines in a text, or in a part of it. */
struct search {
    const struct keywords *keywords;
    struct keyword_scanner *scanner;
    struct bytes text;
    struct outline *outline;
    size_t kept; /* bytes of the outline that were scanned before */
    bool hit;
};

static bool on_outline(void *context, size_t word, size_t outline_end)
{
    struct search *search = context;
    size_t end;

    if (outline_end <= search->kept) {
        return false;
    }
    end = outline_source(search->outline, search->text, outline_end);
    search->hit = keyword_shape_ends_at(search->keywords->words[word].shape, search->scanner->skeleton, search->text, end,
                                        search->outline->symbols);
    if (search->hit) {
        search->scanner->place = search->keywords->words[word].place;
    }
    return search->hit;
}

/* Adds the next chunk of [from, to) to the outline and scans it; returns where the next one begins: `to` when it is to stop. */
static size_t search_chunk(struct search *search, size_t from, size_t to)
{
    struct outline *outline = search->outline;
    size_t next;

    if (!goes_on(search->scanner)) {
        return to;
    }
    search->kept = search->keywords->outline_bytes_max - 1;
    if (search->kept > outline->count) {
        search->kept = outline->count;
    }
    next = outline_fill(outline, search->text, from, to, search->kept);
    (void)keyword_index_search(search->keywords->index, (struct bytes){outline->bytes, outline->count}, on_outline, search);
    return next;
}

/* A part of the text whose symbols may be letters; empty = none. */
struct part {
    size_t begin, end;
};

/* Scans a part with its symbols as letters. */
static void search_part(struct search *search, struct part part)
{
    struct search disguised = *search;

    disguised.outline = search->scanner->disguised;
    disguised.outline->count = 0;
    while (!disguised.hit && part.begin < part.end) {
        part.begin = search_chunk(&disguised, part.begin, part.end);
    }
    search->hit = disguised.hit;
}

/* Scans the words of the outline's chunk whose symbols may be letters, what overlaps in one; the last one waits in `part`. */
static void search_disguised(struct search *search, size_t to, size_t *at, struct part *part)
{
    struct bytes text = search->text;
    struct part next;

    while (!search->hit && outline_disguised(search->outline, text, to, at, &next.begin, &next.end)) {
        next.begin = next.begin > BESIDE_BYTES ? next.begin - BESIDE_BYTES : 0;
        next.end = text.count - next.end > BESIDE_BYTES ? next.end + BESIDE_BYTES : text.count;
        while (next.begin > 0 && utf8_is_continuation((unsigned char)text.data[next.begin])) {
            next.begin--;
        }
        if (next.begin > part->end) {
            search_part(search, *part);
            *part = next;
        } else {
            part->begin = part->end == 0 ? next.begin : part->begin;
            part->end = next.end;
        }
    }
}

static bool has_outline(const struct keywords *keywords, struct keyword_scanner *scanner, struct bytes text)
{
    struct search search = {.keywords = keywords, .scanner = scanner, .text = text, .outline = scanner->plain};
    struct part part = {0, 0};
    size_t at = 0;

    search.outline->count = 0;
    for (size_t from = 0; !search.hit && from < text.count;) {
        from = search_chunk(&search, from, text.count);
        if (scanner->stopped) {
            return false;
        }
        search_disguised(&search, from, &at, &part);
    }
    if (!search.hit) {
        search_part(&search, part);
    }
    return search.hit;
}

static enum status scan_reading(const struct keywords *keywords, struct keyword_scanner *scanner, struct bytes text,
                                bool is_ascii, bool *hit)
{
    *hit = keywords->index != NULL && has_outline(keywords, scanner, text);
    if (scanner->stopped) {
        return STATUS_TIMEOUT;
    }
    if (*hit || keywords->patterns == NULL) {
        return STATUS_OK;
    }
    return scan_patterns(keywords, scanner, text, is_ascii, hit);
}

enum status keywords_scan(const struct keywords *keywords, struct keyword_scanner *scanner, struct bytes text, bool *out_hit)
{
    bool is_ascii = utf8_ascii_bytes(text) == text.count;
    bool hit = false;
    struct bytes piece;
    enum status status = STATUS_OK;

    assert(scanner != NULL && out_hit != NULL);
    scanner->stopped = false;
    if (keywords != NULL && keywords->count > 0) {
        status = scan_reading(keywords, scanner, text, is_ascii, &hit);
    }
    if (keywords != NULL && keywords->count > 0 && !hit) {
        second_reading_begin(&scanner->second, text);
        while (status == STATUS_OK && !hit && second_reading_next(&scanner->second, &piece)) {
            status = scan_reading(keywords, scanner, piece, utf8_ascii_bytes(piece) == piece.count, &hit);
        }
    }
    if (status == STATUS_OK) {
        *out_hit = hit;
    }
    return status;
}
