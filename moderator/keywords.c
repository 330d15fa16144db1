/* keywords: compiles keyword lists for vectorscan and scans texts with them, chunk by chunk, in one pass. */
#include "moderator/keywords.h"

#include "moderator/fold.h"
#include "moderator/keywords_list.h"

#include <assert.h>
#include <hs.h>
#include <stdlib.h>

struct keywords {
    hs_database_t *database; /* for streams, so that a hit may lie across two chunks; NULL when the list is empty */
    size_t count;
};

struct keyword_scanner {
    hs_scratch_t *scratch; /* grown to fit every list the thread scans with */
    struct fold *fold;
};

/* What hs_compile_multi wants: the fields of the list, each in an array of its own. */
struct compile_arrays {
    const char **texts;
    unsigned *flags;
    unsigned *identities;
};

static void free_arrays(struct compile_arrays *arrays)
{
    free(arrays->texts);
    free(arrays->flags);
    free(arrays->identities);
}

static enum status make_arrays(struct compile_arrays *out, const struct keywords_list *list)
{
    struct compile_arrays arrays = {
        .texts = calloc(list->count, sizeof *arrays.texts),
        .flags = calloc(list->count, sizeof *arrays.flags),
        .identities = calloc(list->count, sizeof *arrays.identities),
    };

    if (arrays.texts == NULL || arrays.flags == NULL || arrays.identities == NULL) {
        free_arrays(&arrays);
        return STATUS_NO_MEMORY;
    }
    for (size_t index = 0; index < list->count; index++) {
        arrays.texts[index] = list->patterns[index].text;
        arrays.flags[index] = list->patterns[index].flags;
        arrays.identities[index] = (unsigned)index;
    }
    *out = arrays;
    return STATUS_OK;
}

static enum status compile(struct keywords *keywords, struct keywords_list *list, const struct keyword_source *source)
{
    struct compile_arrays arrays;
    hs_compile_error_t *error = NULL;
    hs_error_t result;
    enum status status = make_arrays(&arrays, list);

    if (status != STATUS_OK) {
        return status;
    }
    result = hs_compile_multi(arrays.texts, arrays.flags, arrays.identities, (unsigned)list->count, HS_MODE_STREAM, NULL,
                              &keywords->database, &error);
    free_arrays(&arrays);
    if (result == HS_SUCCESS) {
        return STATUS_OK;
    }
    status = STATUS_MALFORMED;
    if (error == NULL || result == HS_NOMEM) {
        status = STATUS_NO_MEMORY;
    } else if (error->expression >= 0 && (size_t)error->expression < list->count) {
        const struct keyword_pattern *pattern = &list->patterns[error->expression];

        keywords_list_error(list, source, pattern->file, pattern->line, error->message);
    } else {
        keywords_list_error(list, source, 0, 0, error->message);
    }
    hs_free_compile_error(error);
    return status;
}

static enum status read_files(struct keywords_list *list, const struct keyword_source *source, size_t file_count)
{
    for (size_t file = 0; file < file_count; file++) {
        enum status status = keywords_list_read(list, source, (unsigned)file);

        if (status != STATUS_OK) {
            return status;
        }
    }
    return list->error_count == 0 ? STATUS_OK : STATUS_MALFORMED;
}

enum status keywords_open(struct keywords **out, const char files[][PATH_BYTES_MAX + 1], size_t file_count, FILE *errors)
{
    struct keyword_source source = {.files = files, .errors = errors};
    struct keywords_list list = {0};
    struct keywords *keywords = NULL;
    enum status status;

    assert(out != NULL && errors != NULL && (files != NULL || file_count == 0));
    if (hs_valid_platform() != HS_SUCCESS) {
        return STATUS_UNAVAILABLE;
    }
    keywords = calloc(1, sizeof *keywords);
    if (keywords == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = fold_open(&source.fold);
    if (status != STATUS_OK) {
        goto fail;
    }
    status = read_files(&list, &source, file_count);
    if (status == STATUS_OK && list.count > 0) {
        status = compile(keywords, &list, &source);
    }
    if (status != STATUS_OK) {
        goto fail;
    }
    keywords->count = list.count;
    *out = keywords;
    keywords = NULL;
fail:
    keywords_close(&keywords);
    fold_close(&source.fold);
    keywords_list_free(&list);
    return status;
}

void keywords_close(struct keywords **keywords)
{
    assert(keywords != NULL);
    if (*keywords == NULL) {
        return;
    }
    (void)hs_free_database((*keywords)->database);
    free(*keywords);
    *keywords = NULL;
}

size_t keywords_count(const struct keywords *keywords)
{
    return keywords->count;
}

enum status keyword_scanner_open(struct keyword_scanner **out, struct keywords *const *lists, size_t list_count)
{
    struct keyword_scanner *scanner = calloc(1, sizeof *scanner);
    enum status status;

    assert(out != NULL);
    if (scanner == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = fold_open(&scanner->fold);
    for (size_t index = 0; status == STATUS_OK && index < list_count; index++) {
        if (lists[index] != NULL && lists[index]->database != NULL &&
            hs_alloc_scratch(lists[index]->database, &scanner->scratch) != HS_SUCCESS) {
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
    free(*scanner);
    *scanner = NULL;
}

/* One hit decides, so the scan ends with it. */
static int on_hit(unsigned identity, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
    (void)identity;
    (void)from;
    (void)to;
    (void)flags;
    *(bool *)context = true;
    return 1;
}

enum status keywords_scan(const struct keywords *keywords, struct keyword_scanner *scanner, struct bytes text, bool *out_hit)
{
    hs_stream_t *stream = NULL;
    struct bytes piece;
    bool hit = false;
    enum status status = STATUS_NOT_FOUND;

    assert(scanner != NULL && out_hit != NULL);
    if (keywords == NULL || keywords->database == NULL) {
        *out_hit = false;
        return STATUS_OK;
    }
    if (hs_open_stream(keywords->database, 0, &stream) != HS_SUCCESS) {
        return STATUS_NO_MEMORY;
    }
    while (!hit && (status = fold_next(scanner->fold, &text, &piece)) == STATUS_OK) {
        hs_error_t result = hs_scan_stream(stream, piece.data, (unsigned)piece.count, 0, scanner->scratch, on_hit, &hit);

        assert(result == HS_SUCCESS || result == HS_SCAN_TERMINATED);
    }
    /* Closing a stream tells the hits that only the end of the text completes ("$"). */
    hs_error_t result = hs_close_stream(stream, scanner->scratch, on_hit, &hit);
    assert(result == HS_SUCCESS || result == HS_SCAN_TERMINATED);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    *out_hit = hit;
    return STATUS_OK;
}
