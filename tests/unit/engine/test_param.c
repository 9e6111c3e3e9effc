#include "engine/param.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/allocations.h"
#include "tests/support/suite.h"

/* A sort of kinds made up for the test: a "wheel" has every type of parameter, a "plain" has none. */

struct hub {
  double radius;
  struct names screws;
};
static const struct param hub_params[] = {
    PARAM_NUMBER_ROW(struct hub, radius, 0, 10, 2, "centimetres", .flags = PARAM_ABOVE_MIN),
    {.name = "screws", .type = PARAM_NAMES, .offset = offsetof(struct hub, screws), .help = "names of screws"},
};

struct wheel {
  struct hub hub;
  bool is_round;
  int64_t spokes, teeth;
  double width, rate;
  char label[LIMIT_NAME_BYTES + 1];
  int color;
  struct spec tyre;
  struct specs parts;
  struct hub cover;
  bool has_cover;
  struct numbers weights;
  struct shape shape;
  struct axis_sizes track;
};

static const struct kind_table wheel_kinds;
static const char *const colors[] = {"red", "green", NULL};
static const struct param wheel_params[] = {
    PARAM_INLINE_ROW(struct wheel, hub, hub_params),
    PARAM_BOOLEAN_ROW(struct wheel, is_round, 1, "whether it rolls"),
    PARAM_INTEGER_ROW(struct wheel, spokes, 1, 100, 0, "number of spokes", .flags = PARAM_REQUIRED | PARAM_AUTO),
    PARAM_INTEGER_ROW(struct wheel, teeth, 0, 1e9, 12, "number of teeth"),
    PARAM_NUMBER_ROW(struct wheel, width, -INFINITY, INFINITY, 0, "centimetres", .flags = PARAM_OPTIONAL),
    PARAM_NUMBER_ROW(struct wheel, rate, 0, 1, 0.5, "per second", .flags = PARAM_BELOW_MAX),
    {.name = "label", .type = PARAM_TEXT, .offset = offsetof(struct wheel, label), .default_name = "front", .help = "what it says"},
    PARAM_CHOICE_ROW(struct wheel, color, colors, 1, "colour"),
    PARAM_KIND_ROW(struct wheel, tyre, &wheel_kinds, "plain", "a wheel around it"),
    {.name = "parts", .type = PARAM_KINDS, .offset = offsetof(struct wheel, parts), .kinds = &wheel_kinds, .help = "further wheels"},
    PARAM_OBJECT_ROW(struct wheel, cover, hub_params, "a cover", .flags = PARAM_OPTIONAL,
                     .given_offset = offsetof(struct wheel, has_cover)),
    {.name = "weights", .type = PARAM_NUMBERS, .offset = offsetof(struct wheel, weights), .min = 0, .max = 1, .word = "balanced"},
    {.name = "shape", .type = PARAM_SHAPE, .offset = offsetof(struct wheel, shape), .help = "sizes"},
    PARAM_SIZES_ROW(struct wheel, track, 2, 1, 9, 3, "width on each axis"),
};

static enum error_code check_wheel(const void *settings, const char *pointer, struct error *error) {
  const struct wheel *wheel = settings;
  if (wheel->teeth != 13) return ERROR_NONE;
  char field[ERROR_POINTER_BYTES];
  error_pointer(field, pointer, "teeth");
  return error_add(error, field, "must not be 13");
}

static const struct kind kinds[] = {
    {.name = "plain", .summary = "no parameters"},
    {.name = "wheel",
     .params = wheel_params,
     .param_count = PARAM_COUNT(wheel_params),
     .settings_bytes = sizeof(struct wheel),
     .check = check_wheel},
    {.name = "cogwheel", .summary = "another without parameters"},
};
static const struct kind *get_kind(size_t index) { return &kinds[index]; }
static const struct kind_table wheel_kinds = {.sort = "wheel", .count = 3, .get = get_kind};

