/* test_keys: secrets are made where they are missing, differ, are readable by whom they are for, and are never made anew. */
#include "support/folder.h"
#include "support/unit.h"

#include "proto/keys.h"
#include "proto/secret.h"
#include "proto/wire_security.h"

#include <sys/stat.h>

enum { HEX_DIGITS = 64 };

static mode_t mode_of(const struct folder *folder, const char *name)
{
    char path[PATH_BYTES_MAX + 1];
    struct stat found;

    folder_path(folder, name, path);
    assert_int_equal(0, stat(path, &found));
    return found.st_mode & 0777;
}

static void read_key(const struct folder *folder, const char *name, char out[HEX_DIGITS + 1])
{
    char path[PATH_BYTES_MAX + 1];
    struct secret secret = {0};

    folder_path(folder, name, path);
    assert_status(STATUS_OK, secret_read(&secret, path));
    assert_int_equal(HEX_DIGITS, secret.count);
    assert_status(STATUS_OK, bytes_copy(secret_view(&secret), out, HEX_DIGITS + 1));
    secret_free(&secret);
}

static void all_secrets_are_made_and_then_kept(void **state)
{
    struct folder folder;
    char hash[HEX_DIGITS + 1];
    char database[HEX_DIGITS + 1];
    char again[HEX_DIGITS + 1];

    (void)state;
    folder_open(&folder);
    assert_status(STATUS_OK, keys_make(folder.path, stdout));
    read_key(&folder, "hash", hash);
    read_key(&folder, "database", database);
    assert_string_not_equal(hash, database);
    assert_int_equal(0600, mode_of(&folder, "hash"));
    assert_int_equal(0640, mode_of(&folder, "database"));
    assert_int_equal(0600, mode_of(&folder, "moderator.key"));
    assert_status(STATUS_OK, keys_make(folder.path, stdout));
    read_key(&folder, "hash", again);
    assert_string_equal(hash, again);
    read_key(&folder, "database", again);
    assert_string_equal(database, again);
    folder_close(&folder);
}

static void the_folder_is_made_for_its_owner_alone(void **state)
{
    struct folder folder;
    struct folder inside;

    (void)state;
    folder_open(&folder);
    folder_path(&folder, "keys", inside.path);
    assert_status(STATUS_OK, keys_make(inside.path, stdout));
    assert_int_equal(0700, mode_of(&folder, "keys"));
    folder_close(&inside);
    folder_close(&folder);
}

static void a_missing_text_is_made_beside_what_is_kept(void **state)
{
    struct folder folder;
    char path[PATH_BYTES_MAX + 1];
    char key[HEX_DIGITS + 1];

    (void)state;
    folder_open(&folder);
    assert_status(STATUS_OK, wire_security_make_keys(folder.path));
    folder_write(&folder, "hash", BYTES("an old key\n"));
    assert_status(STATUS_OK, keys_make(folder.path, stdout));
    read_key(&folder, "database", key);
    folder_path(&folder, "gateway.pub", path);
    assert_int_equal(0, unlink(path));
    assert_status(STATUS_CONFLICT, keys_make(folder.path, stdout)); /* half a set of CURVE keys cannot be completed */
    folder_close(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_secrets_are_made_and_then_kept),
        cmocka_unit_test(the_folder_is_made_for_its_owner_alone),
        cmocka_unit_test(a_missing_text_is_made_beside_what_is_kept),
    };

    assert_status(STATUS_OK, secret_start());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
