/* test_base_memory.c - allocation, arenas and buffers: ceilings hold, failures leave no trace. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"

#include <string.h>

static void the_nth_allocation_fails_and_only_that(void **state)
{
    (void)state;
    ap__alloc_fail_after(2);
    void *a = ap__alloc(8), *b = ap__alloc(8), *c = ap__alloc(8);
    ap__alloc_fail_after(0);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    ap__free(a);
    ap__free(c);
}

static void memory_comes_zeroed_and_a_product_that_overflows_is_refused(void **state)
{
    (void)state;
    char *p = ap__alloc(1000), zeros[1000] = {0};
    assert_non_null(p);
    assert_memory_equal(p, zeros, 1000);
    ap__free(p);
    assert_null(ap__alloc_array(SIZE_MAX / 2, 4));
    p = ap__alloc(0);
    assert_non_null(p);
    ap__free(p);
}

static void every_allocation_is_counted(void **state)
{
    (void)state;
    uint64_t before = ap__alloc_count();
    void *p = ap__alloc(1);
    p = ap__realloc(p, 100);
    assert_int_equal(ap__alloc_count() - before, 2);
    ap__free(p);
    assert_int_equal(ap__alloc_count() - before, 2);
}

static void an_array_keeps_its_elements_when_it_grows_or_fails_to(void **state)
{
    (void)state;
    struct ap_err err;
    int32_t *array = NULL;
    size_t cap = 0;
    for (int32_t i = 0; i < 1000; i++) {
        assert_int_equal(ap__grow((void **)&array, &cap, (size_t)i + 1, sizeof *array, &err), AP_OK);
        array[i] = i;
    }
    size_t old = cap;
    ap__alloc_fail_after(1);
    assert_int_equal(ap__grow((void **)&array, &cap, old + 1, sizeof *array, &err), AP_E_MEMORY);
    ap__alloc_fail_after(0);
    assert_int_equal(ap__grow((void **)&array, &cap, SIZE_MAX, sizeof *array, &err), AP_E_MEMORY);
    assert_int_equal(cap, old);
    for (int32_t i = 0; i < 1000; i++)
        assert_int_equal(array[i], i);
    ap__free(array);
}

static void an_arena_hands_out_aligned_memory_that_does_not_overlap(void **state)
{
    (void)state;
    enum { N = 400 };
    struct ap_arena arena;
    uint8_t *block[N];
    size_t size[N];
    struct ap_rng rng = ap__rng_make(1, "arena", 0, 0, 0);
    ap__arena_init(&arena, 0);
    for (int i = 0; i < N; i++) {
        size[i] = 1 + ap__rng_below(&rng, 5000);
        block[i] = ap__arena_alloc(&arena, size[i]);
        assert_non_null(block[i]);
        assert_int_equal((uintptr_t)block[i] % 64, 0);
        memset(block[i], i % 251, size[i]);
    }
    for (int i = 0; i < N; i++)
        for (size_t j = 0; j < size[i]; j++)
            assert_int_equal(block[i][j], i % 251);
    ap__arena_deinit(&arena);
}

static void an_arena_stops_at_its_ceiling_and_stays_usable(void **state)
{
    (void)state;
    struct ap_arena arena;
    ap__arena_init(&arena, 1000);
    assert_non_null(ap__arena_alloc(&arena, 900));
    size_t used = arena.used;
    assert_null(ap__arena_alloc(&arena, 200));
    assert_null(ap__arena_alloc(&arena, SIZE_MAX));
    assert_null(ap__arena_strndup(&arena, "", SIZE_MAX));
    assert_int_equal(arena.used, used);
    assert_non_null(ap__arena_strdup(&arena, "still room"));
    assert_true(arena.used <= 1000);
    ap__arena_deinit(&arena);
}

static void releasing_a_mark_gives_back_all_that_came_after_it(void **state)
{
    (void)state;
    struct ap_arena arena;
    ap__arena_init(&arena, 0);
    struct ap_arena_mark empty = ap__arena_mark(&arena);
    char *kept = ap__arena_strdup(&arena, "kept");
    struct ap_arena_mark mark = ap__arena_mark(&arena);
    void *first = ap__arena_alloc(&arena, 100);
    for (int i = 0; i < 50; i++)
        assert_non_null(ap__arena_alloc(&arena, 30000));
    ap__arena_release(&arena, mark);
    assert_int_equal(arena.used, mark.used);
    assert_ptr_equal(ap__arena_alloc(&arena, 100), first);
    assert_string_equal(kept, "kept");
    ap__arena_release(&arena, empty);
    assert_int_equal(arena.used, 0);
    assert_ptr_equal(ap__arena_strdup(&arena, "kept"), kept);
    ap__arena_deinit(&arena);
}

static void a_reset_arena_repeats_its_work_without_the_heap(void **state)
{
    (void)state;
    struct ap_arena arena;
    uint64_t before = 0;
    ap__arena_init(&arena, 0);
    for (int round = 0; round < 3; round++) {
        if (round == 1)
            before = ap__alloc_count();
        for (int i = 0; i < 100; i++)
            assert_non_null(ap__arena_zalloc(&arena, 10000));
        ap__arena_reset(&arena);
        assert_int_equal(arena.used, 0);
    }
    assert_int_equal(ap__alloc_count(), before);
    ap__arena_deinit(&arena);
}

/* Steps of a training differ in size; the arena must not keep a block for every size it ever saw. */
static void an_arena_of_varying_steps_stays_within_its_largest_step(void **state)
{
    (void)state;
    struct ap_arena arena;
    struct ap_rng rng = ap__rng_make(1, "steps", 0, 0, 0);
    ap__arena_init(&arena, 0);
    size_t largest = 0;
    for (int step = 0; step < 200; step++) {
        uint32_t unit = 1000 + ap__rng_below(&rng, 400000);
        for (uint32_t i = 0; i < 8; i++)
            assert_non_null(ap__arena_alloc(&arena, unit * (1 + i % 3)));
        if (arena.used > largest)
            largest = arena.used;
        ap__arena_reset(&arena);
        assert_true(arena.reserved <= largest + largest / 4 + 4096);
    }
    ap__arena_deinit(&arena);
}

