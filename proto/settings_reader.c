/* settings_reader: libyaml's events, checked one by one, into the flat document. */
#include "proto/settings_reader.h"

#include "proto/limits.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { NODES_FIRST = 64 };

/* The state between two events: where in the document the next node belongs. */
struct reader {
    yaml_parser_t parser;
    struct settings_document *document;
    struct settings_errors *errors;
    uint32_t open[SETTINGS_DEPTH_MAX]; /* the lists and mappings that have begun and not ended, outermost first */
    size_t depth;
    char *key; /* of the mapping that is open: read, its value not yet */
    unsigned key_line;
    bool done; /* the first document has ended */
};

void settings_errors_add(struct settings_errors *errors, const char *source, unsigned line, const char *path,
                         const char *format, ...)
{
    va_list arguments;

    errors->count++;
    if (errors->count == SETTINGS_ERRORS_MAX + 1) {
        fprintf(errors->out, "%s: more than %d problems: the rest is not told\n", errors->file, SETTINGS_ERRORS_MAX);
    }
    if (errors->count > SETTINGS_ERRORS_MAX) {
        return;
    }
    (void)snprintf(errors->paths[errors->count - 1], SETTINGS_PATH_BYTES, "%s", path == NULL ? "" : path);
    fprintf(errors->out, "%s:", source == NULL ? errors->file : source);
    if (line > 0) {
        fprintf(errors->out, "%u:", line);
    }
    if (path != NULL) {
        fprintf(errors->out, " %s:", path);
    }
    fputc(' ', errors->out);
    va_start(arguments, format);
    vfprintf(errors->out, format, arguments);
    va_end(arguments);
    fputc('\n', errors->out);
}

/* Whether `outer` is `inner` or a section around it. */
static bool is_around(const char *outer, const char *inner)
{
    size_t count = strlen(outer);

    return count > 0 && strncmp(outer, inner, count) == 0 && strchr(".[", inner[count]) != NULL; /* or its end */
}

bool settings_errors_told(const struct settings_errors *errors, const char *path)
{
    for (size_t index = 0; index < errors->count && index < SETTINGS_ERRORS_MAX; index++) {
        if (is_around(errors->paths[index], path) || is_around(path, errors->paths[index])) {
            return true;
        }
    }
    return false;
}

static unsigned line_of(yaml_mark_t mark)
{
    return (unsigned)mark.line + 1;
}

static enum status refuse(struct reader *reader, unsigned line, const char *what)
{
    settings_errors_add(reader->errors, NULL, line, NULL, "%s", what);
    return STATUS_MALFORMED;
}

static struct settings_node *top(struct reader *reader)
{
    return &reader->document->nodes[reader->open[reader->depth - 1]];
}

static enum status make_room(struct settings_document *document)
{
    size_t room = document->room == 0 ? NODES_FIRST : 2 * document->room;
    struct settings_node *grown;

    if (document->count < document->room) {
        return STATUS_OK;
    }
    grown = realloc(document->nodes, room * sizeof *grown);
    if (grown == NULL) {
        return STATUS_NO_MEMORY;
    }
    document->nodes = grown;
    document->room = room;
    return STATUS_OK;
}

/* Takes `text` in any case. The new node takes the key that was waiting for it. */
static enum status add_node(struct reader *reader, enum settings_node_kind kind, unsigned line, char *text, bool quoted)
{
    struct settings_document *document = reader->document;
    struct settings_node *node;
    enum status status = STATUS_OK;

    if (document->count == SETTINGS_NODES_MAX) {
        status = refuse(reader, line, "the file holds too many values");
    } else if (reader->depth > 0 && top(reader)->child_count == SETTINGS_ENTRIES_MAX) {
        status = refuse(reader, line, "too many entries in one list or mapping");
    } else {
        status = make_room(document);
    }
    if (status != STATUS_OK) {
        free(text);
        return status;
    }
    node = &document->nodes[document->count];
    *node = (struct settings_node){.kind = kind, .line = line, .text = text, .quoted = quoted};
    if (reader->depth > 0) {
        node->parent = reader->open[reader->depth - 1];
        node->position = top(reader)->child_count++;
    }
    if (reader->key != NULL) {
        node->key = reader->key;
        node->line = reader->key_line;
        reader->key = NULL;
    }
    document->count++;
    return STATUS_OK;
}

static bool wants_key(struct reader *reader)
{
    return reader->depth > 0 && top(reader)->kind == NODE_MAPPING && reader->key == NULL;
}

static enum status check_key_is_new(struct reader *reader, const char *key, unsigned line)
{
    uint32_t parent = reader->open[reader->depth - 1];

    for (size_t index = parent + 1; index < reader->document->count; index++) {
        const struct settings_node *node = &reader->document->nodes[index];

        if (node->parent == parent && strcmp(node->key, key) == 0) {
            settings_errors_add(reader->errors, NULL, line, NULL, "key '%.*s' twice; the first is in line %u",
                                (int)SETTINGS_FOUND_BYTES_MAX, key, node->line);
            return STATUS_MALFORMED;
        }
    }
    return STATUS_OK;
}

