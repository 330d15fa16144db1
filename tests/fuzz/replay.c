/* replay: calls a target once for each file of the folders and files that are named: its corpus as a plain test. */
#include "fuzz/fuzz.h"

#include <fts.h>
#include <sys/stat.h>

static void replay_file(const char *path, size_t bytes)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(bytes + (bytes == 0));

    fuzz_hold(file != NULL && data != NULL);
    fuzz_hold(fread(data, 1, bytes, file) == bytes);
    fuzz_hold(fclose(file) == 0);
    fuzz_hold(LLVMFuzzerTestOneInput(data, bytes) == 0);
    free(data);
}

int main(int count, char **paths)
{
    size_t files = 0;
    FTS *tree;
    FTSENT *entry;

    if (count < 2) {
        (void)fprintf(stderr, "usage: %s FILE|FOLDER...\n", paths[0]);
        return 2;
    }
    tree = fts_open(paths + 1, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    fuzz_hold(tree != NULL);
    while ((entry = fts_read(tree)) != NULL) {
        fuzz_hold(entry->fts_info != FTS_ERR && entry->fts_info != FTS_NS && entry->fts_info != FTS_DNR);
        if (entry->fts_info == FTS_F) {
            (void)fprintf(stderr, "%s\n", entry->fts_path);
            replay_file(entry->fts_path, (size_t)entry->fts_statp->st_size);
            files++;
        }
    }
    fuzz_hold(fts_close(tree) == 0);
    (void)fprintf(stderr, "%zu inputs\n", files);
    return files == 0;
}
