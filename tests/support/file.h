/* file: test vectors read whole into memory that ends where the file ends, so that a read past the end is seen. */
#ifndef TESTS_SUPPORT_FILE_H
#define TESTS_SUPPORT_FILE_H

#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

/* The file's bytes, to be freed by the caller (also when there are none). Fails the test when it cannot be read. */
static inline struct bytes file_read(const char *folder, const char *name)
{
    char path[1024];
    FILE *file;
    long size;
    char *data;

    assert_in_range(snprintf(path, sizeof path, "%s/%s", folder, name), 1, sizeof path - 1);
    file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("cannot open %s", path);
    }
    assert_int_equal(0, fseek(file, 0, SEEK_END));
    size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    data = malloc(size == 0 ? 1 : (size_t)size);
    assert_non_null(data);
    assert_int_equal(size, fread(data, 1, (size_t)size, file));
    assert_int_equal(0, fclose(file));
    return (struct bytes){data, (size_t)size};
}

/* The first field of `*line` up to a tab, and behind it. For the manifests of the vectors. */
static inline struct bytes file_next_field(struct bytes *line)
{
    ptrdiff_t tab = bytes_find(*line, '\t');
    struct bytes field = tab < 0 ? *line : bytes_first(*line, (size_t)tab);

    *line = tab < 0 ? (struct bytes){NULL, 0} : bytes_from(*line, (size_t)tab + 1);
    return field;
}

static inline struct bytes file_next_line(struct bytes *rest)
{
    ptrdiff_t feed = bytes_find(*rest, '\n');
    struct bytes line = feed < 0 ? *rest : bytes_first(*rest, (size_t)feed);

    *rest = feed < 0 ? (struct bytes){NULL, 0} : bytes_from(*rest, (size_t)feed + 1);
    return line;
}

#endif