/* A wheel with something in every owning field. */
static enum error_code make_full_wheel(struct spec *out_spec, struct error *error) {
  enum error_code code = spec_init(out_spec, &kinds[1], error);
  if (code != ERROR_NONE) return code;
  struct wheel *wheel = out_spec->settings;
  wheel->spokes = PARAM_INTEGER_AUTO;
  code = spec_init(&wheel->tyre, &kinds[1], error);
  if (code != ERROR_NONE) goto cleanup;
  ((struct wheel *)wheel->tyre.settings)->spokes = 5;
  wheel->parts.items = calloc(2, sizeof *wheel->parts.items);
  if (wheel->parts.items == NULL) goto out_of_memory;
  wheel->parts.count = 2;
  code = spec_init(&wheel->parts.items[0], &kinds[1], error);
  if (code != ERROR_NONE) goto cleanup;
  ((struct wheel *)wheel->parts.items[0].settings)->spokes = 7;
  code = spec_init(&wheel->parts.items[1], &kinds[0], error);
  if (code != ERROR_NONE) goto cleanup;
  wheel->weights.values = calloc(3, sizeof *wheel->weights.values);
  if (wheel->weights.values == NULL) goto out_of_memory;
  wheel->weights.count = 3;
  wheel->weights.values[1] = 0.25;
  wheel->hub.screws.items = calloc(2, sizeof *wheel->hub.screws.items);
  if (wheel->hub.screws.items == NULL) goto out_of_memory;
  wheel->hub.screws.count = 2;
  for (size_t i = 0; i < 2; i++) {
    wheel->hub.screws.items[i] = strdup("m3");
    if (wheel->hub.screws.items[i] == NULL) goto out_of_memory;
  }
  return ERROR_NONE;
out_of_memory:
  code = ERROR_OUT_OF_MEMORY;
cleanup:
  spec_deinit(out_spec);
  return code;
}

START_TEST(defaults_are_those_of_the_table) {
  struct error error = {0};
  struct spec spec;
  ck_assert_int_eq(spec_init(&spec, &kinds[1], &error), ERROR_NONE);
  const struct wheel *wheel = spec.settings;
  ck_assert(wheel->is_round);
  ck_assert(wheel->spokes == PARAM_INTEGER_NONE);
  ck_assert_int_eq(wheel->teeth, 12);
  ck_assert(isnan(wheel->width));
  ck_assert(wheel->rate == 0.5);
  ck_assert(wheel->hub.radius == 2);
  ck_assert_str_eq(wheel->label, "front");
  ck_assert_int_eq(wheel->color, 1);
  ck_assert_ptr_eq(wheel->tyre.kind, &kinds[0]);
  ck_assert_ptr_null(wheel->tyre.settings);
  ck_assert_uint_eq(wheel->parts.count, 0);
  ck_assert(!wheel->has_cover);
  ck_assert(wheel->cover.radius == 2);
  ck_assert_uint_eq(wheel->weights.count, 0);
  ck_assert_uint_eq(wheel->shape.rank, 0);
  ck_assert_uint_eq(wheel->track.count, 1);
  ck_assert_int_eq(sizes_at(&wheel->track, 1), 3);
  spec_deinit(&spec);
  ck_assert_ptr_null(spec.kind);
}
END_TEST

START_TEST(a_kind_without_parameters_has_no_settings) {
  struct error error = {0};
  struct spec spec, copy;
  ck_assert_int_eq(spec_init(&spec, &kinds[0], &error), ERROR_NONE);
  ck_assert_ptr_null(spec.settings);
  ck_assert_int_eq(spec_copy(&copy, &spec, &error), ERROR_NONE);
  ck_assert_ptr_eq(copy.kind, &kinds[0]);
  ck_assert_int_eq(spec_check(&copy, "", &error), ERROR_NONE);
  spec_deinit(&copy);
  spec_deinit(&spec);
}
END_TEST

START_TEST(a_copy_owns_everything_itself) {
  struct error error = {0};
  struct spec spec, copy;
  ck_assert_int_eq(make_full_wheel(&spec, &error), ERROR_NONE);
  ck_assert_int_eq(spec_copy(&copy, &spec, &error), ERROR_NONE);
  spec_deinit(&spec);
  const struct wheel *wheel = copy.settings;
  ck_assert(wheel->spokes == PARAM_INTEGER_AUTO);
  ck_assert_int_eq(((const struct wheel *)wheel->tyre.settings)->spokes, 5);
  ck_assert_uint_eq(wheel->parts.count, 2);
  ck_assert_int_eq(((const struct wheel *)wheel->parts.items[0].settings)->spokes, 7);
  ck_assert_ptr_eq(wheel->parts.items[1].kind, &kinds[0]);
  ck_assert_uint_eq(wheel->weights.count, 3);
  ck_assert(wheel->weights.values[1] == 0.25);
  ck_assert_str_eq(wheel->hub.screws.items[1], "m3");
  ck_assert_int_eq(spec_check(&copy, "", &error), ERROR_NONE);
  spec_deinit(&copy);
}
END_TEST

