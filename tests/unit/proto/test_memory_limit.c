/* Tests of memory_limit: both versions, groups above the own one, and files that say nothing. */
#include "proto/memory_limit.h"

#include "support/unit.h"

#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct tree {
    char root[64];
};

static void path_of(const struct tree *tree, const char *name, char out[PATH_BYTES_MAX])
{
    assert_in_range(snprintf(out, PATH_BYTES_MAX, "%s%s", tree->root, name), 1, PATH_BYTES_MAX - 1);
}

static void put(const struct tree *tree, const char *name, const char *text)
{
    char path[PATH_BYTES_MAX];
    FILE *file;

    path_of(tree, name, path);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(0, fclose(file));
}

static const char *const folders[] = {"", "/a", "/a/b", "/memory", "/memory/a", "/memory/a/b"};
enum { FOLDERS = sizeof folders / sizeof folders[0] };

static int set_up(void **state)
{
    struct tree *tree = test_calloc(1, sizeof *tree);
    char path[PATH_BYTES_MAX];

    (void)snprintf(tree->root, sizeof tree->root, "/tmp/prismguard-limit-XXXXXX");
    assert_non_null(mkdtemp(tree->root));
    for (size_t index = 1; index < FOLDERS; index++) {
        path_of(tree, folders[index], path);
        assert_int_equal(0, mkdir(path, 0700));
    }
    *state = tree;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const files[] = {"/groups", "/memory.max",     "/memory.limit_in_bytes", "/memory.current",
                                        "/memory.stat", "/memory.usage_in_bytes"};
    struct tree *tree = *state;
    char path[PATH_BYTES_MAX];

    for (size_t index = FOLDERS; index > 0; index--) {
        for (size_t file = 0; file < sizeof files / sizeof files[0]; file++) {
            assert_in_range(snprintf(path, sizeof path, "%s%s%s", tree->root, folders[index - 1], files[file]), 1, sizeof path - 1);
            (void)unlink(path);
        }
        path_of(tree, folders[index - 1], path);
        assert_int_equal(0, rmdir(path));
    }
    test_free(tree);
    return 0;
}

static uint64_t limit(const struct tree *tree, const char *groups)
{
    char path[PATH_BYTES_MAX];

    put(tree, "/groups", groups);
    path_of(tree, "/groups", path);
    return memory_limit_read(path, tree->root);
}

static void version_two_tells_the_lowest_of_the_own_group_and_those_above(void **state)
{
    struct tree *tree = *state;

    put(tree, "/a/b/memory.max", "max\n");
    assert_true(limit(tree, "0::/a/b\n") == MEMORY_UNLIMITED);
    put(tree, "/a/memory.max", "2097152\n");
    assert_int_equal(2 * MIB, limit(tree, "0::/a/b\n"));
    put(tree, "/a/b/memory.max", "1048576\n");
    assert_int_equal(MIB, limit(tree, "0::/a/b\n"));
    put(tree, "/memory.max", "4096\n");
    assert_int_equal(4096, limit(tree, "0::/a/b\n"));
    assert_int_equal(4096, limit(tree, "0::/\n"));
}

static void version_one_tells_it_of_the_memory_controller(void **state)
{
    struct tree *tree = *state;

    put(tree, "/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
    assert_true(limit(tree, "5:cpu:/a\n4:memory:/a/b\n0::/a\n") == MEMORY_UNLIMITED);
    put(tree, "/memory/a/b/memory.limit_in_bytes", "536870912\n");
    assert_int_equal(512 * MIB, limit(tree, "5:cpu:/a\n4:memory:/a/b\n"));
    assert_int_equal(512 * MIB, limit(tree, "4:hugetlb,memory:/a/b\n"));
    assert_true(limit(tree, "4:memory2,cpu:/a/b\n") == MEMORY_UNLIMITED);
}

static void a_path_of_the_host_is_passed_over_and_the_root_looked_at(void **state)
{
    struct tree *tree = *state;

    put(tree, "/memory/memory.limit_in_bytes", "1048576\n");
    assert_int_equal(MIB, limit(tree, "4:memory:/docker/0123456789abcdef\n"));
}

static void what_says_nothing_is_no_limit(void **state)
{
    static const char *const groups[] = {"", "\n", "0::", "x", "4:memory", "::::", "0::/no/such/group\n"};
    struct tree *tree = *state;

    for (size_t index = 0; index < sizeof groups / sizeof groups[0]; index++) {
        assert_true(limit(tree, groups[index]) == MEMORY_UNLIMITED);
    }
    put(tree, "/a/memory.max", "");
    assert_true(limit(tree, "0::/a") == MEMORY_UNLIMITED);
    put(tree, "/a/memory.max", "-5\n");
    assert_true(limit(tree, "0::/a") == MEMORY_UNLIMITED);
    assert_true(memory_limit_read("/no/such/file", tree->root) == MEMORY_UNLIMITED);
    assert_true(memory_limit_bytes() > 0);
}

/* What the group that `groups` names uses. */
static enum status used(const struct tree *tree, const char *groups, uint64_t *out)
{
    struct memory_group group;
    char path[PATH_BYTES_MAX];

    put(tree, "/groups", groups);
    path_of(tree, "/groups", path);
    memory_group_read(&group, path, tree->root);
    return memory_group_used(&group, out);
}

static void what_is_used_is_that_of_the_group_with_the_limit_without_files(void **state)
{
    struct tree *tree = *state;
    uint64_t bytes = 7;

    assert_status(STATUS_UNAVAILABLE, used(tree, "0::/a/b\n", &bytes));
    put(tree, "/a/memory.max", "2097152\n");
    assert_status(STATUS_IO, used(tree, "0::/a/b\n", &bytes));
    assert_int_equal(7, bytes);
    put(tree, "/a/memory.current", "1000000\n");
    assert_status(STATUS_OK, used(tree, "0::/a/b\n", &bytes));
    assert_int_equal(1000000, bytes);
    put(tree, "/a/memory.stat", "anon 5\ninactive_file 300000\ninactive_file_x 9\nactive_file 200000\n");
    assert_status(STATUS_OK, used(tree, "0::/a/b\n", &bytes));
    assert_int_equal(500000, bytes);
    put(tree, "/a/memory.stat", "inactive_file 3000000\nactive_file\nactive_file x\n");
    assert_status(STATUS_OK, used(tree, "0::/a/b\n", &bytes));
    assert_int_equal(0, bytes);
}

static void version_one_counts_the_groups_below_too(void **state)
{
    struct tree *tree = *state;
    uint64_t bytes;

    put(tree, "/memory/a/memory.limit_in_bytes", "1048576\n");
    put(tree, "/memory/a/memory.usage_in_bytes", "1000000\n");
    put(tree, "/memory/a/memory.stat", "inactive_file 1\ntotal_inactive_file 100000\ntotal_active_file 50000\n");
    assert_status(STATUS_OK, used(tree, "4:memory:/a/b\n", &bytes));
    assert_int_equal(850000, bytes);
}

int main(void)
{
#define in_tree(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        in_tree(version_two_tells_the_lowest_of_the_own_group_and_those_above),
        in_tree(version_one_tells_it_of_the_memory_controller),
        in_tree(a_path_of_the_host_is_passed_over_and_the_root_looked_at),
        in_tree(what_says_nothing_is_no_limit),
        in_tree(what_is_used_is_that_of_the_group_with_the_limit_without_files),
        in_tree(version_one_counts_the_groups_below_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
