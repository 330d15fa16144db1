/* test_recent: what is known and for how long, what it rests on, and the bounds of entries, bytes and profiles. */
#include "support/own_folder.h"
#include "support/unit.h"

#include "moderator/recent.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>

enum { TTL_MS = 1000, NOW_MS = 50000, MANY = 10000, THREADS = 4 };

static int start(void **state)
{
    (void)make_folder(state);
    folder_write(&folder, "one.txt", BYTES("a word\n"));
    folder_write(&folder, "two.txt", BYTES("another\n"));
    return 0;
}

struct place {
    struct settings settings;
    struct profile_settings profiles[2];
    struct metrics *metrics;
    struct live *live;
    struct recent *recent;
    struct rules *rules;
};

static void open_rules(struct place *place)
{
    rules_release(&place->rules);
    assert_status(STATUS_OK, rules_open(&place->rules, &place->settings, stderr));
}

static void open_place(struct place *place, uint64_t entries)
{
    *place = (struct place){.profiles = {{.name = "one"}, {.name = "two"}}};
    place->settings.profiles = place->profiles;
    place->settings.profile_count = 2;
    for (size_t index = 0; index < 2; index++) {
        place->profiles[index].cache = (struct cache_settings){.entries = entries, .ttl_ms = TTL_MS};
        place->profiles[index].keyword_file_count = 1;
        folder_path(&folder, "one.txt", place->profiles[index].keyword_files[0]);
    }
    assert_status(STATUS_OK, metrics_open(&place->metrics));
    assert_status(STATUS_OK, live_open(&place->live, PROFILES_MAX));
    assert_status(STATUS_OK, recent_open(&place->recent, place->live, place->metrics));
    assert_status(STATUS_OK, recent_fit(place->recent, &place->settings));
    open_rules(place);
}

static void close_place(struct place *place)
{
    rules_release(&place->rules);
    recent_close(&place->recent);
    recent_close(&place->recent);
    live_close(&place->live);
    metrics_close(&place->metrics);
}

static struct recent_basis basis_of(const struct place *place, size_t index, enum recent_kind kind)
{
    struct recent_basis basis;

    assert_status(STATUS_OK, recent_basis_of(place->recent, place->rules, index, kind, &basis));
    return basis;
}

static void keep(struct place *place, struct recent_basis *basis, const char *text, double score, uint64_t now_ms)
{
    const struct print print = recent_print_of(place->recent, bytes_of(text));
    const struct recent_finding finding = {.score = score};

    recent_keep(place->recent, basis, &print, now_ms, &finding);
}

static bool knows(struct place *place, struct recent_basis *basis, const char *text, uint64_t now_ms)
{
    const struct print print = recent_print_of(place->recent, bytes_of(text));
    struct recent_finding ignored;

    return recent_find(place->recent, basis, &print, now_ms, &ignored);
}

static int64_t counted(struct place *place, const char *kind, const char *result)
{
    const struct metric_label labels[] = {{"kind", kind}, {"result", result}};

    return series_value(metrics_series(place->metrics, METRIC_COUNTER, "prismguard_moderator_recent_total", "", labels, 2));
}

static int64_t gauge(struct place *place, const char *name)
{
    return series_value(metrics_series(place->metrics, METRIC_GAUGE, name, "", NULL, 0));
}

static void a_finding_is_known_until_its_time_is_over(void **state)
{
    struct recent_finding kept = {.score = 0.25, .violation = true, .category = "hate"};
    struct recent_finding found = {0};
    struct print print;
    struct recent_basis basis;
    struct place place;

    (void)state;
    open_place(&place, 100);
    basis = basis_of(&place, 0, RECENT_REVIEWED);
    print = recent_print_of(place.recent, BYTES("a text"));
    assert_false(recent_find(place.recent, &basis, &print, NOW_MS, &found));
    recent_keep(place.recent, &basis, &print, NOW_MS, &kept);
    assert_true(recent_find(place.recent, &basis, &print, NOW_MS + TTL_MS - 1, &found));
    assert_true(found.score == 0.25 && found.violation);
    assert_string_equal("hate", found.category);
    assert_int_equal(1, gauge(&place, "prismguard_moderator_recent_entries"));
    assert_false(recent_find(place.recent, &basis, &print, NOW_MS + TTL_MS, &found)); /* a hit does not make it younger */
    assert_int_equal(0, gauge(&place, "prismguard_moderator_recent_entries"));
    assert_int_equal(1, counted(&place, "reviewed", "hit"));
    assert_int_equal(1, counted(&place, "reviewed", "miss"));
    assert_int_equal(1, counted(&place, "reviewed", "expired"));
    recent_keep(place.recent, &basis, &print, NOW_MS, &kept);
    kept.violation = false;
    recent_keep(place.recent, &basis, &print, NOW_MS + 10, &kept); /* the later one counts, in the same entry */
    assert_true(recent_find(place.recent, &basis, &print, NOW_MS + TTL_MS, &found));
    assert_false(found.violation);
    assert_int_equal(1, gauge(&place, "prismguard_moderator_recent_entries"));
    close_place(&place);
}

