/* import: one buffer of texts and categories, and where those of each row lie in it. */
#include "trainer/import.h"

#include "proto/limits.h"
#include "proto/message.h"

#include <stdlib.h>

struct import {
    struct import_options options;
    struct import_figures figures;
    struct buffer bytes; /* of each row its category and its text, one behind the other */
    size_t count;
    struct store_label labels[SAMPLE_BATCH_MAX]; /* their views are set when no more bytes come */
};

enum status import_open(struct import **out, const struct import_options *options)
{
    struct import *import = calloc(1, sizeof *import);

    if (import == NULL) {
        return STATUS_NO_MEMORY;
    }
    import->options = *options;
    buffer_init(&import->bytes, IMPORT_BATCH_BYTES_MAX);
    *out = import;
    return STATUS_OK;
}

void import_close(struct import **import)
{
    if (*import != NULL) {
        buffer_free(&(*import)->bytes);
        free(*import);
        *import = NULL;
    }
}

enum status import_flush(struct import *import)
{
    const char *at = import->bytes.data;
    struct store_put put;
    size_t count = import->count;
    enum status status;

    if (count == 0) {
        return STATUS_OK;
    }
    for (size_t index = 0; index < count; index++) {
        struct store_label *label = &import->labels[index];

        label->category.data = at;
        at += label->category.count;
        label->text.data = import->options.with_text ? at : NULL;
        at += label->text.count;
    }
    status = store_put_labels(import->options.store, import->options.profile_id, import->labels, count, &put);
    import->count = 0;
    buffer_clear(&import->bytes);
    if (status == STATUS_OK) {
        import->figures.rows += (int64_t)count;
        import->figures.added += put.added;
        import->figures.stored += put.added + put.replaced;
    }
    return status;
}

/* The text as the gateway would have it judged, behind what is there, and its hash; of its bytes those stay that are stored. */
static enum status add_text(struct import *import, struct bytes text, struct store_label *label)
{
    struct buffer *bytes = &import->bytes;
    size_t before = bytes->count;
    enum status status = buffer_append(bytes, text);

    if (status == STATUS_OK && segment_lacks_end(text)) {
        status = buffer_append(bytes, BYTES(SEGMENT_END));
    }
    if (status != STATUS_OK) {
        return status;
    }
    secret_text_hash(label->hash, import->options.hash_key, bytes_from(buffer_view(bytes), before));
    if (!import->options.with_text) {
        bytes->count = before;
    } else if (bytes->count - before > SAMPLE_TEXT_BYTES_MAX) {
        bytes->count = before + SAMPLE_TEXT_BYTES_MAX; /* the longest text: known as all are, stored without its end */
    }
    label->text.count = bytes->count - before;
    return STATUS_OK;
}

enum status import_add(struct import *import, const struct import_row *row)
{
    struct store_label *label;
    size_t row_bytes = row->category.count + row->text.count + sizeof SEGMENT_END - 1;
    enum status status = STATUS_OK;

    if (import->count == SAMPLE_BATCH_MAX || import->bytes.count + row_bytes > IMPORT_BATCH_BYTES_MAX) {
        status = import_flush(import);
    }
    if (status == STATUS_OK) {
        status = buffer_append(&import->bytes, row->category);
    }
    if (status != STATUS_OK) {
        return status;
    }
    label = &import->labels[import->count];
    *label = (struct store_label){.label = row->label,
                                  .source = row->source,
                                  .category = {NULL, row->category.count},
                                  .labelled_us = row->labelled_us};
    status = add_text(import, row->text, label);
    import->count += status == STATUS_OK ? 1 : 0;
    return status;
}

struct import_figures import_figures(const struct import *import)
{
    return import->figures;
}