struct check_case {
  const char *pointer, *detail;
  void (*spoil)(struct wheel *wheel);
};
static void spoil_spokes_missing(struct wheel *wheel) { wheel->spokes = PARAM_INTEGER_NONE; }
static void spoil_spokes_zero(struct wheel *wheel) { wheel->spokes = 0; }
static void spoil_teeth_auto(struct wheel *wheel) { wheel->teeth = PARAM_INTEGER_AUTO; }
static void spoil_teeth_13(struct wheel *wheel) { wheel->teeth = 13; }
static void spoil_width(struct wheel *wheel) { wheel->width = INFINITY; }
static void spoil_rate_one(struct wheel *wheel) { wheel->rate = 1; }
static void spoil_rate_nan(struct wheel *wheel) { wheel->rate = NAN; }
static void spoil_hub(struct wheel *wheel) { wheel->hub.radius = 0; }
static void spoil_color(struct wheel *wheel) { wheel->color = 2; }
static void spoil_tyre(struct wheel *wheel) { ((struct wheel *)wheel->tyre.settings)->spokes = 101; }
static void spoil_tyre_missing(struct wheel *wheel) { spec_deinit(&wheel->tyre); }
static void spoil_part(struct wheel *wheel) { ((struct wheel *)wheel->parts.items[0].settings)->teeth = 13; }
static void spoil_weight(struct wheel *wheel) { wheel->weights.values[2] = -1; }
static void spoil_cover(struct wheel *wheel) {
  wheel->has_cover = true;
  wheel->cover.radius = 11;
}
static void spoil_track(struct wheel *wheel) { wheel->track = (struct axis_sizes){.word = -1, .count = 2, .values = {3, 10}}; }
static void spoil_shape(struct wheel *wheel) { wheel->shape = (struct shape){.rank = 2, .sizes = {3, 0}}; }

static const struct check_case check_cases[] = {
    {"/w/spokes", "is required: number of spokes", spoil_spokes_missing},
    {"/w/spokes", "must be at least 1 and at most 100, not 0", spoil_spokes_zero},
    {"/w/teeth", "must be at least 0 and at most 1000000000, not -9.22337203685478e+18", spoil_teeth_auto},
    {"/w/teeth", "must not be 13", spoil_teeth_13},
    {"/w/width", "must be a finite number, not inf", spoil_width},
    {"/w/rate", "must be at least 0 and less than 1, not 1", spoil_rate_one},
    {"/w/rate", "must be at least 0 and less than 1, not nan", spoil_rate_nan},
    {"/w/radius", "must be greater than 0 and at most 10, not 0", spoil_hub},
    {"/w/color", "must be one of \"red\", \"green\"", spoil_color},
    {"/w/tyre/spokes", "must be at least 1 and at most 100, not 101", spoil_tyre},
    {"/w/tyre", "is required: a wheel around it", spoil_tyre_missing},
    {"/w/parts/0/teeth", "must not be 13", spoil_part},
    {"/w/weights/2", "must be at least 0 and at most 1, not -1", spoil_weight},
    {"/w/cover/radius", "must be greater than 0 and at most 10, not 11", spoil_cover},
    {"/w/track/1", "must be at least 1 and at most 9, not 10", spoil_track},
    {"/w/shape", "must have positive sizes only; the size of axis 1 is 0", spoil_shape},
};

START_TEST(each_wrong_field_is_named_with_what_would_be_right) {
  const struct check_case *check_case = &check_cases[_i];
  struct error error = {0};
  struct spec spec;
  ck_assert_int_eq(make_full_wheel(&spec, &error), ERROR_NONE);
  check_case->spoil(spec.settings);
  ck_assert_int_eq(spec_check(&spec, "/w", &error), ERROR_INVALID);
  ck_assert_uint_eq(error.item_count, 1);
  ck_assert_str_eq(error.items[0].pointer, check_case->pointer);
  ck_assert_str_eq(error.items[0].detail, check_case->detail);
  spec_deinit(&spec);
}
END_TEST

START_TEST(all_wrong_fields_are_reported_at_once) {
  struct error error = {0};
  struct spec spec;
  ck_assert_int_eq(make_full_wheel(&spec, &error), ERROR_NONE);
  spoil_hub(spec.settings);
  spoil_rate_one(spec.settings);
  spoil_part(spec.settings);
  ck_assert_int_eq(spec_check(&spec, "", &error), ERROR_INVALID);
  ck_assert_uint_eq(error.item_count, 3);
  spec_deinit(&spec);
}
END_TEST

START_TEST(the_inside_of_an_object_not_given_is_not_checked) {
  struct error error = {0};
  struct spec spec;
  ck_assert_int_eq(make_full_wheel(&spec, &error), ERROR_NONE);
  struct wheel *wheel = spec.settings;
  wheel->cover.radius = 11;
  ck_assert_int_eq(spec_check(&spec, "", &error), ERROR_NONE);
  spec_deinit(&spec);
}
END_TEST

