/* keywords: scanning speed of a large list and of a small one on several texts, and the CPU of a whole verdict with each.
 *
 * usage: bench_keywords FILE...      the texts to make one of; see tests/bench/keywords
 */
#include "bench/bench.h"

#include "moderator/judge.h"

#include <ctype.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    KEYWORDS = 10000,
    EXPRESSIONS = 200,
    FEW = 10,
    WORDS_MAX = 4096, /* different ones of the text */
    WORD_BYTES_MAX = 32,
    VERDICT_BYTES = KIB,
    ROUNDS = 15,
    VERDICTS = 20000,
};

#define SCAN_MB_S_MIN 500.0
#define VERDICT_RATIO_MAX 1.2

static double cpu_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static unsigned draw(unsigned *random)
{
    *random = *random * 1664525u + 1013904223u;
    return *random >> 8;
}

/* The files' ASCII: prose, and the tables in it, each again and again up to `bytes`; and both in small letters with one space
 * between words, to look phrases up in. */
struct corpus {
    struct buffer prose;
    struct buffer tables;
    struct buffer words;
    size_t word_count;
    char word[WORDS_MAX][WORD_BYTES_MAX];
};

static void read_file(struct corpus *corpus, const char *path)
{
    FILE *file = fopen(path, "rb");
    struct buffer *text = &corpus->prose;
    int before = '\n';
    int byte;

    must(file == NULL ? STATUS_NOT_FOUND : STATUS_OK, path);
    while ((byte = getc(file)) != EOF) {
        if (before == '\n') {
            text = byte == '|' ? &corpus->tables : &corpus->prose;
        }
        if (byte < 0x80) {
            must(buffer_append(text, (struct bytes){(const char[]){(char)byte}, 1}), "read");
        }
        before = byte;
    }
    (void)fclose(file);
}

static bool has_word(const struct corpus *corpus, const char *word)
{
    for (size_t index = 0; index < corpus->word_count; index++) {
        if (strcmp(corpus->word[index], word) == 0) {
            return true;
        }
    }
    return false;
}

static void gather_words(struct corpus *corpus, const struct buffer *text)
{
    char word[WORD_BYTES_MAX];
    size_t count = 0;

    for (size_t at = 0; at < text->count; at++) {
        char byte = text->data[at];

        if (isalpha((unsigned char)byte) && count < WORD_BYTES_MAX - 1) {
            word[count++] = (char)tolower((unsigned char)byte);
        } else if (count > 0) {
            word[count] = '\0';
            must(buffer_append_format(&corpus->words, "%s ", word), "words");
            if (count >= 4 && corpus->word_count < WORDS_MAX && !has_word(corpus, word)) {
                memcpy(corpus->word[corpus->word_count++], word, count + 1);
            }
            count = 0;
        }
    }
}

static void repeat(struct buffer *text, size_t bytes)
{
    while (text->count < bytes) {
        size_t more = text->count < bytes - text->count ? text->count : bytes - text->count;
        char *where;

        must(buffer_reserve(text, more, &where), "text");
        memcpy(where, text->data, more);
        text->count += more;
    }
    text->count = bytes;
}

static void corpus_open(struct corpus *corpus, char **paths, size_t bytes)
{
    buffer_init(&corpus->prose, 2 * bytes);
    buffer_init(&corpus->tables, 2 * bytes);
    buffer_init(&corpus->words, 4 * bytes);
    for (; *paths != NULL; paths++) {
        read_file(corpus, *paths);
    }
    gather_words(corpus, &corpus->prose);
    gather_words(corpus, &corpus->tables);
    repeat(&corpus->prose, bytes);
    repeat(&corpus->tables, bytes);
}

/* A made-up word, a phrase of two words of the text, or two of them in one: none stands in the text as such. */
static void write_keyword(FILE *file, const struct corpus *corpus, size_t index, unsigned *random)
{
    static const char consonants[] = "bcdfghjklmnpqrstvwxz", vowels[] = "aeiou";
    char keyword[2 * WORD_BYTES_MAX];

    do {
        if (index % 10 >= 2) {
            size_t syllables = 3 + draw(random) % 3;
            size_t count = 0;

            for (size_t syllable = 0; syllable < syllables; syllable++) {
                keyword[count++] = consonants[draw(random) % (sizeof consonants - 1)];
                keyword[count++] = vowels[draw(random) % (sizeof vowels - 1)];
            }
            keyword[count] = '\0';
        } else {
            (void)snprintf(keyword, sizeof keyword, index % 10 == 0 ? "%s %s" : "%s%s",
                           corpus->word[draw(random) % corpus->word_count], corpus->word[draw(random) % corpus->word_count]);
        }
    } while (memmem(corpus->words.data, corpus->words.count, keyword, strlen(keyword)) != NULL);
    (void)fprintf(file, "%s\n", keyword);
}

