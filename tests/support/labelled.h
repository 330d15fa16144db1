/* labelled: the rows of a {"text", "label"} file, gzip'd JSON lines, one at a time. */
#ifndef TESTS_SUPPORT_LABELLED_H
#define TESTS_SUPPORT_LABELLED_H

#include "proto/bytes.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>
#include <zlib.h>

enum { LABELLED_LINE_BYTES_MAX = 1 << 21 };

struct labelled {
    gzFile file;
    char *line;
    yyjson_doc *document; /* holds the text of the row in hand */
    struct bytes text;    /* lent until the next labelled_next */
    int label;
};

static inline void labelled_close(struct labelled *rows)
{
    yyjson_doc_free(rows->document);
    free(rows->line);
    if (rows->file != NULL) {
        (void)gzclose(rows->file);
    }
    *rows = (struct labelled){0};
}

/* False when there is no such file. `part` is "train" or "test". */
static inline bool labelled_open(struct labelled *rows, const char *folder, const char *set, const char *part)
{
    char path[1024];

    (void)snprintf(path, sizeof path, "%s/%s/%s.jsonl.gz", folder, set, part);
    *rows = (struct labelled){.file = gzopen(path, "rb")};
    if (rows->file == NULL) {
        return false;
    }
    rows->line = malloc(LABELLED_LINE_BYTES_MAX);
    assert(rows->line != NULL);
    return true;
}

/* False at the end. A line that is no row ends the program: these files are ours. */
static inline bool labelled_next(struct labelled *rows)
{
    yyjson_val *root, *text;

    yyjson_doc_free(rows->document);
    rows->document = NULL;
    if (gzgets(rows->file, rows->line, LABELLED_LINE_BYTES_MAX) == NULL) {
        return false;
    }
    rows->document = yyjson_read(rows->line, strlen(rows->line), 0);
    root = yyjson_doc_get_root(rows->document);
    text = yyjson_obj_get(root, "text");
    assert(text != NULL);
    rows->text = (struct bytes){yyjson_get_str(text), yyjson_get_len(text)};
    rows->label = (int)yyjson_get_int(yyjson_obj_get(root, "label"));
    return true;
}

#endif
