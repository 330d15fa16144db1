/* test_history_spool: a label comes back as it went, in batches of one profile; what has become useless is given up alone. */
#include "support/postgres.h"
#include "support/unit.h"

#include "moderator/history_spool.h"
#include "moderator/share.h"
#include "moderator/spool.h"
#include "proto/secret.h"

struct place {
    struct settings settings;
    struct profile_settings profiles[2];
    struct history_spool *spool;
};

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    assert_non_null(place);
    place->profiles[0] = (struct profile_settings){.name = "first"};
    place->profiles[1] = (struct profile_settings){.name = "second"};
    place->settings.profiles = place->profiles;
    place->settings.profile_count = 2;
    place->settings.moderator.spool_bytes = 64 * MIB;
    (void)snprintf(place->settings.moderator.state_dir, sizeof place->settings.moderator.state_dir,
                   "/tmp/prismguard-state-XXXXXX");
    assert_non_null(mkdtemp(place->settings.moderator.state_dir));
    assert_status(STATUS_OK, history_spool_open(&place->spool, &place->settings));
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    history_spool_close(&place->spool);
    history_spool_close(&place->spool);
    (void)nftw(place->settings.moderator.state_dir, postgres_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(place);
    return 0;
}

static struct history_entry *make(size_t profile, size_t text_count)
{
    struct history_entry *entry = calloc(1, sizeof *entry + text_count);

    assert_non_null(entry);
    entry->profile = profile;
    entry->has_text = text_count > 0;
    entry->text_count = text_count;
    memset(entry->text, 'x', text_count);
    return entry;
}

static void add(struct place *place, struct history_entry *entry)
{
    assert_status(STATUS_OK, history_spool_add(place->spool, entry));
    free(entry);
}

/* Takes a batch that must be of `count` labels of `profile`, and frees it. */
static void take(struct place *place, size_t count_max, size_t profile, size_t count)
{
    struct history_entry *entries[SAMPLE_BATCH_MAX];
    size_t taken;
    size_t given_up;

    assert_status(STATUS_OK, history_spool_take(place->spool, count_max, entries, &taken, &given_up));
    assert_int_equal(count, taken);
    assert_int_equal(0, given_up);
    for (size_t index = 0; index < taken; index++) {
        assert_int_equal(profile, entries[index]->profile);
        free(entries[index]);
    }
}

static void nothing_is_left(struct place *place, size_t expected_given_up)
{
    struct history_entry *entries[1];
    size_t taken;
    size_t given_up;

    assert_status(STATUS_NOT_FOUND, history_spool_take(place->spool, 1, entries, &taken, &given_up));
    assert_int_equal(0, taken);
    assert_int_equal(expected_given_up, given_up);
    assert_int_equal(0, history_spool_count(place->spool));
}

static void a_label_comes_back_as_it_went(void **state)
{
    struct place *place = *state;

    for (unsigned bits = 0; bits < 8; bits++) {
        struct history_entry *entry = make(bits % 2, bits & 4 ? SAMPLE_TEXT_BYTES_MAX : 0);
        struct history_entry *back = NULL;
        size_t count;
        size_t given_up;

        entry->violation = (bits & 1) != 0;
        entry->drawn = bits & 2 ? DRAWN_RANDOM : DRAWN_UNSURE;
        memset(entry->category, 'c', bits & 1 ? CATEGORY_BYTES_MAX : 0);
        memset(entry->hash, (int)(0xf0 + bits), sizeof entry->hash);
        entry->has_caller = bits & 4;
        memset(entry->caller, entry->has_caller ? 0xa0 : 0, sizeof entry->caller);
        entry->labelled_us = 0xfedcba9876543210u >> bits;
        entry->model_version = 0x123456789abcdef0u >> bits;
        entry->share = bits & 2 ? SHARE_WHOLE - bits : 0;
        assert_status(STATUS_OK, history_spool_add(place->spool, entry));
        assert_status(STATUS_OK, history_spool_sync(place->spool));
        assert_status(STATUS_OK, history_spool_take(place->spool, 1, &back, &count, &given_up));
        assert_int_equal(1, count);
        assert_int_equal(entry->profile, back->profile);
        assert_int_equal(entry->violation, back->violation);
        assert_int_equal(entry->drawn, back->drawn);
        assert_true(entry->labelled_us == back->labelled_us);
        assert_int_equal(entry->has_text, back->has_text);
        assert_true(entry->model_version == back->model_version);
        assert_int_equal(entry->share, back->share);
        assert_int_equal(entry->has_caller, back->has_caller);
        assert_memory_equal(entry->caller, back->caller, sizeof entry->caller);
        assert_string_equal(entry->category, back->category);
        assert_memory_equal(entry->hash, back->hash, sizeof entry->hash);
        assert_int_equal(entry->text_count, back->text_count);
        assert_memory_equal(entry->text, back->text, entry->text_count);
        assert_status(STATUS_OK, history_spool_forget(place->spool, 1));
        free(entry);
        free(back);
    }
    nothing_is_left(place, 0);
}