static void write_list(const char *path, const struct corpus *corpus, size_t keywords, size_t expressions)
{
    FILE *file = fopen(path, "w");
    unsigned random = 1;

    must(file == NULL ? STATUS_IO : STATUS_OK, path);
    for (size_t index = 0; index < keywords; index++) {
        write_keyword(file, corpus, index, &random);
    }
    for (size_t index = 0; index < expressions; index++) {
        static const char *const forms[][2] = {{"\\bzq", "\\s+\\w+\\s+bomb\\b"},
                                               {"(buy|sell)\\s+(an?\\s+)?xk", "[a-f]{2,4}"},
                                               {"wj", "[-. ]?\\d{3}[-. ]?\\d{4}"},
                                               {"qv", ".{0,20}detonat(e|or)"}};

        (void)fprintf(file, "re:%s%zu%s\n", forms[index % 4][0], index, forms[index % 4][1]);
    }
    (void)fclose(file);
}

/* MB/s of CPU, the best of ROUNDS: what runs beside takes away, and never adds. */
static double scan_mb_s(const struct keywords *keywords, struct keyword_scanner *scanner, struct bytes text)
{
    double best = HUGE_VAL;

    for (int round = 0; round < ROUNDS; round++) {
        double begin = cpu_s();
        bool hit = false;
        double took;

        must(keywords_scan(keywords, scanner, text, &hit), "scan");
        must(hit ? STATUS_MALFORMED : STATUS_OK, "the text has a keyword");
        took = cpu_s() - begin;
        best = took < best ? took : best;
    }
    return (double)text.count / 1e6 / best;
}

/* `part` again and again. */
static struct bytes repeated(struct buffer *out, const char *part, size_t bytes)
{
    buffer_init(out, 2 * bytes);
    while (out->count < bytes) {
        must(buffer_append_text(out, part), "text");
    }
    return buffer_view(out);
}

/* CPU-us of a verdict from the frame of its TASK to that of its VERDICT. */
static double verdict_us(struct judge *judge, struct bytes frame, size_t count)
{
    double begin = cpu_s();
    struct buffer out;

    buffer_init(&out, KIB);
    for (size_t index = 0; index < count; index++) {
        struct message_task task;
        struct message_verdict verdict;

        must(message_read_task(frame, &task), "task");
        must(judge_task(judge, &task, &verdict), "judge");
        must(verdict.source == SOURCE_MODEL ? STATUS_OK : STATUS_MALFORMED, "the model decides");
        buffer_clear(&out);
        must(message_write_verdict(&verdict, &out), "verdict");
    }
    buffer_free(&out);
    return (cpu_s() - begin) * 1e6 / (double)count;
}

static void make_frame(struct buffer *out, struct bytes text, const char *profile)
{
    const struct message_task_head head = {.nonce = 1, .sequence = 1, .kind = SLOT_LOCAL, .remaining_ms = 800, .score = NAN};
    const struct segment segment = {SCOPE_USER, text};
    struct message_body body;
    struct buffer raw;

    buffer_init(&raw, MIB);
    buffer_init(out, MIB);
    must(message_body_open(&body, &raw, (struct bytes){NULL, 0}, bytes_of(profile)), "task");
    must(message_body_add(&body, &segment), "task");
    message_body_end(&body);
    must(message_write_task(&head, buffer_view(&raw), out), "task");
    buffer_free(&raw);
}

/* How many times as dear a verdict is with the large list; each the best of rounds that take turns. */
static double verdict_ratio(struct rules *rules, const struct settings *settings, struct bytes text)
{
    struct live *live = bench_live(settings->profile_count);
    const struct judge_parts parts = {.rules = rules, .live = live};
    struct judge *judge = NULL;
    struct buffer few, many;
    double few_us = HUGE_VAL, many_us = HUGE_VAL;

    must(judge_open(&judge, &parts), "judge");
    make_frame(&few, text, settings->profiles[0].name);
    make_frame(&many, text, settings->profiles[1].name);
    for (int round = 0; round < ROUNDS; round++) {
        few_us = fmin(few_us, verdict_us(judge, buffer_view(&few), VERDICTS / ROUNDS));
        many_us = fmin(many_us, verdict_us(judge, buffer_view(&many), VERDICTS / ROUNDS));
    }
    printf("verdict of 1 KiB   %6.2f us with %d keywords, %6.2f us with %d and %d expressions: %.2f x (at most %.1f)\n", few_us,
           FEW, many_us, KEYWORDS, EXPRESSIONS, many_us / few_us, VERDICT_RATIO_MAX);
    judge_close(&judge);
    live_close(&live);
    buffer_free(&few);
    buffer_free(&many);
    return many_us / few_us;
}

