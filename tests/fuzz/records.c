/* records: any file in either format ends, and every record that it gives is one that the database may hold. */
#include "fuzz/fuzz.h"

#include "proto/secret.h"
#include "proto/utf8.h"
#include "trainer/records.h"

static void read_all(struct records *records, size_t size)
{
    struct record record;
    enum status status;
    size_t count = 0;

    do {
        status = records_next(records, &record);
        if (status == STATUS_OK) {
            fuzz_hold(record.text.count > 0 && record.text.count <= SAMPLE_TEXT_BYTES_MAX);
            fuzz_hold(utf8_sound_bytes(record.text) == record.text.count && bytes_find(record.text, '\0') < 0);
            fuzz_hold(record.label == 0 || record.label == 1);
            fuzz_hold(record.source >= 0 && record.source <= 3 && record.labelled_us >= 0);
            fuzz_hold(records_is_category(record.category));
        }
        fuzz_hold(status == STATUS_OK || status == STATUS_MALFORMED || status == STATUS_CLOSED);
        fuzz_hold(++count <= size + 1); /* each takes something */
    } while (status != STATUS_CLOSED);
    fuzz_hold(records_bytes(records) == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_hold(secret_start() == STATUS_OK);
    for (int format = RECORD_JSONL; format <= RECORD_CSV && size > 0; format++) {
        FILE *file = fmemopen((void *)(uintptr_t)data, size, "r");
        struct records *records = NULL;

        fuzz_hold(file != NULL);
        if (records_open(&records, (enum record_format)format, file) == STATUS_OK) {
            read_all(records, size);
        }
        records_close(&records);
        fuzz_hold(fclose(file) == 0);
    }
    return 0;
}
