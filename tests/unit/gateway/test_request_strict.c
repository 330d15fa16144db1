/* Tests of request: every line of tests/vectors/http-strict gets its verdict whole, byte by byte and in every two parts. */
#include "gateway/request.h"

#include "support/file.h"
#include "support/reading.h"

static const struct request_limits limits = {.line_bytes = 8192, .header_bytes = 32768, .fields = 100, .body_bytes = MIB};

/* Takes \r, \n, \t, \\ and \xNN apart, into memory that ends with the last byte. */
static struct bytes unescape(struct bytes text)
{
    char *out = malloc(text.count + 1);
    size_t count = 0;

    for (size_t at = 0; at < text.count; at++) {
        char digits[3] = {0};

        if (text.data[at] != '\\') {
            out[count++] = text.data[at];
            continue;
        }
        switch (text.data[++at]) {
        case 'x':
            memcpy(digits, text.data + at + 1, 2);
            out[count++] = (char)strtoul(digits, NULL, 16);
            at += 2;
            break;
        case 'r':
            out[count++] = '\r';
            break;
        case 'n':
            out[count++] = '\n';
            break;
        case 't':
            out[count++] = '\t';
            break;
        default:
            out[count++] = text.data[at];
            break;
        }
    }
    return (struct bytes){realloc(out, count > 0 ? count : 1), count};
}

/* "none" and "path": taken here; "more": not at its end; "*": refused by whatever rule; else refused by this rule. */
static bool keeps_rule(const struct reading *reading, struct bytes rule)
{
    if (bytes_equal(rule, BYTES("none")) || bytes_equal(rule, BYTES("path"))) {
        return reading->refused == 0 && reading->done > 0;
    }
    if (bytes_equal(rule, BYTES("more"))) {
        return reading->refused == 0 && reading->done == 0;
    }
    return reading->refused == 1 && reading->done == 0 &&
           (bytes_equal(rule, BYTES("*")) || bytes_equal(rule, bytes_of(refusal_rule(request_refusal(reading->request)))));
}

static void every_line_gets_its_verdict_in_every_split(void **state)
{
    struct bytes cases = file_read(TEST_VECTORS, "http-strict/cases.tsv");
    struct bytes rest = cases;
    size_t lines = 0, wrong = 0;

    (void)state;
    (void)file_next_line(&rest); /* the titles */
    while (rest.count > 0) {
        struct bytes line = file_next_line(&rest);
        struct bytes rule = file_next_field(&line);
        struct bytes text = unescape(file_next_field(&line));
        struct reading reading;

        start(&reading, &limits);
        read_all_ways(&reading, text, &limits);
        if (!keeps_rule(&reading, rule)) {
            print_message("%.*s: wanted %.*s, done %zu, refused %zu (%s)\n", (int)line.count, line.data, (int)rule.count, rule.data,
                          reading.done, reading.refused, refusal_rule(request_refusal(reading.request)));
            wrong++;
        }
        stop(&reading);
        free((void *)(uintptr_t)text.data);
        lines++;
    }
    free((void *)(uintptr_t)cases.data);
    assert_true(lines > 1000);
    assert_int_equal(0, wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_gets_its_verdict_in_every_split),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