static void tell(const char *name, struct keywords *const *lists, struct keyword_scanner *scanner, struct bytes text)
{
    double few = scan_mb_s(lists[0], scanner, text);

    printf("%-18s %6.0f MB/s                   %6.0f MB/s\n", name, few, scan_mb_s(lists[1], scanner, text));
}

static double scan_all(const struct rules *rules, const struct corpus *corpus)
{
    static const struct {
        const char *name, *part;
    } texts[] = {
        {"near hits", "a gateway, a timer; the modera tors and lim its. "},
        {"spaced letters", "s o m e l e t t e r s a p a r t, "},
        {"symbols", "x@y.org a+b|c p@$$ f(o+o) "},
        {"Russian", "\u041C\u044B \u0441\u043C\u043E\u0442\u0440\u0435\u043B\u0438 \u0444\u0438\u043B\u044C\u043C. "},
        {"Chinese", "\u535A\u7269\u9986\u4ECA\u5929\u5F00\u653E\uFF0C\u652F\u6301\u591A\u79CD\u8BED\u8A00\u3002"},
    };
    struct keywords *const *lists = rules_keywords(rules);
    struct keyword_scanner *scanner = NULL;
    double few, many;

    must(keyword_scanner_open(&scanner, lists, 2), "scanner");
    few = scan_mb_s(lists[0], scanner, buffer_view(&corpus->prose));
    many = scan_mb_s(lists[1], scanner, buffer_view(&corpus->prose));
    printf("prose              %6.0f MB/s with %d keywords, %6.0f MB/s with %d and %d expressions (at least %.0f)\n", few, FEW,
           many, KEYWORDS, EXPRESSIONS, SCAN_MB_S_MIN);
    tell("its tables", lists, scanner, buffer_view(&corpus->tables));
    for (size_t index = 0; index < sizeof texts / sizeof texts[0]; index++) {
        struct buffer text;

        tell(texts[index].name, lists, scanner, repeated(&text, texts[index].part, MIB));
        buffer_free(&text);
    }
    keyword_scanner_close(&scanner);
    return many;
}

int main(int argc, char **argv)
{
    static const size_t keywords[] = {FEW, KEYWORDS}, expressions[] = {0, EXPRESSIONS};
    char folder[] = "/tmp/prismguard-bench-XXXXXX";
    struct corpus *corpus = calloc(1, sizeof *corpus);
    struct profile_settings *profiles = calloc(2, sizeof *profiles);
    const struct settings settings = {.profiles = profiles, .profile_count = 2};
    struct rules *rules = NULL;
    double begin, mb_s, ratio;
    size_t held;

    if (argc < 2 || mkdtemp(folder) == NULL) {
        return 2;
    }
    corpus_open(corpus, argv + 1, MIB);
    for (size_t index = 0; index < 2; index++) {
        struct profile_settings *profile = &profiles[index];

        *profile = (struct profile_settings){
            .model_kind = MODEL_KIND_HASHLINEAR, .low = 0.2, .high = 0.8, .keyword_file_count = 1};
        (void)snprintf(profile->name, sizeof profile->name, "list%zu", index);
        (void)snprintf(profile->keyword_files[0], sizeof profile->keyword_files[0], "%s/list%zu", folder, index);
        write_list(profile->keyword_files[0], corpus, keywords[index], expressions[index]);
    }
    held = mallinfo2().uordblks;
    begin = cpu_s();
    must(rules_open(&rules, &settings, stderr), "lists");
    printf("compiled in %.2f s, holds %.1f MiB\n", cpu_s() - begin, (double)(mallinfo2().uordblks - held) / MIB);
    mb_s = scan_all(rules, corpus);
    ratio = verdict_ratio(rules, &settings, bytes_first(buffer_view(&corpus->prose), VERDICT_BYTES));
    rules_release(&rules);
    for (size_t index = 0; index < 2; index++) {
        (void)unlink(profiles[index].keyword_files[0]);
    }
    (void)rmdir(folder);
    return mb_s >= SCAN_MB_S_MIN && ratio <= VERDICT_RATIO_MAX ? 0 : 1;
}
