/* spool: a folder of labels that a dead process left, damaged anywhere: what is read are the records before the damage, as they were
 * written, and then the folder takes new ones. Records of any content are given up or become a label within its bounds. */
#include "fuzz/fuzz.h"

#include "moderator/history_spool.h"
#include "moderator/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORDS_MAX = 64 };

struct place {
    struct settings settings;
    struct profile_settings profile;
    char folder[PATH_BYTES_MAX + 32];
    char segment[PATH_BYTES_MAX + 64]; /* of few records there is one file */
};

/* One folder for all inputs; each empties it. */
static void open_place(struct place *place)
{
    char *state_dir = place->settings.moderator.state_dir;

    *place = (struct place){.profile = {.name = "default"}};
    place->settings.profiles = &place->profile;
    place->settings.profile_count = 1;
    place->settings.moderator.spool_bytes = MIB;
    /* In memory: each input brings its files to the disk several times. */
    (void)snprintf(state_dir, sizeof place->settings.moderator.state_dir, "/dev/shm/prismguard-fuzz-%ld", (long)getpid());
    (void)snprintf(place->folder, sizeof place->folder, "%s/0", state_dir);
    (void)snprintf(place->segment, sizeof place->segment, "%s/00000001.spool", place->folder);
    fuzz_hold(mkdir(state_dir, 0700) == 0 && mkdir(place->folder, 0700) == 0);
}

static void close_place(const struct place *place)
{
    char lock[PATH_BYTES_MAX + 64];

    (void)snprintf(lock, sizeof lock, "%s/lock", place->folder);
    (void)unlink(place->segment);
    fuzz_hold(unlink(lock) == 0 && rmdir(place->folder) == 0 && rmdir(place->settings.moderator.state_dir) == 0);
}

/* The next record of the input: a byte of length, its bytes. */
static struct bytes next_record(struct bytes *rest)
{
    size_t count = (unsigned char)rest->data[0];
    struct bytes record = bytes_first(bytes_from(*rest, 1), count);

    *rest = bytes_from(*rest, 1 + record.count);
    return record;
}

static size_t write_records(const struct place *place, struct bytes rest, struct bytes records[RECORDS_MAX])
{
    struct spool *spool = NULL;
    size_t count = 0;

    fuzz_hold(spool_open(&spool, place->folder, MIB) == STATUS_OK && spool_count(spool) == 0);
    while (rest.count > 0 && count < RECORDS_MAX) {
        records[count] = next_record(&rest);
        fuzz_hold(spool_append(spool, records[count++]) == STATUS_OK);
    }
    fuzz_hold(spool_count(spool) == count && spool_damaged_bytes(spool) == 0);
    spool_close(&spool);
    return count;
}

/* Changes one byte, cuts the file there, or adds behind it; says where the first change is. */
static uint64_t damage(const struct place *place, unsigned how, unsigned where)
{
    int file = open(place->segment, O_RDWR | O_CLOEXEC);
    struct stat found;
    uint64_t at;
    char byte;

    if (file < 0) {
        return UINT64_MAX; /* no record, no file */
    }
    fuzz_hold(fstat(file, &found) == 0 && found.st_size > 0);
    at = where % (uint64_t)found.st_size;
    if (how % 4 == 0) {
        at = UINT64_MAX;
    } else if (how % 4 == 1) {
        fuzz_hold(pread(file, &byte, 1, (off_t)at) == 1);
        byte = (char)((unsigned char)byte ^ (how >> 2 == 0 ? 1 : how >> 2));
        fuzz_hold(pwrite(file, &byte, 1, (off_t)at) == 1);
    } else if (how % 4 == 2) {
        fuzz_hold(ftruncate(file, (off_t)at) == 0);
    } else {
        at = (uint64_t)found.st_size;
        byte = (char)(unsigned char)(how >> 2);
        fuzz_hold(pwrite(file, &byte, 1, (off_t)at) == 1);
    }
    fuzz_hold(close(file) == 0);
    return at;
}

/* Records from the front, as they were; as many as end before the damage. */
static void hold_records(const struct place *place, const struct bytes *records, size_t count, uint64_t damaged_at)
{
    struct spool *spool = NULL;
    struct bytes read;
    uint64_t end = 0;
    size_t sound = 0;

    while (sound < count && (end += 12 + records[sound].count) <= damaged_at) {
        sound++;
    }
    fuzz_hold(spool_open(&spool, place->folder, MIB) == STATUS_OK);
    fuzz_hold(spool_count(spool) == sound);
    for (size_t index = 0; index < sound; index++) {
        fuzz_hold(spool_next(spool, &read) == STATUS_OK && bytes_equal(read, records[index]));
    }
    fuzz_hold(spool_next(spool, &read) == STATUS_NOT_FOUND);
    fuzz_hold(spool_append(spool, BYTES("one more")) == STATUS_OK && spool_count(spool) == sound + 1);
    fuzz_hold(spool_next(spool, &read) == STATUS_OK && bytes_equal(read, BYTES("one more")));
    spool_close(&spool);
}

static void hold_labels(const struct place *place)
{
    struct history_entry *entries[SAMPLE_BATCH_MAX];
    struct history_spool *spool = NULL;
    size_t count = 1, given_up;
    enum status status;

    fuzz_hold(history_spool_open(&spool, &place->settings) == STATUS_OK);
    do {
        status = history_spool_take(spool, SAMPLE_BATCH_MAX, entries, &count, &given_up);
        fuzz_hold(status == STATUS_OK ? count > 0 && count <= SAMPLE_BATCH_MAX : status == STATUS_NOT_FOUND && count == 0);
        for (size_t index = 0; index < count; index++) {
            fuzz_hold(entries[index]->profile == 0 && entries[index]->drawn <= DRAWN_RANDOM);
            fuzz_hold(entries[index]->text_count <= SAMPLE_TEXT_BYTES_MAX);
            fuzz_hold(memchr(entries[index]->category, '\0', sizeof entries[index]->category) != NULL);
            free(entries[index]);
        }
        fuzz_hold(count == 0 || history_spool_forget(spool, count) == STATUS_OK);
    } while (status == STATUS_OK);
    fuzz_hold(history_spool_count(spool) == 0 && history_spool_bytes(spool) == 0);
    history_spool_close(&spool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes records[RECORDS_MAX];
    struct place place;
    size_t count;

    if (size < 3) {
        return 0;
    }
    open_place(&place);
    count = write_records(&place, fuzz_bytes(data + 3, size - 3), records);
    hold_records(&place, records, count, damage(&place, data[0], (unsigned)data[1] << 8 | data[2]));
    hold_labels(&place);
    close_place(&place);
    return 0;
}