static void a_finding_is_known_on_its_own_basis_only(void **state)
{
    struct recent_basis basis;
    struct recent_basis other;
    struct place place;

    (void)state;
    open_place(&place, 100);
    basis = basis_of(&place, 0, RECENT_JUDGED);
    basis.model_version = 7;
    keep(&place, &basis, "a text", 0.5, NOW_MS);
    assert_true(knows(&place, &basis, "a text", NOW_MS));
    assert_false(knows(&place, &basis, "a text ", NOW_MS));
    other = basis;
    other.model_version = 8;
    assert_false(knows(&place, &other, "a text", NOW_MS));
    other.model_version = 7;
    assert_true(knows(&place, &other, "a text", NOW_MS)); /* the same basis again */
    other = basis_of(&place, 0, RECENT_REVIEWED);
    other.model_version = 7;
    assert_false(knows(&place, &other, "a text", NOW_MS));
    other = basis_of(&place, 1, RECENT_JUDGED);
    other.model_version = 7;
    assert_false(knows(&place, &other, "a text", NOW_MS));
    folder_path(&folder, "two.txt", place.profiles[0].keyword_files[0]);
    open_rules(&place);
    other = basis_of(&place, 0, RECENT_JUDGED);
    other.model_version = 7;
    assert_false(knows(&place, &other, "a text", NOW_MS)); /* other keywords */
    folder_path(&folder, "one.txt", place.profiles[0].keyword_files[0]);
    open_rules(&place);
    other = basis_of(&place, 0, RECENT_JUDGED);
    other.model_version = 7;
    assert_true(knows(&place, &other, "a text", NOW_MS)); /* read anew, and the same */
    close_place(&place);
}

static void what_a_review_said_rests_on_its_settings_and_the_thresholds(void **state)
{
    struct recent_basis basis;
    struct recent_basis other;
    struct place place;

    (void)state;
    open_place(&place, 100);
    (void)snprintf(place.profiles[0].review.url, sizeof place.profiles[0].review.url, "http://reviewer/");
    open_rules(&place);
    basis = basis_of(&place, 0, RECENT_REVIEWED);
    keep(&place, &basis, "a text", (double)NAN, NOW_MS);
    for (int change = 0; change < 3; change++) {
        double *threshold = change == 0 ? &place.profiles[0].low : &place.profiles[0].high;

        if (change < 2) {
            *threshold += 0.1;
        } else {
            (void)snprintf(place.profiles[0].review.models[0], PROFILE_NAME_BYTES_MAX, "another");
        }
        open_rules(&place);
        other = basis_of(&place, 0, RECENT_REVIEWED);
        assert_false(knows(&place, &other, "a text", NOW_MS));
        *threshold -= change < 2 ? 0.1 : 0;
    }
    assert_true(knows(&place, &basis, "a text", NOW_MS));
    close_place(&place);
}

/* What was found while people changed a label is not known either: it was kept by the version of before. */
static void labels_of_people_make_what_reviews_found_forgotten_and_nothing_else(void **state)
{
    struct recent_basis judged, reviewed, other, late;
    struct place place;

    (void)state;
    open_place(&place, 100);
    judged = basis_of(&place, 0, RECENT_JUDGED);
    late = reviewed = basis_of(&place, 0, RECENT_REVIEWED);
    other = basis_of(&place, 1, RECENT_REVIEWED);
    keep(&place, &judged, "a text", 0.5, NOW_MS);
    keep(&place, &reviewed, "a text", 0.5, NOW_MS);
    keep(&place, &other, "a text", 0.5, NOW_MS);
    recent_labels_changed(place.recent, "one");
    assert_int_equal(1, recent_labels_version(place.recent, reviewed.profile));
    assert_int_equal(0, recent_labels_version(place.recent, other.profile));
    assert_int_equal(0, recent_labels_version(NULL, reviewed.profile));
    reviewed.labels_version = recent_labels_version(place.recent, reviewed.profile);
    other.labels_version = recent_labels_version(place.recent, other.profile);
    assert_true(knows(&place, &judged, "a text", NOW_MS));
    assert_false(knows(&place, &reviewed, "a text", NOW_MS));
    assert_true(knows(&place, &other, "a text", NOW_MS));
    keep(&place, &late, "a text", 0.5, NOW_MS);
    assert_false(knows(&place, &reviewed, "a text", NOW_MS));
    keep(&place, &reviewed, "a text", 0.5, NOW_MS);
    assert_true(knows(&place, &reviewed, "a text", NOW_MS));
    close_place(&place);
}

