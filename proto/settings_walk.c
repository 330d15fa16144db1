/* settings_walk: every node of the document to the row of its path, and what has no row is told. */
#include "proto/settings_walk.h"

#include "proto/settings_expand.h"
#include "proto/settings_form.h"
#include "proto/settings_path.h"
#include "proto/settings_planned.h"
#include "proto/settings_table.h"
#include "proto/settings_value.h"

#include <string.h>

struct walk {
    struct settings *settings;
    struct settings_document *document;
    struct settings_errors *errors;
    struct buffer expanded; /* the value at hand, variables replaced */
};

void settings_found(struct bytes text, char out[SETTINGS_FOUND_ROOM])
{
    struct bytes shown = bytes_first(text, SETTINGS_FOUND_BYTES_MAX);

    /* The password of a URL, the key in a query, the password of a libpq string, the padding of a key in base64. */
    if (bytes_find(text, '@') >= 0 || bytes_find(text, '?') >= 0 || bytes_find(text, '=') >= 0) {
        (void)snprintf(out, SETTINGS_FOUND_ROOM, "a text (not shown)");
        return;
    }
    (void)snprintf(out, SETTINGS_FOUND_ROOM, "'%.*s%s'", (int)shown.count, shown.count > 0 ? shown.data : "",
                   shown.count < text.count ? "..." : "");
    for (char *at = out; *at != '\0'; at++) {
        *at = (unsigned char)*at < 0x20 || *at == 0x7F ? '?' : *at;
    }
}

void settings_refuse_value(struct settings_errors *errors, const char *source, unsigned line, const char *path,
                           const struct setting *row, const char *found)
{
    struct buffer allowed;

    buffer_init(&allowed, SETTINGS_VALUE_BYTES_MAX);
    if (setting_allowed(row, &allowed) == STATUS_OK) {
        settings_errors_add(errors, source, line, path, "found %s, allowed is %.*s", found, (int)allowed.count, allowed.data);
    } else {
        settings_errors_add(errors, source, line, path, "found %s", found);
    }
    buffer_free(&allowed);
}

static void refuse(struct walk *walk, unsigned line, const char *shown, const struct setting *row, const char *found)
{
    settings_refuse_value(walk->errors, NULL, line, shown, row, found);
}

/* Appends the value of a node to walk->expanded. A problem is told. */
static enum status expand_node(struct walk *walk, const struct settings_node *node, const char *shown)
{
    struct bytes at = {NULL, 0};
    size_t before = walk->expanded.count;
    enum status status = settings_expand(bytes_of(node->text), &walk->expanded, &at);
    char found[SETTINGS_FOUND_ROOM];

    if (status == STATUS_OK && walk->expanded.count - before > SETTINGS_VALUE_BYTES_MAX) {
        status = STATUS_TOO_LARGE;
    }
    settings_found(at, found);
    if (status == STATUS_NOT_FOUND) {
        settings_errors_add(walk->errors, NULL, node->line, shown, "found %s, but the environment has no such variable", found);
    } else if (status == STATUS_MALFORMED) {
        settings_errors_add(walk->errors, NULL, node->line, shown, "found %s, allowed is ${VARIABLE} or ${VARIABLE:-default}",
                            found);
    } else if (status == STATUS_NO_MEMORY) {
        settings_errors_add(walk->errors, NULL, node->line, shown, "%s", status_sentence(status));
    } else if (status != STATUS_OK) {
        settings_errors_add(walk->errors, NULL, node->line, shown, "longer than %d bytes", SETTINGS_VALUE_BYTES_MAX);
    }
    return status;
}

static void store_list(struct walk *walk, size_t index, const struct setting *row, const char *shown, void *base)
{
    const struct settings_document *document = walk->document;
    size_t begins[SETTINGS_ITEMS_MAX + 1] = {0};
    struct bytes items[SETTINGS_ITEMS_MAX];
    const char *written[SETTINGS_ITEMS_MAX];
    char found[SETTINGS_FOUND_ROOM];
    size_t count = document->nodes[index].child_count;
    size_t bad = count;
    size_t item = 0;

    if (count <= SETTINGS_ITEMS_MAX) {
        for (size_t at = index + 1; item < count; at++) {
            if (document->nodes[at].parent == index) {
                if (document->nodes[at].kind != NODE_VALUE) {
                    refuse(walk, document->nodes[at].line, shown, row, "a list or mapping inside the list");
                    return;
                }
                if (expand_node(walk, &document->nodes[at], shown) != STATUS_OK) {
                    return;
                }
                written[item] = document->nodes[at].text;
                begins[++item] = walk->expanded.count;
            }
        }
        for (item = 0; item < count; item++) {
            items[item] = bytes_first(bytes_from(buffer_view(&walk->expanded), begins[item]), begins[item + 1] - begins[item]);
        }
        if (setting_store_list(row, items, count, base, &bad) == STATUS_OK) {
            return;
        }
    }
    if (bad == count) {
        (void)snprintf(found, sizeof found, "%zu items", count);
    } else {
        settings_found(bytes_of(written[bad]), found);
    }
    refuse(walk, document->nodes[index].line, shown, row, found);
}

