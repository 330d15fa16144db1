/* test_secret: key files at their bounds, hashes against vectors made with Python's hashlib, randomness that differs. */
#include "support/folder.h"
#include "support/unit.h"

#include "proto/secret.h"

static enum status read_content(struct secret *out, struct bytes content)
{
    struct folder folder;
    char path[PATH_BYTES_MAX + 1];
    enum status status;

    folder_open(&folder);
    folder_write(&folder, "key", content);
    folder_path(&folder, "key", path);
    status = secret_read(out, path);
    folder_close(&folder);
    return status;
}

static void assert_secret(const char *expected, struct bytes content)
{
    struct secret secret = {NULL, 0};

    assert_status(STATUS_OK, read_content(&secret, content));
    assert_bytes(expected, secret_view(&secret));
    assert_string_equal(expected, secret.data);
    secret_free(&secret);
    assert_null(secret.data);
    secret_free(&secret);
}

static void assert_no_secret(enum status expected, struct bytes content)
{
    struct secret secret = {NULL, 7};

    assert_status(expected, read_content(&secret, content));
    assert_null(secret.data);
    assert_int_equal(7, secret.count);
}

static void a_key_file_is_read_without_one_newline_at_its_end(void **state)
{
    (void)state;
    assert_secret("sk-abc", BYTES("sk-abc"));
    assert_secret("sk-abc", BYTES("sk-abc\n"));
    assert_secret("sk-abc", BYTES("sk-abc\r\n"));
    assert_secret(" two words ", BYTES(" two words \n"));
    assert_secret("\xC3\xA4", BYTES("\xC3\xA4"));
}

static void an_empty_key_or_one_with_control_bytes_is_refused(void **state)
{
    (void)state;
    assert_no_secret(STATUS_MALFORMED, BYTES(""));
    assert_no_secret(STATUS_MALFORMED, BYTES("\n"));
    assert_no_secret(STATUS_MALFORMED, BYTES("\r\n"));
    assert_no_secret(STATUS_MALFORMED, BYTES("a\n\n"));
    assert_no_secret(STATUS_MALFORMED, BYTES("a\r"));
    assert_no_secret(STATUS_MALFORMED, BYTES("a\nb"));
    assert_no_secret(STATUS_MALFORMED, BYTES("a\0b"));
    assert_no_secret(STATUS_MALFORMED, BYTES("a\x7f"));
}

static void a_key_may_be_as_long_as_its_bound_and_no_longer(void **state)
{
    char content[SECRET_BYTES_MAX + 100];
    char expected[SECRET_BYTES_MAX + 1];

    (void)state;
    memset(content, 'k', sizeof content);
    memset(expected, 'k', sizeof expected);
    expected[SECRET_BYTES_MAX] = '\0';
    assert_secret(expected, (struct bytes){content, SECRET_BYTES_MAX});
    assert_no_secret(STATUS_TOO_LARGE, (struct bytes){content, SECRET_BYTES_MAX + 1});
    assert_no_secret(STATUS_TOO_LARGE, (struct bytes){content, sizeof content});
    memcpy(content + SECRET_BYTES_MAX, "\r\n", 2);
    assert_secret(expected, (struct bytes){content, SECRET_BYTES_MAX + 1 + 1});
    /* A newline that only the reader's own bound makes the last byte. */
    content[SECRET_BYTES_MAX] = 'k';
    assert_no_secret(STATUS_TOO_LARGE, (struct bytes){content, sizeof content});
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
    struct secret secret = {NULL, 0};

    (void)state;
    assert_status(STATUS_IO, secret_read(&secret, "/nonexistent/key"));
    assert_status(STATUS_IO, secret_read(&secret, "/"));
    assert_null(secret.data);
}

static void assert_hex(const char *expected, const unsigned char *data, size_t count)
{
    char hex[2 * SHA256_BYTES + 1];

    secret_hex(hex, (struct bytes){(const char *)data, count});
    assert_string_equal(expected, hex);
}