static void a_batch_is_of_one_profile_and_comes_again_until_it_is_forgotten(void **state)
{
    struct place *place = *state;

    add(place, make(0, 1));
    add(place, make(0, 1));
    add(place, make(1, 1));
    add(place, make(0, 1));
    take(place, SAMPLE_BATCH_MAX, 0, 2);
    take(place, 1, 0, 1);
    take(place, SAMPLE_BATCH_MAX, 0, 2);
    assert_status(STATUS_OK, history_spool_forget(place->spool, 2));
    take(place, SAMPLE_BATCH_MAX, 1, 1);
    assert_status(STATUS_OK, history_spool_forget(place->spool, 1));
    take(place, SAMPLE_BATCH_MAX, 0, 1);
    assert_status(STATUS_OK, history_spool_forget(place->spool, 1));
    nothing_is_left(place, 0);
    assert_int_equal(0, history_spool_bytes(place->spool));
}

static void a_batch_has_no_more_bytes_than_a_queue(void **state)
{
    struct place *place = *state;
    const size_t fit = HISTORY_QUEUE_BYTES_MAX / SAMPLE_TEXT_BYTES_MAX - 1; /* a record is a little more than its text */

    for (size_t index = 0; index < fit + 2; index++) {
        add(place, make(0, SAMPLE_TEXT_BYTES_MAX));
    }
    take(place, SAMPLE_BATCH_MAX, 0, fit);
    assert_status(STATUS_OK, history_spool_forget(place->spool, fit));
    take(place, SAMPLE_BATCH_MAX, 0, 2);
}

static void a_label_without_a_profile_is_given_up_alone(void **state)
{
    struct place *place = *state;
    struct history_entry *back = NULL;
    size_t count;
    size_t given_up;

    add(place, make(1, 1));
    add(place, make(0, 1));
    add(place, make(1, 1));
    history_spool_close(&place->spool);
    place->settings.profile_count = 1;
    assert_status(STATUS_OK, history_spool_open(&place->spool, &place->settings));
    assert_status(STATUS_OK, history_spool_take(place->spool, SAMPLE_BATCH_MAX, &back, &count, &given_up));
    assert_int_equal(1, count);
    assert_int_equal(1, given_up);
    free(back);
    assert_status(STATUS_OK, history_spool_forget(place->spool, 1));
    nothing_is_left(place, 1);
}

