/* keywords: a list is read or refused with a line for each problem; a keyword is found exactly where a plain search of the folded
 * text finds it; folding again changes nothing. The input: lines of a file, a NUL, a text. */
#include "fuzz/fuzz.h"

#include "moderator/fold.h"
#include "moderator/keywords.h"
#include "proto/utf8.h"

#include <sys/mman.h>
#include <unistd.h>

static void fold_all(struct fold *fold, struct bytes text, struct buffer *out)
{
    fuzz_hold(fold_append(fold, text, out) == STATUS_OK);
    fuzz_hold(utf8_sound_bytes(buffer_view(out)) == out->count);
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n' || byte == '\v' || byte == '\f';
}

/* One keyword, and it is found where it stands. Where the reader may see several lines or an expression, nothing is said. */
static void hold_one(struct fold *fold, const struct keywords *keywords, struct keyword_scanner *scanner, struct bytes line,
                     struct bytes text)
{
    struct buffer keyword, folded;
    bool hit = false;

    fuzz_hold(keywords_scan(keywords, scanner, text, &hit) == STATUS_OK);
    if (keywords_count(keywords) != 1 || line.count == 0 || memchr(line.data, '\n', line.count) != NULL ||
        memchr(line.data, '\r', line.count) != NULL || is_space(line.data[0]) || is_space(line.data[line.count - 1]) ||
        line.data[0] == '#' || bytes_starts_with(line, BYTES("re:")) || bytes_starts_with(line, BYTES("\xEF\xBB\xBF"))) {
        return;
    }
    buffer_init(&keyword, MIB);
    buffer_init(&folded, 16 * MIB);
    fold_all(fold, line, &keyword);
    fold_all(fold, text, &folded);
    fuzz_hold(hit == (folded.count != 0 && memmem(folded.data, folded.count, keyword.data, keyword.count) != NULL));
    buffer_free(&keyword);
    buffer_free(&folded);
}

static void hold_folding(struct fold *fold, struct bytes text)
{
    struct buffer once, twice;

    buffer_init(&once, 16 * MIB);
    buffer_init(&twice, 64 * MIB);
    fold_all(fold, text, &once);
    fold_all(fold, buffer_view(&once), &twice);
    fuzz_hold(bytes_equal(buffer_view(&once), buffer_view(&twice)));
    buffer_free(&once);
    buffer_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes whole = fuzz_bytes(data, size);
    ptrdiff_t nul = bytes_find(whole, '\0');
    struct bytes list = bytes_first(whole, nul < 0 ? size : (size_t)nul), text = bytes_from(whole, list.count + 1);
    char files[1][PATH_BYTES_MAX + 1];
    int file = memfd_create("keywords", MFD_CLOEXEC);
    struct keyword_scanner *scanner = NULL;
    struct keywords *keywords = NULL;
    struct fold *fold = NULL;
    size_t told_count = 0;
    char *told = NULL;
    FILE *errors = open_memstream(&told, &told_count);
    enum status status;

    fuzz_hold(file >= 0 && errors != NULL && write(file, list.data, list.count) == (ssize_t)list.count);
    (void)snprintf(files[0], sizeof files[0], "/proc/self/fd/%d", file);
    fuzz_hold(fold_open(&fold) == STATUS_OK);
    hold_folding(fold, text);
    status = keywords_open(&keywords, (const char (*)[PATH_BYTES_MAX + 1])files, 1, errors);
    fuzz_hold(fclose(errors) == 0 && close(file) == 0);
    fuzz_hold(status == STATUS_OK ? told_count == 0 : status == STATUS_MALFORMED && told_count != 0);
    if (status == STATUS_OK) {
        struct keywords *lists[] = {keywords};

        fuzz_hold(keyword_scanner_open(&scanner, lists, 1) == STATUS_OK);
        hold_one(fold, keywords, scanner, list, text);
        keyword_scanner_close(&scanner);
    }
    keywords_close(&keywords);
    fold_close(&fold);
    free(told);
    return 0;
}
