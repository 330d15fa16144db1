/* word_list: a keyword list of a few lines with a scanner beside it, and what it finds. The tests' state is the folder that it lies in. */
#ifndef TESTS_SUPPORT_WORD_LIST_H
#define TESTS_SUPPORT_WORD_LIST_H

#include "support/own_folder.h"
#include "support/unit.h"

#include "moderator/keywords.h"

struct word_list {
    struct keywords *keywords;
    struct keyword_scanner *scanner;
};

static inline struct word_list word_list_open(const struct folder *home, struct bytes content)
{
    char files[1][PATH_BYTES_MAX + 1];
    struct word_list list = {0};

    folder_write(home, "keywords.txt", content);
    folder_path(home, "keywords.txt", files[0]);
    assert_status(STATUS_OK, keywords_open(&list.keywords, (const char(*)[PATH_BYTES_MAX + 1])files, 1, stderr));
    assert_status(STATUS_OK, keyword_scanner_open(&list.scanner, &list.keywords, 1));
    return list;
}

static inline void word_list_close(struct word_list *list)
{
    keyword_scanner_close(&list->scanner);
    keywords_close(&list->keywords);
}

static inline bool word_list_has_bytes(struct word_list *list, struct bytes text)
{
    bool hit = false;

    assert_status(STATUS_OK, keywords_scan(list->keywords, list->scanner, text, &hit));
    return hit;
}

static inline bool word_list_has(struct word_list *list, const char *text)
{
    return word_list_has_bytes(list, bytes_of(text));
}

#endif