static void hashes_match_an_independent_implementation(void **state)
{
    unsigned char key[SECRET_HASH_KEY_BYTES];
    unsigned char hash[TEXT_HASH_BYTES];
    unsigned char sha256[SHA256_BYTES];

    (void)state;
    secret_hash_key(key, BYTES("key material"));
    assert_hex("106abd2727879e05bee67bb9a5c90ec99bc4fe15b5294bc05faa901e5caad67f", key, sizeof key);
    secret_text_hash(hash, key, BYTES("a text"));
    assert_hex("d632c74da346d7c3a7321d8d62f40bee", hash, sizeof hash);
    secret_text_hash(hash, key, (struct bytes){NULL, 0});
    assert_hex("61ca6018a1cca136d1c66d0539b4627f", hash, sizeof hash);
    /* The first vectors of the SipHash reference implementation. */
    for (size_t index = 0; index < SECRET_TABLE_KEY_BYTES; index++) {
        key[index] = (unsigned char)index;
    }
    secret_table_hash(hash, key, (struct bytes){NULL, 0});
    assert_hex("a3817f04ba25a8e66df67214c7550293", hash, TABLE_HASH_BYTES);
    secret_table_hash(hash, key, (struct bytes){"", 1});
    assert_hex("da87c1d86b99af44347659119b22fc45", hash, TABLE_HASH_BYTES);
    secret_sha256(sha256, BYTES("abc"));
    assert_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", sha256, sizeof sha256);
    secret_sha256(sha256, (struct bytes){NULL, 0});
    assert_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", sha256, sizeof sha256);
}

static void a_digest_of_parts_tells_where_they_are_parted(void **state)
{
    unsigned char digests[3][SHA256_BYTES] = {0};

    (void)state;
    secret_sha256_add(digests[0], BYTES("ab"));
    secret_sha256_add(digests[0], BYTES("c"));
    secret_sha256_add(digests[1], BYTES("a"));
    secret_sha256_add(digests[1], BYTES("bc"));
    secret_sha256_add(digests[2], BYTES("abc"));
    assert_memory_not_equal(digests[0], digests[1], SHA256_BYTES);
    assert_memory_not_equal(digests[0], digests[2], SHA256_BYTES);
}

static void another_key_gives_another_hash(void **state)
{
    unsigned char keys[2][SECRET_HASH_KEY_BYTES];
    unsigned char hashes[2][TEXT_HASH_BYTES];

    (void)state;
    for (size_t index = 0; index < 2; index++) {
        secret_hash_key(keys[index], index == 0 ? BYTES("one") : BYTES("two"));
        secret_text_hash(hashes[index], keys[index], BYTES("a text"));
    }
    assert_memory_not_equal(hashes[0], hashes[1], TEXT_HASH_BYTES);
}

static void decision_ids_are_lower_case_hex_and_differ(void **state)
{
    char ids[2 * SECRET_IDS_DRAWN + 1][DECISION_ID_BYTES + 1];
    struct secret_ids drawn = {.left = 0};

    (void)state;
    for (size_t index = 0; index < sizeof ids / sizeof ids[0]; index++) {
        memset(ids[index], '!', sizeof ids[index]);
        secret_decision_id(&drawn, ids[index]);
        assert_int_equal(DECISION_ID_BYTES, strlen(ids[index]));
        assert_int_equal(DECISION_ID_BYTES, strspn(ids[index], "0123456789abcdef"));
        for (size_t before = 0; before < index; before++) {
            assert_string_not_equal(ids[before], ids[index]);
        }
    }
    assert_true(secret_random_u64() != secret_random_u64());
}

static void equality_needs_the_same_length_and_bytes(void **state)
{
    (void)state;
    assert_true(secret_equal(BYTES("key"), BYTES("key")));
    assert_true(secret_equal((struct bytes){NULL, 0}, BYTES("")));
    assert_false(secret_equal(BYTES("key"), BYTES("kez")));
    assert_false(secret_equal(BYTES("key"), BYTES("ke")));
    assert_false(secret_equal(BYTES("key"), BYTES("keyy")));
}

static int start(void **state)
{
    (void)state;
    assert_status(STATUS_OK, secret_start());
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_file_is_read_without_one_newline_at_its_end),
        cmocka_unit_test(an_empty_key_or_one_with_control_bytes_is_refused),
        cmocka_unit_test(a_key_may_be_as_long_as_its_bound_and_no_longer),
        cmocka_unit_test(a_file_that_cannot_be_read_is_told),
        cmocka_unit_test(hashes_match_an_independent_implementation),
        cmocka_unit_test(a_digest_of_parts_tells_where_they_are_parted),
        cmocka_unit_test(another_key_gives_another_hash),
        cmocka_unit_test(decision_ids_are_lower_case_hex_and_differ),
        cmocka_unit_test(equality_needs_the_same_length_and_bytes),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