static void store_node(struct walk *walk, size_t index, const struct setting *row, void *base)
{
    const struct settings_node *node = &walk->document->nodes[index];
    bool is_list = row->type == SETTING_LIST || row->type == SETTING_CHOICES;
    char found[SETTINGS_FOUND_ROOM];
    char shown[SETTINGS_PATH_BYTES];

    settings_path_shown(walk->document, index, shown);
    buffer_clear(&walk->expanded);
    if (node->kind == NODE_LIST && is_list) {
        store_list(walk, index, row, shown, base);
    } else if (node->kind != NODE_VALUE) {
        refuse(walk, node->line, shown, row, node->kind == NODE_LIST ? "a list" : "a mapping");
    } else if (!node->quoted && node->text[0] == '\0') {
        refuse(walk, node->line, shown, row, "nothing");
    } else if (expand_node(walk, node, shown) == STATUS_OK &&
               setting_store(row, buffer_view(&walk->expanded), base) != STATUS_OK) {
        /* As written: what a variable holds may be a secret. */
        settings_found(bytes_of(node->text), found);
        /* In the place of a key's hash the key itself may stand. */
        refuse(walk, node->line, shown, row, row->type == SETTING_SHA256 ? "a text (not shown)" : found);
    }
}

/* The struct that a row of this scope stores into; `index` is a node below the route, profile or key. */
static void *base_of(const struct walk *walk, size_t index, enum setting_scope scope)
{
    const struct settings_node *nodes = walk->document->nodes;

    if (scope == SETTING_OF_FILE) {
        return walk->settings;
    }
    if (scope == SETTING_OF_KEY) {
        while (nodes[index].key != NULL) {
            index = nodes[index].parent;
        }
        return &walk->settings->keys[nodes[index].position];
    }
    while (nodes[nodes[index].parent].parent != 0) {
        index = nodes[index].parent;
    }
    return scope == SETTING_OF_ROUTE ? (void *)&walk->settings->routes[nodes[index].position]
                                     : (void *)&walk->settings->profiles[nodes[index].position];
}

static void refuse_unknown(struct walk *walk, size_t index, const char *path, const char *shown)
{
    const struct settings_node *node = &walk->document->nodes[index];
    const struct setting_planned *planned = settings_planned_find(bytes_of(path));
    char section[SETTINGS_PATH_BYTES] = "";
    struct buffer names;

    if (planned != NULL) {
        settings_errors_add(walk->errors, NULL, node->line, shown, "not built yet, allowed is to leave it out: %s",
                            planned->reason);
        return;
    }
    buffer_init(&names, SETTINGS_VALUE_BYTES_MAX);
    if (node->parent != 0) {
        settings_path_of(walk->document, node->parent, section);
    }
    if (settings_table_children(bytes_of(section), &names) == STATUS_OK) {
        settings_errors_add(walk->errors, NULL, node->line, shown, "unknown key; allowed here are %.*s", (int)names.count,
                            names.data);
    } else {
        settings_errors_add(walk->errors, NULL, node->line, shown, "unknown key");
    }
    buffer_free(&names);
}

static bool has_child(const struct settings_document *document, size_t index, struct bytes key)
{
    /* Until the first node that stands outside. */
    for (size_t at = index + 1; at < document->count && document->nodes[at].parent >= index; at++) {
        if (document->nodes[at].parent == index && document->nodes[at].key != NULL &&
            bytes_equal(bytes_of(document->nodes[at].key), key)) {
            return true;
        }
    }
    return false;
}

