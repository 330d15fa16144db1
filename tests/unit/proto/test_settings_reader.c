/* test_settings_reader: YAML becomes nodes with lines; what is no plain YAML is refused; every prefix ends in peace. */
#include "support/unit.h"

#include "proto/limits.h"
#include "proto/settings_reader.h"

#include <stdio.h>
#include <stdlib.h>

/* Reads and returns what was told, "" when it was read; the caller frees it and closes the document. */
static char *read_text(struct bytes text, struct settings_document **out)
{
    char *told = NULL;
    size_t count;
    struct settings_errors errors = {.out = open_memstream(&told, &count), .file = "f"};
    enum status status;

    assert_non_null(errors.out);
    *out = NULL;
    status = settings_document_open(out, text, &errors);
    assert_int_equal(0, fclose(errors.out));
    assert_int_equal(status == STATUS_OK, *out != NULL);
    assert_int_equal(status == STATUS_OK, errors.count == 0);
    return told;
}

static void assert_told(const char *expected, struct bytes text)
{
    struct settings_document *document;
    char *told = read_text(text, &document);

    assert_string_equal(expected, told);
    free(told);
    settings_document_close(&document);
}

static void assert_node(const struct settings_document *document, size_t index, struct settings_node expected)
{
    const struct settings_node *node = &document->nodes[index];

    assert_int_equal(expected.kind, node->kind);
    assert_int_equal(expected.parent, node->parent);
    assert_int_equal(expected.position, node->position);
    assert_int_equal(expected.child_count, node->child_count);
    assert_int_equal(expected.line, node->line);
    assert_int_equal(expected.quoted, node->quoted);
    assert_string_equal(expected.key == NULL ? "(none)" : expected.key, node->key == NULL ? "(none)" : node->key);
    assert_string_equal(expected.text == NULL ? "(none)" : expected.text, node->text == NULL ? "(none)" : node->text);
}

static const char sample[] = "# comment\nroutes:\n  - path: /a\n    from: \"auto\"\n  -\n    path:\nlog: { level: 'info', list: [a, b] }\n";

static void nodes_know_their_parent_position_and_line(void **state)
{
    struct settings_document *document;
    char *told = read_text(bytes_of(sample), &document);

    (void)state;
    assert_string_equal("", told);
    assert_int_equal(12, document->count);
    assert_node(document, 0, (struct settings_node){NODE_MAPPING, 0, 0, 2, 2, false, false, NULL, NULL});
    assert_node(document, 1, (struct settings_node){NODE_LIST, 0, 0, 2, 2, false, false, "routes", NULL});
    assert_node(document, 2, (struct settings_node){NODE_MAPPING, 1, 0, 2, 3, false, false, NULL, NULL});
    assert_node(document, 3, (struct settings_node){NODE_VALUE, 2, 0, 0, 3, false, false, "path", "/a"});
    assert_node(document, 4, (struct settings_node){NODE_VALUE, 2, 1, 0, 4, true, false, "from", "auto"});
    assert_node(document, 5, (struct settings_node){NODE_MAPPING, 1, 1, 1, 6, false, false, NULL, NULL});
    assert_node(document, 6, (struct settings_node){NODE_VALUE, 5, 0, 0, 6, false, false, "path", ""});
    assert_node(document, 7, (struct settings_node){NODE_MAPPING, 0, 1, 2, 7, false, false, "log", NULL});
    assert_node(document, 8, (struct settings_node){NODE_VALUE, 7, 0, 0, 7, true, false, "level", "info"});
    assert_node(document, 9, (struct settings_node){NODE_LIST, 7, 1, 2, 7, false, false, "list", NULL});
    assert_node(document, 10, (struct settings_node){NODE_VALUE, 9, 0, 0, 7, false, false, NULL, "a"});
    assert_node(document, 11, (struct settings_node){NODE_VALUE, 9, 1, 0, 7, false, false, NULL, "b"});
    free(told);
    settings_document_close(&document);
}

static void an_empty_file_has_no_nodes(void **state)
{
    struct settings_document *document;
    char *told = read_text((struct bytes){NULL, 0}, &document);

    (void)state;
    assert_string_equal("", told);
    assert_int_equal(0, document->count);
    free(told);
    settings_document_close(&document);
    settings_document_close(&document);
}

static void what_makes_one_line_mean_another_is_refused(void **state)
{
    static const char anchors[] = "f:1: anchors and aliases (& and *) are not allowed; quote a text that begins so\n";
    static const char tags[] = "f:1: tags (!) are not allowed; quote a text that begins so\n";

    (void)state;
    assert_told(anchors, BYTES("a: &x 1\n"));
    assert_told(anchors, BYTES("a: &x [1]\n"));
    assert_told(anchors, BYTES("a: &x {b: 1}\n"));
    assert_told(anchors, BYTES("a: *x\n"));
    assert_told(anchors, BYTES("<<: *x\n"));
    assert_told(tags, BYTES("a: !!str 1\n"));
    assert_told(tags, BYTES("a: !x [1]\n"));
    assert_told(tags, BYTES("a: !!map {b: 1}\n"));
    assert_told("f:2: a second document; one is allowed\n", BYTES("a: 1\n---\nb: 1\n"));
    assert_told("f:1: a key must be a plain word\n", BYTES("[a]: 1\n"));
    assert_told("f:1: a key must be a plain word\n", BYTES("{a: 1}: 1\n"));
    assert_told("f:1: a control character or a line break inside a value\n", BYTES("a: \"b\\n\"\n"));
    assert_told("f:1: a control character or a line break inside a value\n", BYTES("a: \"\\0\"\n"));
    assert_told("f:1: a control character or a line break inside a value\n", BYTES("a: |\n  b\n"));
    assert_told("f:1: a control character or a line break inside a value\n", BYTES("\"a\\tb\": 1\n"));
}

