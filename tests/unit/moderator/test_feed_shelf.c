/* test_feed_shelf: what the feed keeps on disk, what it does not write twice, and what it does without a folder. */
#include "support/folder.h"
#include "support/unit.h"

#include "moderator/feed_shelf.h"
#include "proto/secret.h"

static int64_t counted(struct metrics *metrics, const char *result)
{
    const struct metric_label label = {"result", result};

    return series_value(metrics_series(metrics, METRIC_COUNTER, "prismguard_moderator_models_on_disk_total", "", &label, 1));
}

static enum status expect_weights(void *context, const struct feed_row *row)
{
    assert_bytes("weights", row->bytes);
    assert_int_equal(0, row->change);
    assert_int_equal(SHA256_BYTES, row->sha256.count);
    return *(const enum status *)context;
}

static enum status expect_nothing(void *context, const struct feed_row *row)
{
    assert_int_equal(1, row->profile);
    assert_true(row->from_disk && row->unread == STATUS_CORRUPT);
    assert_int_equal(0, row->bytes.count + row->version);
    return *(const enum status *)context;
}

static void a_model_is_kept_once_and_read_again(void **state)
{
    static const unsigned char sha256[SHA256_BYTES] = {9};
    struct profile_settings profiles[] = {{.name = "one"}, {.name = "two"}};
    struct settings settings = {.profiles = profiles, .profile_count = 2};
    struct feed_row row = {.profile = 1, .version = 5, .change = 7, .bytes = BYTES("weights"),
                           .sha256 = {(const char *)sha256, sizeof sha256}};
    struct feed_shelf *shelf = NULL;
    struct metrics *metrics = NULL;
    struct folder folder;
    struct folder models = {0};
    char path[PATH_BYTES_MAX + 1];
    enum status answer = STATUS_OK;

    (void)state;
    folder_open(&folder);
    (void)snprintf(settings.moderator.state_dir, sizeof settings.moderator.state_dir, "%s", folder.path);
    (void)snprintf(models.path, sizeof models.path, "%.200s/models", folder.path);
    assert_status(STATUS_OK, metrics_open(&metrics));
    assert_status(STATUS_OK, feed_shelf_open(&shelf, &settings, metrics));
    assert_status(STATUS_NOT_FOUND, feed_shelf_read(shelf, 1, expect_weights, &answer));
    feed_shelf_put(shelf, &row);
    feed_shelf_put(shelf, &row);
    assert_int_equal(1, counted(metrics, "kept"));
    row.version = 6;
    feed_shelf_put(shelf, &row);
    assert_int_equal(2, counted(metrics, "kept"));
    assert_status(STATUS_NOT_FOUND, feed_shelf_read(shelf, 0, expect_weights, &answer));
    assert_status(STATUS_OK, feed_shelf_read(shelf, 1, expect_weights, &answer));
    answer = STATUS_CORRUPT;
    assert_status(STATUS_CORRUPT, feed_shelf_read(shelf, 1, expect_weights, &answer));
    assert_int_equal(1, counted(metrics, "used"));
    assert_int_equal(1, counted(metrics, "damaged"));
    folder_find(&models, ".model", path);
    assert_int_equal(0, truncate(path, 8));
    assert_status(STATUS_CORRUPT, feed_shelf_read(shelf, 1, expect_nothing, &answer));
    assert_int_equal(2, counted(metrics, "damaged"));
    answer = STATUS_NO_MEMORY; /* which says nothing of the file */
    assert_status(STATUS_NO_MEMORY, feed_shelf_read(shelf, 1, expect_nothing, &answer));
    assert_int_equal(2, counted(metrics, "damaged"));
    feed_shelf_put(shelf, &row); /* the same model: what was refused is not there */
    assert_int_equal(3, counted(metrics, "kept"));
    answer = STATUS_NO_MEMORY;
    assert_status(STATUS_NO_MEMORY, feed_shelf_read(shelf, 1, expect_weights, &answer));
    feed_shelf_put(shelf, &row);
    assert_int_equal(3, counted(metrics, "kept"));
    feed_shelf_close(&shelf);
    folder_close(&models);
    folder_close(&folder);
    metrics_close(&metrics);
}

static void without_a_folder_nothing_is_kept(void **state)
{
    static const char *const dirs[] = {"", "/nonexistent/state"};
    static const unsigned char sha256[SHA256_BYTES] = {9};
    const struct feed_row row = {.version = 5, .bytes = BYTES("weights"), .sha256 = {(const char *)sha256, sizeof sha256}};
    struct profile_settings profiles[] = {{.name = "one"}};
    struct settings settings = {.profiles = profiles, .profile_count = 1};
    enum status answer = STATUS_OK;

    (void)state;
    for (size_t index = 0; index < 2; index++) {
        struct feed_shelf *shelf = NULL;
        struct metrics *metrics = NULL;

        (void)snprintf(settings.moderator.state_dir, sizeof settings.moderator.state_dir, "%s", dirs[index]);
        assert_status(STATUS_OK, metrics_open(&metrics));
        assert_status(STATUS_OK, feed_shelf_open(&shelf, &settings, metrics));
        feed_shelf_put(shelf, &row);
        assert_status(STATUS_NOT_FOUND, feed_shelf_read(shelf, 0, expect_weights, &answer));
        assert_int_equal(0, counted(metrics, "kept") + counted(metrics, "failed"));
        feed_shelf_close(&shelf);
        feed_shelf_close(&shelf);
        metrics_close(&metrics);
    }
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
        cmocka_unit_test(a_model_is_kept_once_and_read_again),
        cmocka_unit_test(without_a_folder_nothing_is_kept),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
