/* keywords: reads keyword lists and compiles them for vectorscan. */
#include "moderator/keywords.h"

#include "moderator/keywords_compiled.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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
        .texts = calloc(list->pattern_count, sizeof *arrays.texts),
        .flags = calloc(list->pattern_count, sizeof *arrays.flags),
        .identities = calloc(list->pattern_count, sizeof *arrays.identities),
    };

    if (arrays.texts == NULL || arrays.flags == NULL || arrays.identities == NULL) {
        free_arrays(&arrays);
        return STATUS_NO_MEMORY;
    }
    for (size_t index = 0; index < list->pattern_count; index++) {
        arrays.texts[index] = list->patterns[index].text;
        arrays.flags[index] = list->patterns[index].flags;
        arrays.identities[index] = (unsigned)index;
    }
    *out = arrays;
    return STATUS_OK;
}

static enum status compile_patterns(struct keywords *keywords, struct keywords_list *list, const struct keyword_source *source)
{
    struct compile_arrays arrays;
    hs_compile_error_t *error = NULL;
    hs_error_t result;
    enum status status = make_arrays(&arrays, list);

    if (status != STATUS_OK) {
        return status;
    }
    result = hs_compile_multi(arrays.texts, arrays.flags, arrays.identities, (unsigned)list->pattern_count, HS_MODE_STREAM, NULL,
                              &keywords->patterns, &error);
    free_arrays(&arrays);
    if (result == HS_SUCCESS) {
        return STATUS_OK;
    }
    status = STATUS_MALFORMED;
    if (error == NULL || result == HS_NOMEM) {
        status = STATUS_NO_MEMORY;
    } else if (error->expression >= 0 && (size_t)error->expression < list->pattern_count) {
        const struct keyword_pattern *pattern = &list->patterns[error->expression];

        keywords_list_error(list, source, pattern->place.file, pattern->place.line, error->message);
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

static enum status keep_places(struct keywords *keywords, const struct keywords_list *list)
{
    keywords->pattern_places = calloc(list->pattern_count, sizeof *keywords->pattern_places);
    if (keywords->pattern_places == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t index = 0; index < list->pattern_count; index++) {
        keywords->pattern_places[index] = list->patterns[index].place;
    }
    return STATUS_OK;
}

/* Takes the words of the list: their outlines are searched for, their shapes are asked at each hit. */
static enum status take_words(struct keywords *keywords, struct keywords_list *list)
{
    keywords->words = list->words;
    keywords->word_count = list->word_count;
    list->words = NULL;
    list->word_count = 0;
    for (size_t index = 0; index < keywords->word_count; index++) {
        if (keywords->words[index].outline_bytes > keywords->outline_bytes_max) {
            keywords->outline_bytes_max = keywords->words[index].outline_bytes;
        }
    }
    return keywords->word_count == 0 ? STATUS_OK : keyword_index_open(&keywords->index, keywords->words, keywords->word_count);
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
    if (status == STATUS_OK) {
        status = skeleton_open(&source.skeleton);
    }
    if (status == STATUS_OK) {
        status = read_files(&list, &source, file_count);
    }
    if (status == STATUS_OK && list.pattern_count > 0) {
        status = compile_patterns(keywords, &list, &source);
    }
    if (status == STATUS_OK && list.pattern_count > 0) {
        status = keep_places(keywords, &list);
    }
    if (status == STATUS_OK) {
        status = take_words(keywords, &list);
    }
    if (status != STATUS_OK) {
        goto fail;
    }
    keywords->count = list.count;
    memcpy(keywords->digest, list.digest, sizeof keywords->digest);
    *out = keywords;
    keywords = NULL;
fail:
    keywords_close(&keywords);
    fold_close(&source.fold);
    skeleton_close(&source.skeleton);
    keywords_list_free(&list);
    return status;
}

void keywords_close(struct keywords **keywords)
{
    assert(keywords != NULL);
    if (*keywords == NULL) {
        return;
    }
    keyword_index_close(&(*keywords)->index);
    keyword_words_free((*keywords)->words, (*keywords)->word_count);
    (void)hs_free_database((*keywords)->patterns);
    free((*keywords)->pattern_places);
    free(*keywords);
    *keywords = NULL;
}

size_t keywords_count(const struct keywords *keywords)
{
    return keywords->count;
}

const unsigned char *keywords_digest(const struct keywords *keywords)
{
    return keywords->digest;
}
