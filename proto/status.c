/* status: names and sentences out of the one table of errors. */
#include "proto/status.h"

#include <stddef.h>

struct status_row {
    enum status status;
    const char *name;
    const char *sentence;
};

static const struct status_row rows[] = {
#define STATUS_ROW(enumerator, name, value, sentence) {enumerator, name, sentence},
    STATUS_TABLE(STATUS_ROW)
#undef STATUS_ROW
};

static const struct status_row *row_of(enum status status)
{
    static const struct status_row unknown = {STATUS_OK, "unknown", "unknown"};

    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        if (rows[index].status == status) {
            return &rows[index];
        }
    }
    return &unknown;
}

const char *status_name(enum status status)
{
    return row_of(status)->name;
}

const char *status_sentence(enum status status)
{
    return row_of(status)->sentence;
}