static void the_least_recently_used_of_a_set_gives_way(void **state)
{
    struct recent_basis basis;
    struct place place;

    (void)state;
    open_place(&place, 4); /* one set */
    basis = basis_of(&place, 0, RECENT_JUDGED);
    for (size_t index = 0; index < 4; index++) {
        keep(&place, &basis, (const char *const[]){"a", "b", "c", "d"}[index], 0.5, NOW_MS);
    }
    assert_int_equal(0, counted(&place, "judged", "evicted"));
    assert_true(knows(&place, &basis, "a", NOW_MS));
    keep(&place, &basis, "e", 0.5, NOW_MS);
    assert_int_equal(1, counted(&place, "judged", "evicted"));
    assert_int_equal(4, gauge(&place, "prismguard_moderator_recent_entries"));
    assert_true(knows(&place, &basis, "a", NOW_MS));
    assert_false(knows(&place, &basis, "b", NOW_MS));
    assert_true(knows(&place, &basis, "e", NOW_MS));
    keep(&place, &basis, "f", 0.5, NOW_MS + TTL_MS); /* what is too old goes first, and is not pushed out */
    assert_int_equal(1, counted(&place, "judged", "evicted"));
    assert_int_equal(1, counted(&place, "judged", "expired"));
    close_place(&place);
}

static void a_table_never_has_more_entries_than_the_profile_says(void **state)
{
    static const uint64_t sizes[] = {1, 7, 8, 9, 64, 100};

    (void)state;
    for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
        struct recent_basis basis;
        struct place place;
        int64_t entries;

        open_place(&place, sizes[index]);
        assert_int_equal(2 * recent_table_bytes(sizes[index]), gauge(&place, "prismguard_moderator_recent_bytes"));
        basis = basis_of(&place, 0, RECENT_JUDGED);
        for (size_t text = 0; text < MANY; text++) {
            char words[32];

            (void)snprintf(words, sizeof words, "text %zu", text);
            keep(&place, &basis, words, 0.5, NOW_MS);
        }
        entries = gauge(&place, "prismguard_moderator_recent_entries");
        assert_in_range(entries, sizes[index] - sizes[index] / RECENT_WAYS, sizes[index]);
        assert_int_equal(MANY - entries, counted(&place, "judged", "evicted"));
        assert_int_equal(2 * recent_table_bytes(sizes[index]), gauge(&place, "prismguard_moderator_recent_bytes"));
        close_place(&place);
    }
}

static void a_profile_without_entries_knows_nothing(void **state)
{
    struct recent_basis basis;
    struct place place;

    (void)state;
    open_place(&place, 0);
    basis = basis_of(&place, 0, RECENT_JUDGED);
    assert_int_equal(0, basis.ttl_ms);
    keep(&place, &basis, "a text", 0.5, NOW_MS);
    assert_false(knows(&place, &basis, "a text", NOW_MS));
    assert_int_equal(0, gauge(&place, "prismguard_moderator_recent_bytes"));
    close_place(&place);
}

static void a_reload_keeps_tables_of_the_same_size_and_takes_those_of_lost_profiles(void **state)
{
    struct recent_basis one;
    struct recent_basis two;
    struct place place;

    (void)state;
    open_place(&place, 100);
    one = basis_of(&place, 0, RECENT_JUDGED);
    two = basis_of(&place, 1, RECENT_JUDGED);
    keep(&place, &one, "a text", 0.5, NOW_MS);
    keep(&place, &two, "a text", 0.5, NOW_MS);
    place.profiles[1].cache.entries = 50;
    assert_status(STATUS_OK, recent_fit(place.recent, &place.settings));
    assert_true(knows(&place, &one, "a text", NOW_MS));
    assert_false(knows(&place, &two, "a text", NOW_MS));
    assert_int_equal(1, gauge(&place, "prismguard_moderator_recent_entries"));
    assert_int_equal(recent_table_bytes(100) + recent_table_bytes(50), gauge(&place, "prismguard_moderator_recent_bytes"));
    place.settings.profile_count = 1;
    assert_status(STATUS_OK, recent_fit(place.recent, &place.settings));
    keep(&place, &two, "a text", 0.5, NOW_MS); /* a judge of before the reload still has its task */
    assert_false(knows(&place, &two, "a text", NOW_MS));
    assert_int_equal(recent_table_bytes(100), gauge(&place, "prismguard_moderator_recent_bytes"));
    close_place(&place);
}

