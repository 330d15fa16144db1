/* Tests of dry_run_report: the JSON of each branch is sound and says what the words say. */
#include "support/unit.h"

#include "moderator/dry_run_report.h"
#include "proto/json.h"

#include <math.h>
#include <stdlib.h>

static struct profile_settings profile = {.name = "strict", .low = 0.25, .high = 0.75};

static struct dry_run blocked(void)
{
    return (struct dry_run){
        .settings_file = "prismguard.yaml",
        .profile = &profile,
        .text = BYTES("a text"),
        .verdict = {.outcome = OUTCOME_BLOCK, .source = SOURCE_KEYWORD, .category = BYTES("keyword"), .score = NAN},
        .keyword_count = 2,
        .keyword_hit = true,
        .keyword_file = "words.txt",
        .keyword_line = 7,
        .keyword = BYTES("say \"it\""),
        .keywords_ns = 1500,
        .no_model = "the profile wants none",
    };
}

/* The JSON is sound; the caller frees both. */
static char *json_of(const struct dry_run *run, struct json *json)
{
    char *text = NULL;
    size_t count = 0;
    FILE *out = open_memstream(&text, &count);

    assert_non_null(out);
    assert_status(STATUS_OK, dry_run_tell_json(run, out));
    assert_int_equal(0, fclose(out));
    assert_int_equal('\n', text[count - 1]);
    json_init(json);
    assert_status(STATUS_OK, json_read(json, (struct bytes){text, count}, JSON_REFUSE_DUPLICATES));
    return text;
}

static const struct json_token *member(const struct json *json, const char *object, const char *key)
{
    const struct json_token *found = json_member(json, &json->tokens[0], object);

    assert_non_null(found);
    found = json_member(json, found, key);
    assert_non_null(found);
    return found;
}

static void a_keyword_is_told_with_its_place(void **state)
{
    struct dry_run run = blocked();
    struct json json;
    char *text = json_of(&run, &json);

    (void)state;
    assert_true(json_string_is(&json, member(&json, "verdict", "outcome"), "block"));
    assert_bytes("null", json_span(&json, member(&json, "verdict", "fallback")));
    assert_true(json_string_is(&json, member(&json, "keywords", "keyword"), "say \"it\""));
    assert_true(json_string_is(&json, member(&json, "keywords", "file"), "words.txt"));
    assert_bytes("7", json_span(&json, member(&json, "keywords", "line")));
    assert_bytes("1500", json_span(&json, member(&json, "keywords", "ns")));
    assert_true(json_string_is(&json, member(&json, "model", "why"), "the profile wants none"));
    assert_bytes("[]", json_span(&json, member(&json, "review", "models")));
    json_free(&json);
    free(text);
}

static void a_score_is_told_with_its_windows_and_thresholds(void **state)
{
    struct dry_run run = blocked();
    struct json json;
    char *text;

    (void)state;
    run.keyword_hit = false;
    run.verdict = (struct message_verdict){.outcome = OUTCOME_UNSURE, .fallback = OUTCOME_BLOCK, .source = SOURCE_MODEL};
    run.model_from = DRY_RUN_DATABASE;
    run.model_version = 12;
    run.model_kind = MODEL_KIND_BOW;
    run.reading = (struct model_reading){.probability = 0.5, .window_count = 3, .worst_begin = 2, .worst_end = 6};
    text = json_of(&run, &json);
    assert_true(json_string_is(&json, member(&json, "verdict", "fallback"), "block"));
    assert_bytes("12", json_span(&json, member(&json, "model", "version")));
    assert_true(json_string_is(&json, member(&json, "model", "kind"), "bow"));
    assert_bytes("0.5", json_span(&json, member(&json, "model", "score")));
    assert_bytes("3", json_span(&json, member(&json, "model", "windows")));
    assert_bytes("[2,6]", json_span(&json, member(&json, "model", "worst_window")));
    assert_bytes("0.25", json_span(&json, member(&json, "model", "low")));
    assert_bytes("0.75", json_span(&json, member(&json, "model", "high")));
    assert_bytes("true", json_span(&json, member(&json, "review", "wanted")));
    assert_null(json_member(&json, json_member(&json, &json.tokens[0], "keywords"), "keyword"));
    json_free(&json);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_keyword_is_told_with_its_place),
        cmocka_unit_test(a_score_is_told_with_its_windows_and_thresholds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
