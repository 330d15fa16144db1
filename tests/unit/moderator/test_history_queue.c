/* test_history_queue: batches are of one profile and in order; what is on disk leaves as soon as no batch holds it; bytes are bounded. */
#include "support/unit.h"

#include "moderator/history_queue.h"

#include <stdlib.h>

static enum status add(struct history_queue *queue, size_t profile, size_t text_count)
{
    struct history_entry *entry = calloc(1, sizeof *entry + text_count);
    enum status status;

    assert_non_null(entry);
    entry->profile = profile;
    entry->text_count = text_count;
    status = history_queue_add(queue, entry);
    if (status != STATUS_OK) {
        free(entry);
    }
    return status;
}

static void a_batch_is_of_the_oldest_labels_profile(void **state)
{
    struct history_entry *batch[4];
    struct history_queue queue;

    (void)state;
    history_queue_init(&queue);
    assert_int_equal(0, history_queue_take(&queue, 4, batch));
    for (size_t index = 0; index < 6; index++) {
        assert_status(STATUS_OK, add(&queue, index % 2, index));
    }
    assert_int_equal(2, history_queue_take(&queue, 2, batch));
    assert_int_equal(0, batch[0]->text_count);
    assert_int_equal(2, batch[1]->text_count);
    assert_int_equal(0, history_queue_end(&queue, false));
    assert_int_equal(6, queue.count);
    assert_int_equal(3, history_queue_take(&queue, 4, batch));
    assert_int_equal(3, history_queue_end(&queue, true));
    assert_int_equal(3, queue.count);
    assert_int_equal(1, queue.first->profile);
    assert_status(STATUS_OK, add(&queue, 0, 0)); /* behind the others */
    assert_int_equal(3, history_queue_take(&queue, 4, batch));
    history_queue_free(&queue);
    assert_int_equal(0, queue.count);
    assert_int_equal(0, queue.bytes);
}

static void what_is_on_disk_stays_as_long_as_a_batch_holds_it(void **state)
{
    struct history_entry *batch[2];
    struct history_queue queue;

    (void)state;
    for (int written = 0; written < 2; written++) {
        history_queue_init(&queue);
        for (size_t index = 0; index < 4; index++) {
            assert_status(STATUS_OK, add(&queue, 0, 1));
        }
        assert_int_equal(2, history_queue_take(&queue, 2, batch));
        queue.first->spooled = true;
        queue.first->next->next->spooled = true;
        history_queue_drop_spooled(&queue);
        assert_int_equal(3, queue.count);
        assert_int_equal(1, queue.spooled);
        assert_ptr_equal(batch[0], queue.first);
        assert_int_equal(written, history_queue_end(&queue, written != 0)); /* one of the two is on disk, and written from there */
        assert_int_equal(written ? 1 : 2, queue.count);
        assert_int_equal(0, queue.spooled);
        history_queue_free(&queue);
    }
}

static void bytes_are_bounded(void **state)
{
    struct history_queue queue;

    (void)state;
    history_queue_init(&queue);
    assert_status(STATUS_OK, add(&queue, 0, HISTORY_QUEUE_BYTES_MAX - 2 * sizeof(struct history_entry)));
    assert_status(STATUS_FULL, add(&queue, 0, 1));
    assert_status(STATUS_OK, add(&queue, 0, 0));
    assert_int_equal(HISTORY_QUEUE_BYTES_MAX, queue.bytes);
    assert_status(STATUS_FULL, add(&queue, 0, 0));
    history_queue_free(&queue);
    assert_status(STATUS_OK, add(&queue, 0, 1));
    history_queue_free(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_of_the_oldest_labels_profile),
        cmocka_unit_test(what_is_on_disk_stays_as_long_as_a_batch_holds_it),
        cmocka_unit_test(bytes_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
