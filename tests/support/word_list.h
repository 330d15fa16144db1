/* word_list: a keyword list of a few lines with a scanner beside it, and what it finds. */
#ifndef TESTS_SUPPORT_WORD_LIST_H
#define TESTS_SUPPORT_WORD_LIST_H

#include "support/folder.h"
#include "support/unit.h"

#include "moderator/keywords.h"

struct word_list {
    struct keywords *keywords;
    struct keyword_scanner *scanner;
};

/* For cmocka_run_group_tests: the folder that word_list_open writes into is the tests' state. */
static inline int word_list_folder(void **state)
{
    static struct folder folder;

    folder_open(&folder);
    *state = &folder;
    return 0;
}

static inline int word_list_folder_close(void **state)
{
    folder_close(*state);
    return 0;
}

static inline struct word_list word_list_open(const struct folder *folder, struct bytes content)
{
    char files[1][PATH_BYTES_MAX + 1];
    struct word_list list = {0};

    folder_write(folder, "keywords.txt", content);
    folder_path(folder, "keywords.txt", files[0]);
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
