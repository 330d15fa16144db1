/* settings: a file of settings is read or refused; a refusal tells a line, at most so many, and none of them can be forged. */
#include "fuzz/fuzz.h"

#include "proto/settings.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], *told = NULL, *meant = NULL;
    struct settings *settings = NULL;
    int file = memfd_create("settings", MFD_CLOEXEC);
    size_t told_count = 0, meant_count = 0, lines = 0;
    FILE *errors = open_memstream(&told, &told_count), *out = open_memstream(&meant, &meant_count);
    enum status status;

    fuzz_hold(file >= 0 && errors != NULL && out != NULL && write(file, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    status = settings_open(&settings, path, errors);
    fuzz_hold((status == STATUS_OK) == (settings != NULL));
    if (status == STATUS_OK) {
        settings_explain(settings, out);
        for (size_t index = 0; index < settings->route_count; index++) {
            fuzz_hold(settings->routes[index].path[0] == '/');
        }
    }
    settings_close(&settings);
    fuzz_hold(fclose(errors) == 0 && fclose(out) == 0 && close(file) == 0);
    fuzz_hold(status == STATUS_OK ? told_count == 0 : told_count != 0);
    for (size_t at = 0; at < told_count; at++) {
        fuzz_hold((unsigned char)told[at] >= ' ' || told[at] == '\n');
        lines += told[at] == '\n';
    }
    fuzz_hold(lines <= SETTINGS_ERRORS_MAX + 1);
    free(told);
    free(meant);
    return 0;
}