/* Every allocation of making, then of copying, fails in turn; nothing stays allocated and the copy is empty. */
START_TEST(a_failed_allocation_leaves_nothing_behind) {
  if (!allocations_can_count()) return;
  struct error error = {0};
  struct spec spec, copy;
  size_t failures = 0, live = allocations_live();
  for (size_t successes = 0;; successes++, failures++) {
    allocations_fail_after(successes);
    enum error_code code = make_full_wheel(&spec, &error);
    allocations_fail_after(SIZE_MAX);
    if (code == ERROR_NONE) break;
    ck_assert_int_eq(code, ERROR_OUT_OF_MEMORY);
    ck_assert_ptr_null(spec.settings);
    ck_assert_uint_eq(allocations_live(), live);
  }
  ck_assert_uint_ge(failures, 8);
  for (size_t successes = 0;; successes++) {
    error_clear(&error);
    allocations_fail_after(successes);
    enum error_code code = spec_copy(&copy, &spec, &error);
    allocations_fail_after(SIZE_MAX);
    if (code == ERROR_NONE) break;
    ck_assert_int_eq(error.code, ERROR_OUT_OF_MEMORY);
    ck_assert_ptr_null(copy.settings);
  }
  spec_deinit(&copy);
  spec_deinit(&spec);
  ck_assert_uint_eq(allocations_live(), live);
}
END_TEST

START_TEST(kinds_are_found_by_name) {
  ck_assert_ptr_eq(kind_table_find(&wheel_kinds, "cogwheel"), &kinds[2]);
  ck_assert_ptr_null(kind_table_find(&wheel_kinds, "Cogwheel"));
  ck_assert_ptr_null(kind_table_find(&wheel_kinds, ""));
}
END_TEST

START_TEST(the_nearest_name_is_suggested) {
  static const char *const cases[][2] = {
      {"weel", "wheel"},         {"whele", "wheel"}, {"Wheel", "wheel"}, {"cogwhel", "cogwheel"},
      {"cog_wheel", "cogwheel"}, {"plian", "plain"}, {"plane", NULL},    {"wheels", "wheel"},
      {"dense", NULL},           {"", NULL},         {"x", NULL},        {"wheelwheelwheel", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const char *suggestion = kind_table_suggest(&wheel_kinds, cases[i][0]);
    if (cases[i][1] == NULL)
      ck_assert_msg(suggestion == NULL, "\"%s\" → \"%s\"", cases[i][0], suggestion);
    else
      ck_assert_msg(suggestion != NULL && strcmp(suggestion, cases[i][1]) == 0, "\"%s\" → \"%s\"", cases[i][0], suggestion);
  }
  char *endless = malloc(100001);
  memset(endless, 'w', 100000);
  endless[100000] = '\0';
  ck_assert_ptr_null(kind_table_suggest(&wheel_kinds, endless));
  free(endless);
}
END_TEST

START_TEST(shapes_are_sized_compared_and_written) {
  char text[64], little[6];
  struct shape image = {.rank = 3, .sizes = {3, 28, 29}}, scalar = {0}, vector = {.rank = 1, .sizes = {3, 7}};
  struct shape same_vector = {.rank = 1, .sizes = {3, 8}};
  ck_assert_uint_eq(shape_size(&image), 3 * 28 * 29);
  ck_assert_uint_eq(shape_size(&scalar), 1);
  ck_assert(!shape_equal(&image, &vector));
  ck_assert(shape_equal(&vector, &same_vector));
  ck_assert_str_eq(shape_format(&image, text, sizeof text), "[3, 28, 29]");
  ck_assert_str_eq(shape_format(&scalar, text, sizeof text), "[]");
  ck_assert_uint_lt(strlen(shape_format(&image, little, sizeof little)), sizeof little);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "param");
  tcase_add_test(test_case, defaults_are_those_of_the_table);
  tcase_add_test(test_case, a_kind_without_parameters_has_no_settings);
  tcase_add_test(test_case, a_copy_owns_everything_itself);
  tcase_add_loop_test(test_case, each_wrong_field_is_named_with_what_would_be_right, 0, (int)(sizeof check_cases / sizeof check_cases[0]));
  tcase_add_test(test_case, all_wrong_fields_are_reported_at_once);
  tcase_add_test(test_case, the_inside_of_an_object_not_given_is_not_checked);
  tcase_add_test(test_case, a_failed_allocation_leaves_nothing_behind);
  tcase_add_test(test_case, kinds_are_found_by_name);
  tcase_add_test(test_case, the_nearest_name_is_suggested);
  tcase_add_test(test_case, shapes_are_sized_compared_and_written);
}

int main(void) { return suite_main("param", add_cases); }