/* As a moderator of the version before left it on the disk: without the model's version and the share. */
static void a_record_of_the_version_before_is_read(void **state)
{
    static const char record[] = "\3\5\1\4\5"
                                 "hash of 16 bytes"
                                 "\1\0\0\0\0\0\0\0"
                                 "calr of 16 bytes"
                                 "hate"
                                 "first"
                                 "x";
    struct place *place = *state;
    struct history_entry *back = NULL;
    struct spool *raw = NULL;
    char dir[PATH_BYTES_MAX + 16];
    size_t count;
    size_t given_up;

    history_spool_close(&place->spool);
    (void)snprintf(dir, sizeof dir, "%s/0", place->settings.moderator.state_dir);
    assert_status(STATUS_OK, spool_open(&raw, dir, MIB));
    assert_status(STATUS_OK, spool_append(raw, (struct bytes){record, sizeof record - 1}));
    spool_close(&raw);
    assert_status(STATUS_OK, history_spool_open(&place->spool, &place->settings));
    assert_status(STATUS_OK, history_spool_take(place->spool, 1, &back, &count, &given_up));
    assert_int_equal(1, count);
    assert_true(back->violation && back->has_caller && !back->has_text && back->drawn == DRAWN_RANDOM);
    assert_string_equal("hate", back->category);
    assert_memory_equal("hash of 16 bytes", back->hash, sizeof back->hash);
    assert_memory_equal("calr of 16 bytes", back->caller, sizeof back->caller);
    assert_memory_equal("x", back->text, back->text_count);
    assert_int_equal(1, back->labelled_us);
    assert_int_equal(0, back->model_version);
    assert_int_equal(0, back->share);
    free(back);
}

/* Every shortening and every wrong first byte of a whole record, written as a stranger would. */
static void a_record_of_another_shape_is_given_up(void **state)
{
    struct place *place = *state;
    char dir[PATH_BYTES_MAX + 16];
    struct spool *raw = NULL;
    struct bytes record;
    char copy[80];
    size_t whole;

    add(place, make(0, 0));
    history_spool_close(&place->spool);
    (void)snprintf(dir, sizeof dir, "%s/0", place->settings.moderator.state_dir);
    assert_status(STATUS_OK, spool_open(&raw, dir, MIB));
    assert_status(STATUS_OK, spool_next(raw, &record));
    whole = record.count;
    assert_true(whole <= sizeof copy);
    memcpy(copy, record.data, whole);
    assert_status(STATUS_OK, spool_forget(raw));
    for (size_t count = 0; count < whole; count++) {
        assert_status(STATUS_OK, spool_append(raw, (struct bytes){copy, count}));
    }
    for (size_t at = 0; at < 5; at++) {
        char was = copy[at];

        copy[at] = (char)0x7f;
        assert_status(STATUS_OK, spool_append(raw, (struct bytes){copy, whole}));
        copy[at] = was;
    }
    spool_close(&raw);
    assert_status(STATUS_OK, history_spool_open(&place->spool, &place->settings));
    assert_int_equal(whole + 5, history_spool_count(place->spool));
    nothing_is_left(place, whole + 5);
}

static void each_process_has_a_folder_of_its_own(void **state)
{
    struct place *place = *state;
    struct history_spool *others[STATE_FOLDERS_MAX] = {NULL};

    for (size_t index = 1; index < STATE_FOLDERS_MAX; index++) {
        assert_status(STATUS_OK, history_spool_open(&others[index], &place->settings));
    }
    assert_status(STATUS_CONFLICT, history_spool_open(&others[0], &place->settings));
    assert_null(others[0]);
    for (size_t index = 1; index < STATE_FOLDERS_MAX; index++) {
        history_spool_close(&others[index]);
    }
}

static void leave_labels(struct history_spool **leaving, size_t count)
{
    struct history_entry *entry = make(0, 1);

    for (size_t index = 0; index < count; index++) {
        assert_status(STATUS_OK, history_spool_add(*leaving, entry));
    }
    free(entry);
    history_spool_close(leaving);
}