static enum status on_scalar(struct reader *reader, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t count = event->data.scalar.length;
    unsigned line = line_of(event->start_mark);
    char *text;

    for (size_t index = 0; index < count; index++) {
        if ((unsigned char)value[index] < 0x20 || value[index] == 0x7F) {
            return refuse(reader, line, "a control character or a line break inside a value");
        }
    }
    if (wants_key(reader)) {
        enum status status = check_key_is_new(reader, value, line);

        if (status != STATUS_OK) {
            return status;
        }
    }
    text = strdup(value);
    if (text == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (wants_key(reader)) {
        reader->key = text;
        reader->key_line = line;
        return STATUS_OK;
    }
    return add_node(reader, NODE_VALUE, line, text, event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE);
}

static enum status on_begin(struct reader *reader, enum settings_node_kind kind, const yaml_event_t *event)
{
    unsigned line = line_of(event->start_mark);
    enum status status;

    if (wants_key(reader)) {
        return refuse(reader, line, "a key must be a plain word");
    }
    if (reader->depth == SETTINGS_DEPTH_MAX) {
        return refuse(reader, line, "lists and mappings are nested too deeply");
    }
    status = add_node(reader, kind, line, NULL, false);
    if (status == STATUS_OK) {
        reader->open[reader->depth++] = (uint32_t)(reader->document->count - 1);
    }
    return status;
}

/* What YAML can do and settings need not: it makes one line mean another. */
static enum status check_plainness(struct reader *reader, const yaml_event_t *event)
{
    bool anchored = false;
    bool tagged = false;

    switch (event->type) {
    case YAML_SCALAR_EVENT:
        anchored = event->data.scalar.anchor != NULL;
        tagged = event->data.scalar.tag != NULL;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchored = event->data.sequence_start.anchor != NULL;
        tagged = event->data.sequence_start.tag != NULL;
        break;
    case YAML_MAPPING_START_EVENT:
        anchored = event->data.mapping_start.anchor != NULL;
        tagged = event->data.mapping_start.tag != NULL;
        break;
    case YAML_ALIAS_EVENT:
        anchored = true;
        break;
    default:
        break;
    }
    if (anchored || tagged) {
        return refuse(reader, line_of(event->start_mark),
                      anchored ? "anchors and aliases (& and *) are not allowed; quote a text that begins so"
                               : "tags (!) are not allowed; quote a text that begins so");
    }
    return STATUS_OK;
}

static enum status on_event(struct reader *reader, const yaml_event_t *event)
{
    enum status status = check_plainness(reader, event);

    if (status != STATUS_OK) {
        return status;
    }
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return reader->done ? refuse(reader, line_of(event->start_mark), "a second document; one is allowed") : STATUS_OK;
    case YAML_DOCUMENT_END_EVENT:
        reader->done = true;
        return STATUS_OK;
    case YAML_SCALAR_EVENT:
        return on_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_begin(reader, NODE_LIST, event);
    case YAML_MAPPING_START_EVENT:
        return on_begin(reader, NODE_MAPPING, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        reader->depth--;
        return STATUS_OK;
    default:
        return STATUS_OK;
    }
}

/* One event after the other until the stream ends or something is wrong; libyaml cannot go on after an error. */
static enum status read_events(struct reader *reader)
{
    for (;;) {
        yaml_event_t event;
        bool last;
        enum status status;

        if (yaml_parser_parse(&reader->parser, &event) == 0) {
            if (reader->parser.error == YAML_MEMORY_ERROR) {
                return STATUS_NO_MEMORY;
            }
            settings_errors_add(reader->errors, NULL, line_of(reader->parser.problem_mark), NULL, "not YAML: %s",
                                reader->parser.problem == NULL ? "unreadable" : reader->parser.problem);
            return STATUS_MALFORMED;
        }
        last = event.type == YAML_STREAM_END_EVENT;
        status = on_event(reader, &event);
        yaml_event_delete(&event);
        if (last || status != STATUS_OK) {
            return status;
        }
    }
}

enum status settings_document_open(struct settings_document **out, struct bytes text, struct settings_errors *errors)
{
    struct reader reader = {.errors = errors};
    enum status status = STATUS_NO_MEMORY;

    reader.document = calloc(1, sizeof *reader.document);
    if (reader.document == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (yaml_parser_initialize(&reader.parser) != 0) {
        yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&reader.parser, (const unsigned char *)(text.count == 0 ? "" : text.data), text.count);
        status = read_events(&reader);
        yaml_parser_delete(&reader.parser);
    }
    free(reader.key);
    if (status != STATUS_OK) {
        settings_document_close(&reader.document);
        return status;
    }
    *out = reader.document;
    return STATUS_OK;
}

void settings_document_close(struct settings_document **document)
{
    assert(document != NULL);
    if (*document == NULL) {
        return;
    }
    for (size_t index = 0; index < (*document)->count; index++) {
        free((*document)->nodes[index].key);
        free((*document)->nodes[index].text);
    }
    free((*document)->nodes);
    free(*document);
    *document = NULL;
}