static void ten_thousand_profile_names_hold_no_more_than_one(void **state)
{
    struct place place;
    size_t number;

    (void)state;
    open_place(&place, 100);
    place.settings.profile_count = 1;
    for (size_t reload = 0; reload < MANY; reload++) {
        (void)snprintf(place.profiles[0].name, sizeof place.profiles[0].name, "name %zu", reload);
        assert_status(STATUS_OK, recent_fit(place.recent, &place.settings));
        assert_true(gauge(&place, "prismguard_moderator_recent_bytes") <= (int64_t)recent_table_bytes(100));
    }
    assert_status(STATUS_FULL, live_number(place.live, "name 9999", &number));
    assert_status(STATUS_OK, live_number(place.live, "name 1", &number));
    close_place(&place);
}

static void two_processes_have_other_keys(void **state)
{
    struct print prints[2];
    struct place places[2];

    (void)state;
    for (size_t index = 0; index < 2; index++) {
        open_place(&places[index], 10);
        prints[index] = recent_print_of(places[index].recent, BYTES("a text"));
    }
    assert_memory_not_equal(&prints[0], &prints[1], sizeof prints[0]);
    close_place(&places[0]);
    close_place(&places[1]);
}

struct crowd {
    struct place *place;
    struct recent_basis basis;
};

/* Whoever finds a text finds what was kept for it. */
static void *use(void *context)
{
    const struct crowd *crowd = context;
    struct place *place = crowd->place;
    struct recent_basis basis = crowd->basis;

    for (size_t round = 0; round < MANY; round++) {
        struct recent_finding found = {.score = (double)(round % 300)};
        struct print print;
        char words[32];

        (void)snprintf(words, sizeof words, "text %zu", round % 300);
        print = recent_print_of(place->recent, bytes_of(words));
        if (recent_find(place->recent, &basis, &print, NOW_MS, &found)) {
            assert_true(found.score == (double)(round % 300));
        } else {
            recent_keep(place->recent, &basis, &print, NOW_MS, &found);
        }
    }
    return NULL;
}

static void many_threads_and_a_reload_share_it(void **state)
{
    pthread_t threads[THREADS];
    struct crowd crowd;
    struct place place;

    (void)state;
    open_place(&place, 200);
    crowd = (struct crowd){&place, basis_of(&place, 0, RECENT_JUDGED)};
    for (size_t index = 0; index < THREADS; index++) {
        assert_int_equal(0, pthread_create(&threads[index], NULL, use, &crowd));
    }
    for (uint64_t round = 0; round < 100; round++) {
        place.profiles[0].cache.entries = 100 + round % 3;
        assert_status(STATUS_OK, recent_fit(place.recent, &place.settings));
    }
    for (size_t index = 0; index < THREADS; index++) {
        assert_int_equal(0, pthread_join(threads[index], NULL));
    }
    place.settings.profile_count = 0;
    assert_status(STATUS_OK, recent_fit(place.recent, &place.settings));
    assert_int_equal(0, gauge(&place, "prismguard_moderator_recent_entries")); /* every one was counted out again */
    assert_int_equal(0, gauge(&place, "prismguard_moderator_recent_bytes"));
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finding_is_known_until_its_time_is_over),
        cmocka_unit_test(a_finding_is_known_on_its_own_basis_only),
        cmocka_unit_test(what_a_review_said_rests_on_its_settings_and_the_thresholds),
        cmocka_unit_test(labels_of_people_make_what_reviews_found_forgotten_and_nothing_else),
        cmocka_unit_test(the_least_recently_used_of_a_set_gives_way),
        cmocka_unit_test(a_table_never_has_more_entries_than_the_profile_says),
        cmocka_unit_test(a_profile_without_entries_knows_nothing),
        cmocka_unit_test(a_reload_keeps_tables_of_the_same_size_and_takes_those_of_lost_profiles),
        cmocka_unit_test(ten_thousand_profile_names_hold_no_more_than_one),
        cmocka_unit_test(two_processes_have_other_keys),
        cmocka_unit_test(many_threads_and_a_reload_share_it),
    };

    return cmocka_run_group_tests(tests, start, remove_folder);
}