static void zeroed_arena_memory_is_zero_after_reuse(void **state)
{
    (void)state;
    struct ap_arena arena;
    ap__arena_init(&arena, 0);
    memset(ap__arena_alloc(&arena, 500), 0xAA, 500);
    ap__arena_reset(&arena);
    const uint8_t *p = ap__arena_zalloc(&arena, 500);
    for (int i = 0; i < 500; i++)
        assert_int_equal(p[i], 0);
    ap__arena_deinit(&arena);
}

static void an_arena_survives_a_failed_allocation(void **state)
{
    (void)state;
    struct ap_arena arena;
    ap__arena_init(&arena, 0);
    ap__alloc_fail_after(1);
    assert_null(ap__arena_alloc(&arena, 10));
    ap__alloc_fail_after(0);
    assert_int_equal(arena.used, 0);
    assert_non_null(ap__arena_alloc(&arena, 10));
    ap__arena_deinit(&arena);
}

static void a_buffer_grows_by_bytes_strings_and_formats(void **state)
{
    (void)state;
    struct ap_buf buf;
    ap__buf_init(&buf, 0);
    assert_string_equal(ap__buf_cstr(&buf), "");
    assert_int_equal(ap__buf_puts(&buf, "a"), AP_OK);
    assert_int_equal(ap__buf_putc(&buf, 'b'), AP_OK);
    assert_int_equal(ap__buf_add(&buf, "c\0d", 3), AP_OK);
    assert_int_equal(ap__buf_printf(&buf, "%0*d", 300, 7), AP_OK);
    assert_int_equal(buf.len, 305);
    assert_int_equal(buf.data[3], '\0');
    assert_int_equal(buf.data[304], '7');
    assert_int_equal(buf.data[305], '\0');
    ap__buf_clear(&buf);
    assert_string_equal(ap__buf_cstr(&buf), "");
    ap__buf_deinit(&buf);
}

static void a_full_buffer_keeps_what_it_has_and_says_so(void **state)
{
    (void)state;
    struct ap_buf buf;
    ap__buf_init(&buf, 10);
    assert_int_equal(ap__buf_puts(&buf, "0123456789"), AP_OK);
    assert_false(buf.failed);
    assert_int_equal(ap__buf_putc(&buf, 'x'), AP_E_TOO_LARGE);
    assert_int_equal(ap__buf_printf(&buf, "%d", 1), AP_E_TOO_LARGE);
    assert_true(buf.failed);
    assert_string_equal(buf.data, "0123456789");
    assert_null(ap__buf_take(&buf));
    ap__buf_deinit(&buf);
}

static void taking_from_a_buffer_moves_the_text_out(void **state)
{
    (void)state;
    struct ap_buf buf;
    ap__buf_init(&buf, 0);
    (void)ap__buf_puts(&buf, "mine");
    char *text = ap__buf_take(&buf);
    assert_string_equal(text, "mine");
    assert_null(buf.data);
    ap__free(text);
    text = ap__buf_take(&buf);
    assert_string_equal(text, "");
    ap__free(text);
    ap__alloc_fail_after(1);
    (void)ap__buf_puts(&buf, "lost");
    ap__alloc_fail_after(0);
    assert_null(ap__buf_take(&buf));
    ap__buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nth_allocation_fails_and_only_that),
        cmocka_unit_test(memory_comes_zeroed_and_a_product_that_overflows_is_refused),
        cmocka_unit_test(every_allocation_is_counted),
        cmocka_unit_test(an_array_keeps_its_elements_when_it_grows_or_fails_to),
        cmocka_unit_test(an_arena_hands_out_aligned_memory_that_does_not_overlap),
        cmocka_unit_test(an_arena_stops_at_its_ceiling_and_stays_usable),
        cmocka_unit_test(releasing_a_mark_gives_back_all_that_came_after_it),
        cmocka_unit_test(a_reset_arena_repeats_its_work_without_the_heap),
        cmocka_unit_test(an_arena_of_varying_steps_stays_within_its_largest_step),
        cmocka_unit_test(zeroed_arena_memory_is_zero_after_reuse),
        cmocka_unit_test(an_arena_survives_a_failed_allocation),
        cmocka_unit_test(a_buffer_grows_by_bytes_strings_and_formats),
        cmocka_unit_test(a_full_buffer_keeps_what_it_has_and_says_so),
        cmocka_unit_test(taking_from_a_buffer_moves_the_text_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