/* Tells what a route or a key, as `scope` says, does not say of itself; their paths begin with `prefix`. */
static void check_is_whole(struct walk *walk, size_t index, const char *shown, enum setting_scope scope, const char *prefix)
{
    for (size_t at = 0; at < settings_table_count(); at++) {
        const struct setting *row = settings_table_row(at);
        struct bytes name = bytes_from(bytes_of(row->path), strlen(prefix));

        if (setting_scope(row) == scope && row->required && !has_child(walk->document, index, name)) {
            settings_errors_add(walk->errors, NULL, walk->document->nodes[index].line, shown, "'%.*s' is missing",
                                (int)name.count, name.data);
        }
    }
}

/* A section is a mapping, but for "routes" and "gateway.keys", which are lists; written down without content it is as if it were
 * not there. */
static bool check_section(struct walk *walk, size_t index, const char *path, const char *shown)
{
    const struct settings_node *node = &walk->document->nodes[index];
    bool is_list = strcmp(path, "routes") == 0 || strcmp(path, "gateway.keys") == 0;
    enum settings_node_kind expected = is_list ? NODE_LIST : NODE_MAPPING;

    if (strcmp(path, "profiles.*") == 0) {
        struct profile_settings *profile = &walk->settings->profiles[node->position];

        profile->line = node->line;
        if (!setting_form_is_profile_name(bytes_of(node->key)) ||
            bytes_copy(bytes_of(node->key), profile->name, sizeof profile->name) != STATUS_OK) {
            settings_errors_add(walk->errors, NULL, node->line, shown,
                                "a profile's name is of letters, digits, - and _ (at most %d), and not none",
                                PROFILE_NAME_BYTES_MAX);
            return false;
        }
    } else if (strcmp(path, "routes") == 0) {
        walk->settings->has_routes = node->kind == NODE_LIST;
    } else if (strcmp(path, "routes[]") == 0) {
        walk->settings->routes[node->position].line = node->line;
        if (node->kind == NODE_MAPPING) {
            check_is_whole(walk, index, shown, SETTING_OF_ROUTE, "routes[].");
        }
    } else if (strcmp(path, "gateway.keys[]") == 0) {
        walk->settings->keys[node->position].line = node->line;
        if (node->kind == NODE_MAPPING) {
            check_is_whole(walk, index, shown, SETTING_OF_KEY, "gateway.keys[].");
        }
    }
    if (strcmp(path, "curve") == 0 && node->kind == NODE_VALUE && !node->quoted && strcmp(node->text, "off") == 0) {
        return true; /* the default, and worth saying aloud */
    }
    if (node->kind != expected &&
        (node->kind != NODE_VALUE || node->quoted || node->text[0] != '\0' || (node->key == NULL && index > 0))) {
        settings_errors_add(walk->errors, NULL, node->line, shown, "found %s, allowed is a %s",
                            node->kind == NODE_VALUE ? "a value" : node->kind == NODE_LIST ? "a list" : "a mapping",
                            expected == NODE_LIST ? "list" : "mapping");
        return false;
    }
    return true;
}

/* Parents come before their children, so one pass over the nodes is a walk over the tree. */
static void walk_nodes(struct walk *walk)
{
    struct settings_document *document = walk->document;

    for (size_t index = 0; index < document->count; index++) {
        struct settings_node *node = &document->nodes[index];
        char path[SETTINGS_PATH_BYTES];
        char shown[SETTINGS_PATH_BYTES];
        const struct setting *row;

        if (index > 0 && document->nodes[node->parent].skipped) {
            node->skipped = true;
            continue;
        }
        settings_path_of(document, index, path);
        settings_path_shown(document, index, shown);
        row = settings_table_find(bytes_of(path));
        if (row != NULL) {
            store_node(walk, index, row, base_of(walk, index, setting_scope(row)));
            node->skipped = true;
        } else if (settings_table_is_section(bytes_of(path))) {
            node->skipped = !check_section(walk, index, path, index == 0 ? NULL : shown);
        } else {
            refuse_unknown(walk, index, path, shown);
            node->skipped = true;
        }
    }
}

void settings_walk(struct settings *settings, struct settings_document *document, struct settings_errors *errors)
{
    struct walk walk = {.settings = settings, .document = document, .errors = errors};

    buffer_init(&walk.expanded, SETTINGS_ITEMS_MAX * SETTINGS_VALUE_BYTES_MAX);
    walk_nodes(&walk);
    buffer_free(&walk.expanded);
}