static void the_same_key_twice_is_refused_with_both_lines(void **state)
{
    (void)state;
    assert_told("f:3: key 'a' twice; the first is in line 1\n", BYTES("a: 1\nb: {a: 1}\na: 2\n"));
    assert_told("f:2: key 'c' twice; the first is in line 2\n", BYTES("a: 1\nb: {c: {c: 1}, d: [{c: 1}, {c: 2}], \"c\": 2}\n"));
    assert_told("", BYTES("c: 1\nb: {c: {c: 1}, d: [{c: 1}, {c: 2}]}\n"));
}

static void what_is_no_yaml_is_told_with_its_line(void **state)
{
    struct settings_document *document;
    static const char *const bad[] = {"a: 1\nb: [1\n", "a: 1\n b: 1\n", "a: 1\n\tb: 1\n", "a: 1\n\x01", "a: 1\nb: \"\n", "a: 1\nb: \xFF\n"};

    (void)state;
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        char *told = read_text(bytes_of(bad[index]), &document);

        if (strncmp(told, "f:", 2) != 0 || strstr(told, ": not YAML: ") == NULL) {
            fail_msg("'%s' gave '%s'", bad[index], told);
        }
        free(told);
        settings_document_close(&document);
    }
}

static void depth_is_bounded(void **state)
{
    char text[100];

    (void)state;
    for (size_t depth = SETTINGS_DEPTH_MAX; depth <= SETTINGS_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memcpy(text + depth, "1", 1);
        memset(text + depth + 1, ']', depth);
        assert_told(depth == SETTINGS_DEPTH_MAX ? "" : "f:1: lists and mappings are nested too deeply\n",
                    (struct bytes){text, 2 * depth + 1});
    }
    assert_told("f:1: lists and mappings are nested too deeply\n", BYTES("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["));
}

static void entries_and_nodes_are_bounded(void **state)
{
    struct buffer text;

    (void)state;
    buffer_init(&text, MIB);
    for (size_t count = SETTINGS_ENTRIES_MAX; count <= SETTINGS_ENTRIES_MAX + 1; count++) {
        buffer_clear(&text);
        for (size_t index = 0; index < count; index++) {
            assert_status(STATUS_OK, buffer_append_text(&text, "- 1\n"));
        }
        assert_told(count == SETTINGS_ENTRIES_MAX ? "" : "f:4097: too many entries in one list or mapping\n", buffer_view(&text));
    }
    /* The root, and lists of 63 values: 64 nodes each. */
    for (size_t more = 0; more < 2; more++) {
        buffer_clear(&text);
        for (size_t index = 0; index < SETTINGS_NODES_MAX / 64; index++) {
            assert_status(STATUS_OK, buffer_append_text(&text, "- [1"));
            for (size_t item = 1; item < (index == 0 ? 62 + more : 63); item++) {
                assert_status(STATUS_OK, buffer_append_text(&text, ",1"));
            }
            assert_status(STATUS_OK, buffer_append_text(&text, "]\n"));
        }
        assert_told(more == 0 ? "" : "f:1024: the file holds too many values\n", buffer_view(&text));
    }
    buffer_free(&text);
}

static void every_prefix_is_read_or_refused_in_peace(void **state)
{
    static const char deep[] = "{a: [{b: \"c\"}, {? d}], \"e\": 'f'}";

    (void)state;
    for (size_t which = 0; which < 2; which++) {
        const char *whole = which == 0 ? sample : deep;

        for (size_t count = 0; count <= strlen(whole); count++) {
            struct settings_document *document;
            char *copy = malloc(count + 1); /* exactly as long, so that a read past the end is seen */
            char *told;

            assert_non_null(copy);
            memcpy(copy, whole, count);
            told = read_text((struct bytes){copy, count}, &document);
            free(told);
            free(copy);
            settings_document_close(&document);
        }
    }
}

static void problems_are_counted_beyond_those_told(void **state)
{
    char *told = NULL;
    size_t count;
    struct settings_errors errors = {.out = open_memstream(&told, &count), .file = "f"};

    (void)state;
    settings_errors_add(&errors, NULL, 3, "a.b", "found %d", 4);
    settings_errors_add(&errors, "VARIABLE", 0, "a.b", "x");
    settings_errors_add(&errors, NULL, 0, NULL, "y");
    assert_int_equal(0, fflush(errors.out));
    assert_string_equal("f:3: a.b: found 4\nVARIABLE: a.b: x\nf: y\n", told);
    while (errors.count < SETTINGS_ERRORS_MAX + 2) {
        settings_errors_add(&errors, NULL, 1, NULL, "z");
    }
    assert_int_equal(0, fclose(errors.out));
    assert_int_equal(SETTINGS_ERRORS_MAX + 2, errors.count);
    assert_string_equal("f:1: z\nf: more than 20 problems: the rest is not told\n",
                        told + strlen(told) - strlen("f:1: z\nf: more than 20 problems: the rest is not told\n"));
    free(told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_know_their_parent_position_and_line),
        cmocka_unit_test(an_empty_file_has_no_nodes),
        cmocka_unit_test(what_makes_one_line_mean_another_is_refused),
        cmocka_unit_test(the_same_key_twice_is_refused_with_both_lines),
        cmocka_unit_test(what_is_no_yaml_is_told_with_its_line),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(entries_and_nodes_are_bounded),
        cmocka_unit_test(every_prefix_is_read_or_refused_in_peace),
        cmocka_unit_test(problems_are_counted_beyond_those_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
