/* path: what a path begins with and leads through, in every way in which servers write and read it. */
#include "gateway/path.h"

#include "support/unit.h"

static bool begins_with(struct bytes path, struct bytes prefix, struct bytes *out_rest)
{
    struct path_front front;

    path_front_read(&front, path);
    return path_begins_with(&front, prefix, out_rest);
}

static void assert_begins(const char *path, const char *prefix, const char *wanted_rest)
{
    struct bytes rest;

    if (!begins_with(bytes_of(path), bytes_of(prefix), &rest)) {
        fail_msg("%s does not begin with %s", path, prefix);
    }
    assert_bytes(wanted_rest, rest);
}

static void a_path_begins_with_what_it_means(void **state)
{
    static const char *const others[] = {"",      "/",      "/ab",    "a",       "/A",     "/%41",  "/a%",
                                         "/a%2",  "/a%3b",  "/b/a",   "/%2561",  "/a%2Db", "/;/b"};

    (void)state;
    assert_begins("/a/b", "/a", "/b");
    assert_begins("/a", "/a", "");
    assert_begins("/a/", "/a", "/");
    assert_begins("/x", "", "/x");
    assert_begins("/%61//b", "/a", "//b");
    assert_begins("//a", "/a", "");
    assert_begins("/%2F/a%2Fb", "/a", "%2Fb");
    assert_begins("/a;b;c=d/e", "/a", "/e");
    assert_begins("/;x/a", "/a", "");
    assert_begins("/a;b//c", "/a/c", "");
    assert_begins("/%2e%7E/c", "/.~", "/c");
    for (size_t index = 0; index < sizeof others / sizeof others[0]; index++) {
        struct bytes rest;

        if (begins_with(bytes_of(others[index]), BYTES("/a"), &rest)) {
            fail_msg("%s begins with /a", others[index]);
        }
    }
}

/* The longest prefix of the settings, in a path that is longer than the front, as written and not. */
static void a_prefix_may_have_its_whole_length(void **state)
{
    char path[1 + 3 * PATH_BYTES_MAX], prefix[PATH_BYTES_MAX];
    struct bytes rest;

    (void)state;
    memset(path, 'a', sizeof path);
    memset(prefix, 'a', sizeof prefix);
    path[0] = path[1] = prefix[0] = '/';
    path[sizeof prefix + 1] = '/';
    assert_true(begins_with((struct bytes){path, sizeof path}, (struct bytes){prefix, sizeof prefix}, &rest));
    assert_int_equal(sizeof path - sizeof prefix - 1, rest.count);
    assert_true(begins_with((struct bytes){path, sizeof prefix + 1}, (struct bytes){prefix, sizeof prefix}, &rest));
    assert_int_equal(0, rest.count);
    path[sizeof prefix + 1] = 'a';
    assert_false(begins_with((struct bytes){path, sizeof path}, (struct bytes){prefix, sizeof prefix}, &rest));
    assert_false(begins_with((struct bytes){path, sizeof prefix}, (struct bytes){prefix, sizeof prefix}, &rest));
}

static void a_path_leads_through_a_part_wherever_it_stands(void **state)
{
    static const char *const through[] = {"/a/b/c", "/v1/a/b/c", "/v1/a/%62/c", "/v1/a//b/c", "/v1/a;x/b;y/c", "/a%2Fb%2Fc",
                                          "/a/b/",  "/a/a/b/c",  "/a/b"};
    static const char *const past[] = {"", "/", "/a/bc", "/xa/b/c", "/a/x/b/c", "/a/b%3Bc"};

    (void)state;
    for (size_t index = 0; index < sizeof through / sizeof through[0]; index++) {
        if (!path_leads_through(bytes_of(through[index]), BYTES("/a/b"))) {
            fail_msg("%s does not lead through /a/b", through[index]);
        }
    }
    for (size_t index = 0; index < sizeof past / sizeof past[0]; index++) {
        assert_false(path_leads_through(bytes_of(past[index]), BYTES("/a/b")));
    }
}

static void a_uri_has_its_characters_and_no_others(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char text[] = {'/', (char)byte, 'a'};
        bool wanted = byte > 0x20 && byte < 0x7F && strchr("\"#%<>[\\]^`{|}", byte) == NULL;

        assert_int_equal(wanted, path_is_of_uri((struct bytes){text, sizeof text}));
    }
    assert_true(path_is_of_uri(BYTES("")));
    assert_true(path_is_of_uri(BYTES("/%00%fF")));
    assert_false(path_is_of_uri(BYTES("/%0g")));
    assert_false(path_is_of_uri(BYTES("/%0")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_begins_with_what_it_means),
        cmocka_unit_test(a_prefix_may_have_its_whole_length),
        cmocka_unit_test(a_path_leads_through_a_part_wherever_it_stands),
        cmocka_unit_test(a_uri_has_its_characters_and_no_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