static void folders_of_dead_processes_are_adopted_one_by_one(void **state)
{
    struct place *place = *state;
    struct history_spool *others[4] = {NULL};
    unsigned number = 0;

    assert_status(STATUS_NOT_FOUND, history_spool_adopt(place->spool, &number));
    for (size_t index = 0; index < 4; index++) {
        assert_status(STATUS_OK, history_spool_open(&others[index], &place->settings));
    }
    leave_labels(&others[0], 0); /* nothing to adopt */
    leave_labels(&others[1], 2);
    leave_labels(&others[3], 3);
    add(place, make(0, 1));
    assert_status(STATUS_OK, history_spool_adopt(place->spool, &number));
    assert_int_equal(2, number);
    assert_true(history_spool_has_adopted(place->spool));
    assert_int_equal(3, history_spool_count(place->spool));
    /* Its lock is ours: a new process, and one that adopts, find another. */
    assert_status(STATUS_OK, history_spool_open(&others[0], &place->settings)); /* folder 1 */
    assert_status(STATUS_OK, history_spool_adopt(others[0], &number));
    assert_int_equal(4, number);
    history_spool_close(&others[0]);
    /* Those first, then ours; what comes meanwhile goes into ours. */
    add(place, make(1, 1));
    take(place, SAMPLE_BATCH_MAX, 0, 2);
    assert_status(STATUS_OK, history_spool_forget(place->spool, 2));
    assert_false(history_spool_has_adopted(place->spool));
    assert_int_equal(2, history_spool_count(place->spool));
    take(place, SAMPLE_BATCH_MAX, 0, 1);
    assert_status(STATUS_OK, history_spool_forget(place->spool, 1));
    take(place, SAMPLE_BATCH_MAX, 1, 1);
    assert_status(STATUS_OK, history_spool_adopt(place->spool, &number));
    assert_int_equal(4, number); /* not folder 3, whose process lives */
    take(place, SAMPLE_BATCH_MAX, 0, 3);
    assert_status(STATUS_OK, history_spool_forget(place->spool, 3));
    assert_status(STATUS_NOT_FOUND, history_spool_adopt(place->spool, &number));
    history_spool_close(&others[2]);
}

static void a_folder_that_cannot_be_opened_keeps_no_other_from_adoption(void **state)
{
    struct place *place = *state;
    struct history_spool *others[2] = {NULL};
    char path[PATH_BYTES_MAX + 32];
    unsigned number = 0;

    for (size_t index = 0; index < 2; index++) {
        assert_status(STATUS_OK, history_spool_open(&others[index], &place->settings));
    }
    (void)snprintf(path, sizeof path, "%s/1/00000001.spool", place->settings.moderator.state_dir);
    assert_int_equal(0, mkdir(path, 0700));
    history_spool_close(&others[0]);
    assert_status(STATUS_IO, history_spool_adopt(place->spool, &number));
    assert_int_equal(1, number);
    leave_labels(&others[1], 1);
    assert_status(STATUS_OK, history_spool_adopt(place->spool, &number));
    assert_int_equal(2, number);
}

static void a_state_dir_that_is_not_there_is_an_error(void **state)
{
    struct settings settings = {.moderator.spool_bytes = MIB, .moderator.state_dir = "/proc/no/such/folder"};
    struct history_spool *spool = NULL;

    (void)state;
    assert_status(STATUS_IO, history_spool_open(&spool, &settings));
    memset(settings.moderator.state_dir, 'x', PATH_BYTES_MAX);
    assert_status(STATUS_TOO_LARGE, history_spool_open(&spool, &settings));
    assert_null(spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_label_comes_back_as_it_went, setup, teardown),
        cmocka_unit_test_setup_teardown(a_batch_is_of_one_profile_and_comes_again_until_it_is_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(a_batch_has_no_more_bytes_than_a_queue, setup, teardown),
        cmocka_unit_test_setup_teardown(a_label_without_a_profile_is_given_up_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_of_the_version_before_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_of_another_shape_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(each_process_has_a_folder_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(folders_of_dead_processes_are_adopted_one_by_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_opened_keeps_no_other_from_adoption, setup, teardown),
        cmocka_unit_test(a_state_dir_that_is_not_there_is_an_error),
    };

    if (secret_start() != STATUS_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
