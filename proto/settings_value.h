/* settings_value: the text of one value into the field of its row, if the row allows it.
 *
 * Of the parts of proto/settings.c, for them and their tests. Thread: any. Source of the forms: the comments at the head of
 * prismguard.example.yaml.
 */
#ifndef PROTO_SETTINGS_VALUE_H
#define PROTO_SETTINGS_VALUE_H

#include "proto/bytes.h"
#include "proto/settings_table.h"
#include "proto/status.h"

/* Reads `text` as `row` says and stores it at base + row->offset; `base` is the struct of the row's scope. For a list it
 * is the items, apart by commas. STATUS_MALFORMED (not of the form) or STATUS_TOO_LARGE (beyond min or max); the field is
 * untouched then. */
MUST_CHECK enum status setting_store(const struct setting *row, struct bytes text, void *base);

/* The same for a list whose items are apart already; an item may hold commas. On failure *out_bad is the index of the item
 * that is wrong, or `count` when there are too few or too many. */
MUST_CHECK enum status setting_store_list(const struct setting *row, const struct bytes *items, size_t count, void *base,
                                          size_t *out_bad);

#endif
