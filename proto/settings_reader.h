/* settings_reader: a YAML file into a flat document of bounded size that remembers its lines (libyaml's events).
 *
 *   routes:                     nodes:  0 mapping (root)
 *     - path: /a                        1 list    key "routes"  parent 0  line 1
 *       from: auto                      2 mapping               parent 1  line 2  position 0
 *                                       3 value   key "path"    parent 2  line 2  text "/a"
 *                                       4 value   key "from"    parent 2  line 3  text "auto"
 *
 * A node comes after its parent, and siblings in the order of the file. Refused: anchors, aliases, tags, a second document,
 * keys that are no scalars, the same key twice, depth above SETTINGS_DEPTH_MAX, more than SETTINGS_NODES_MAX nodes or
 * SETTINGS_ENTRIES_MAX entries in one of them.
 *
 * Of the parts of proto/settings.c, for them and their tests. Thread: any, one at a time.
 */
#ifndef PROTO_SETTINGS_READER_H
#define PROTO_SETTINGS_READER_H

#include "proto/bytes.h"
#include "proto/limits.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Terminated; long enough for every path of the table, longer ones are cut. */
enum { SETTINGS_PATH_BYTES = 256 };

enum settings_node_kind { NODE_VALUE, NODE_LIST, NODE_MAPPING };

struct settings_node {
    enum settings_node_kind kind;
    uint32_t parent;   /* index of a node; the root is its own */
    uint32_t position; /* among its siblings */
    uint32_t child_count;
    unsigned line; /* of its key, or of itself where it has none */
    bool quoted;   /* a value written in quotes: "" is a value, nothing at all is none */
    bool skipped;  /* for who walks over the nodes: what stands below this one is dealt with */
    char *key;     /* NULL: the root, or an item of a list */
    char *text;    /* of a value, terminated; NULL for lists and mappings */
};

struct settings_document {
    struct settings_node *nodes;
    size_t count; /* 0: an empty file */
    size_t room;
};

/* Where problems are told, one line each, SETTINGS_ERRORS_MAX at most. */
struct settings_errors {
    FILE *out;
    const char *file; /* what the lines begin with */
    size_t count;
    char paths[SETTINGS_ERRORS_MAX][SETTINGS_PATH_BYTES]; /* of those told; "" where a problem has none */
};

/* "prismguard.yaml:12: gateway.threads: ..."; without line (0) or path (NULL) those parts are left out. `source` stands in
 * the place of the file's name when it is not NULL (a variable of the environment). */
void settings_errors_add(struct settings_errors *errors, const char *source, unsigned line, const char *path,
                         const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Whether a problem was told of `path`, of what is below it or of a section around it: what such a value contradicts is a
 * second word about the same slip. */
bool settings_errors_told(const struct settings_errors *errors, const char *path);

/* Reads `text`. Everything that is wrong is told and STATUS_MALFORMED returned; STATUS_NO_MEMORY. `*out` is the caller's. */
MUST_CHECK enum status settings_document_open(struct settings_document **out, struct bytes text,
                                              struct settings_errors *errors);
void settings_document_close(struct settings_document **document);

#endif
