/* Tests of roster: one list a state, the oldest first, and a turn that ends. */
#include "gateway/roster.h"

#include "support/unit.h"

enum { WAITING, WORKING };

struct member_in_test {
    struct roster_member member; /* first */
    struct roster *roster;
    int settled;
    int again; /* how often it asks for another turn while it has one */
    int expired;
};

static void count_settle(struct roster_member *member)
{
    struct member_in_test *self = (struct member_in_test *)member;

    self->settled++;
    if (self->again-- > 0) {
        roster_want_turn(self->roster, member);
    }
}

static void move_on(struct roster_member *member)
{
    struct member_in_test *self = (struct member_in_test *)member;

    self->expired++;
    roster_enter(self->roster, member, WORKING, 1000);
}

static void the_oldest_of_a_state_expires_first_and_at_its_time(void **state)
{
    struct roster roster;
    struct member_in_test a = {.roster = &roster}, b = {.roster = &roster};

    (void)state;
    roster_init(&roster);
    roster.limit_ms[WAITING] = 10;
    roster_join(&roster, &a.member, WAITING, 100);
    roster_join(&roster, &b.member, WAITING, 105);
    assert_ptr_equal(&a.member, roster_oldest(&roster, WAITING));
    roster_tick(&roster, 109, move_on);
    assert_int_equal(0, a.expired);
    roster_tick(&roster, 110, move_on);
    assert_int_equal(1, a.expired);
    assert_int_equal(0, b.expired);
    assert_ptr_equal(&b.member, roster_oldest(&roster, WAITING));
    roster_enter(&roster, &b.member, WAITING, 111);
    roster_tick(&roster, 120, move_on);
    assert_int_equal(0, b.expired);
    roster_tick(&roster, 121, move_on);
    assert_int_equal(1, b.expired);
    assert_null(roster_oldest(&roster, WAITING));
    roster_leave(&roster, &a.member);
    roster_leave(&roster, &b.member);
    assert_int_equal(0, roster.count);
}

/* Time goes on while a tick runs. */
static void stay_later(struct roster_member *member)
{
    struct member_in_test *self = (struct member_in_test *)member;

    self->expired++;
    roster_enter(self->roster, member, WAITING, member->since_ms + 11);
}

static void who_begins_anew_after_the_tick_s_time_is_not_expired_again(void **state)
{
    struct roster roster;
    struct member_in_test a = {.roster = &roster};

    (void)state;
    roster_init(&roster);
    roster.limit_ms[WAITING] = 10;
    roster_join(&roster, &a.member, WAITING, 100);
    roster_tick(&roster, 110, stay_later);
    assert_int_equal(1, a.expired);
    roster_tick(&roster, 120, stay_later);
    assert_int_equal(1, a.expired);
    roster_tick(&roster, 121, stay_later);
    assert_int_equal(2, a.expired);
    roster_leave(&roster, &a.member);
}

static void a_state_without_a_limit_never_expires(void **state)
{
    struct roster roster;
    struct member_in_test a = {.roster = &roster};

    (void)state;
    roster_init(&roster);
    roster_join(&roster, &a.member, WORKING, 0);
    roster_tick(&roster, UINT64_MAX, move_on);
    assert_int_equal(0, a.expired);
}

static void who_asks_twice_gets_one_turn_and_who_asks_again_gets_another(void **state)
{
    struct roster roster;
    struct member_in_test a = {.roster = &roster}, b = {.roster = &roster, .again = 2};

    (void)state;
    roster_init(&roster);
    roster_join(&roster, &a.member, WAITING, 0);
    roster_join(&roster, &b.member, WAITING, 0);
    roster_want_turn(&roster, &a.member);
    roster_want_turn(&roster, &a.member);
    roster_want_turn(&roster, &b.member);
    roster_turn(&roster, count_settle);
    assert_int_equal(1, a.settled);
    assert_int_equal(3, b.settled);
    roster_turn(&roster, count_settle);
    assert_int_equal(1, a.settled);
}

static void who_leaves_gets_no_turn(void **state)
{
    struct roster roster;
    struct member_in_test a = {.roster = &roster};

    (void)state;
    roster_init(&roster);
    roster_join(&roster, &a.member, WAITING, 0);
    roster_want_turn(&roster, &a.member);
    roster_leave(&roster, &a.member);
    roster_turn(&roster, count_settle);
    assert_int_equal(0, a.settled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_of_a_state_expires_first_and_at_its_time),
        cmocka_unit_test(who_begins_anew_after_the_tick_s_time_is_not_expired_again),
        cmocka_unit_test(a_state_without_a_limit_never_expires),
        cmocka_unit_test(who_asks_twice_gets_one_turn_and_who_asks_again_gets_another),
        cmocka_unit_test(who_leaves_gets_no_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
