#include "server/codec/prediction_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/codec/preprocessor_json.h"
#include "tests/support/suite.h"

/* {size, color} → kind, of three classes. */
static const char classifier_text[] = "{\"task\":\"classification\",\"input_width\":4,\"output_width\":3,\"target_width\":1,\"features\":["
                                      "{\"name\":\"size\",\"kind\":\"numeric\",\"column\":0,\"offset\":0,\"width\":2,\"has_indicator\":"
                                      "true,\"center\":1.5,\"scale\":0.1,\"fill\":2},"
                                      "{\"name\":\"color\",\"kind\":\"categorical\",\"column\":2,\"offset\":2,\"width\":2,\"has_"
                                      "indicator\":false,\"categories\":[\"blue\",\"7\"],"
                                      "\"seen\":[true,false]}],"
                                      "\"targets\":[{\"name\":\"kind\",\"column\":1,\"is_class\":true,\"classes\":[\"a\",\"b,c\",\"d\"],"
                                      "\"class_weights\":[0.5,2,1]}]}";

static struct preprocessor make(const char *text) {
  struct preprocessor preprocessor;
  struct error error = {0};
  json_t *json = json_loads(text, 0, NULL);
  ck_assert_ptr_nonnull(json);
  ck_assert_msg(preprocessor_from_json(json, &preprocessor, &error) == ERROR_NONE, "%s", error.detail);
  json_decref(json);
  return preprocessor;
}

START_TEST(a_preprocessor_survives_the_way_to_json_and_back) {
  struct preprocessor preprocessor = make(classifier_text);
  json_t *json = preprocessor_to_json(&preprocessor), *given = json_loads(classifier_text, 0, NULL);
  struct preprocessor again;
  struct error error = {0};
  ck_assert_int_eq(preprocessor_from_json(json, &again, &error), ERROR_NONE);
  ck_assert_uint_eq(again.feature_count, 2);
  ck_assert(again.features[0].scale == 0.1 && again.features[0].center == 1.5 && again.features[0].has_indicator);
  ck_assert_str_eq(again.features[1].categories[1], "7");
  ck_assert(again.features[1].is_seen[0] && !again.features[1].is_seen[1]);
  ck_assert_str_eq(again.targets[0].classes[1], "b,c");
  ck_assert_double_eq(again.targets[0].class_weights[1], 2);
  ck_assert_uint_eq(json_object_size(json), json_object_size(given));
  json_decref(json);
  json_decref(given);
  preprocessor_deinit(&again);
  preprocessor_deinit(&preprocessor);
}
END_TEST

/* Every member that is taken away makes the text unreadable, and none crashes. */
START_TEST(a_damaged_preprocessor_is_refused) {
  static const char *const paths[] = {"task", "input_width", "output_width", "target_width", "features", "targets"};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    json_t *json = json_loads(classifier_text, 0, NULL);
    json_object_del(json, paths[i]);
    struct preprocessor preprocessor;
    struct error error = {0};
    ck_assert_int_eq(preprocessor_from_json(json, &preprocessor, &error), ERROR_INTERNAL);
    json_decref(json);
  }
  static const char *const members[] = {"name", "kind", "column", "offset", "width", "center", "scale", "fill", "categories", "seen"};
  for (size_t feature = 0; feature < 2; feature++) {
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
      json_t *json = json_loads(classifier_text, 0, NULL);
      json_t *object = json_array_get(json_object_get(json, "features"), feature);
      if (json_object_del(object, members[i]) == 0) {
        struct preprocessor preprocessor;
        struct error error = {0};
        ck_assert_int_eq(preprocessor_from_json(json, &preprocessor, &error), ERROR_INTERNAL);
      }
      json_decref(json);
    }
  }
}
END_TEST

static void check_row(const char *text, const float *x, const float *outputs, size_t real_count, const char *expected_json,
                      const char *expected_csv) {
  struct preprocessor preprocessor = make(text);
  const struct prediction row = {.preprocessor = &preprocessor, .x = x, .outputs = outputs, .real_count = real_count};
  struct prediction_text written = {0};
  prediction_write_json(&row, &written);
  ck_assert(!written.lacks_memory);
  json_t *prediction = json_loadb(written.bytes, written.count, 0, NULL), *expected = json_loads(expected_json, 0, NULL);
  ck_assert_ptr_nonnull(expected);
  ck_assert_msg(json_equal(prediction, expected), "%.*s, expected %s", (int)written.count, written.bytes, expected_json);
  free(written.bytes);
  char *csv = NULL;
  size_t bytes = 0;
  FILE *file = open_memstream(&csv, &bytes);
  prediction_write_csv_header(&preprocessor, file);
  prediction_write_csv(&row, file);
  fclose(file);
  ck_assert_str_eq(csv, expected_csv);
  free(csv);
  json_decref(prediction);
  json_decref(expected);
  preprocessor_deinit(&preprocessor);
}

static void check_sequence(const char *text, const float *outputs, size_t real_count, const char *expected_json, const char *expected_csv) {
  check_row(text, NULL, outputs, real_count, expected_json, expected_csv);
}

static void check_prediction(const char *text, const float *outputs, const char *expected_json, const char *expected_csv) {
  check_sequence(text, outputs, SIZE_MAX, expected_json, expected_csv);
}

#define NO_FEATURES "\"input_width\":0,\"features\":[],\"target_width\":1,"
static const char sigmoid_text[] =
    "{\"task\":\"classification\"," NO_FEATURES
    "\"output_width\":1,\"targets\":[{\"name\":\"t\",\"column\":0,\"is_class\":true,\"classes\":[\"no\",\"yes\"]}]}";
static const char labels_text[] =
    "{\"task\":\"multilabel\"," NO_FEATURES
    "\"output_width\":2,\"targets\":[{\"name\":\"big\",\"column\":0,\"is_class\":true,\"classes\":[\"0\",\"1\"]},"
    "{\"name\":\"red\",\"column\":1,\"is_class\":true,\"classes\":[\"0\",\"1\"]}]}";
static const char number_text[] =
    "{\"task\":\"regression\"," NO_FEATURES
    "\"output_width\":1,\"targets\":[{\"name\":\"p\",\"column\":0,\"is_class\":false,\"center\":10,\"scale\":2}]}";
static const char numbers_text[] =
    "{\"task\":\"regression\"," NO_FEATURES
    "\"output_width\":2,\"targets\":[{\"name\":\"p\",\"column\":0,\"is_class\":false,\"center\":10,\"scale\":2},"
    "{\"name\":\"q\",\"column\":1,\"is_class\":false,\"center\":0,\"scale\":1}]}";

START_TEST(every_task_has_its_form_of_prediction) {
  check_prediction(classifier_text, (const float[]){0.25f, 0.5f, 0.25f},
                   "{\"class\":\"b,c\",\"probabilities\":{\"a\":0.25,\"b,c\":0.5,\"d\":0.25}}",
                   "class,probability_a,\"probability_b,c\",probability_d\n\"b,c\",0.25,0.5,0.25\n");
  check_prediction(sigmoid_text, (const float[]){0.25f}, "{\"class\":\"no\",\"probabilities\":{\"no\":0.75,\"yes\":0.25}}",
                   "class,probability_no,probability_yes\nno,0.75,0.25\n");
  check_prediction(sigmoid_text, (const float[]){0.5f}, "{\"class\":\"no\",\"probabilities\":{\"no\":0.5,\"yes\":0.5}}",
                   "class,probability_no,probability_yes\nno,0.5,0.5\n");
  check_prediction(sigmoid_text, (const float[]){0.75f}, "{\"class\":\"yes\",\"probabilities\":{\"no\":0.25,\"yes\":0.75}}",
                   "class,probability_no,probability_yes\nyes,0.25,0.75\n");
  check_prediction(labels_text, (const float[]){0.75f, 0.5f},
                   "{\"labels\":{\"big\":true,\"red\":false},\"probabilities\":{\"big\":0.75,\"red\":0.5}}",
                   "big,probability_big,red,probability_red\ntrue,0.75,false,0.5\n");
  check_prediction(number_text, (const float[]){1.5f}, "{\"value\":13.0}", "value\n13\n");
  check_prediction(numbers_text, (const float[]){-1, 4}, "{\"values\":{\"p\":8.0,\"q\":4.0}}", "p,q\n8,4\n");
}
END_TEST

static const char steps_text[] =
    "{\"task\":\"classification\",\"input_width\":0,\"features\":[],\"target_width\":2,\"output_width\":6,\"targets\":["
    "{\"name\":\"s\",\"column\":0,\"is_class\":true,\"classes\":[\"a\",\"b\",\"c,\"]},"
    "{\"name\":\"t\",\"column\":1,\"is_class\":true,\"classes\":[\"a\",\"b\",\"c,\"]}]}";

START_TEST(steps_of_a_sequence_have_a_class_each_and_padded_ones_none) {
  static const float outputs[] = {0.25f, 0.125f, 0.625f, 0.5f, 0.25f, 0.25f};
  check_sequence(steps_text, outputs, 2,
                 "{\"classes\":{\"s\":\"c,\",\"t\":\"a\"},\"probabilities\":{\"s\":{\"a\":0.25,\"b\":0.125,\"c,\":0.625},"
                 "\"t\":{\"a\":0.5,\"b\":0.25,\"c,\":0.25}}}",
                 "s,probability_s,t,probability_t\n\"c,\",0.625,a,0.5\n");
  check_sequence(steps_text, outputs, 1,
                 "{\"classes\":{\"s\":\"c,\",\"t\":null},\"probabilities\":{\"s\":{\"a\":0.25,\"b\":0.125,\"c,\":0.625},\"t\":null}}",
                 "s,probability_s,t,probability_t\n\"c,\",0.625,,\n");
  check_sequence(numbers_text, (const float[]){-1, 0}, 1, "{\"values\":{\"p\":8.0,\"q\":null}}", "p,q\n8,\n");
  check_sequence(labels_text, (const float[]){0.75f, 0}, 1,
                 "{\"labels\":{\"big\":true,\"red\":null},\"probabilities\":{\"big\":0.75,\"red\":null}}",
                 "big,probability_big,red,probability_red\ntrue,0.75,,\n");
}
END_TEST

/* A number, a color of three and a shape of one. */
static const char coder_text[] =
    "{\"task\":\"regression\",\"reconstruction\":true,\"input_width\":5,\"output_width\":5,\"target_width\":5,\"features\":["
    "{\"name\":\"size\",\"kind\":\"numeric\",\"column\":0,\"offset\":0,\"width\":1,\"center\":10,\"scale\":2,\"fill\":10},"
    "{\"name\":\"color\",\"kind\":\"categorical\",\"column\":1,\"offset\":1,\"width\":3,\"categories\":[\"a\",\"b,c\",\"d\"],"
    "\"seen\":[true,true,false]},"
    "{\"name\":\"shape\",\"kind\":\"categorical\",\"column\":2,\"offset\":4,\"width\":1,\"categories\":[\"round\"],\"seen\":[true]}],"
    "\"targets\":[{\"name\":\"size\",\"column\":0,\"is_class\":false,\"center\":10,\"scale\":2},"
    "{\"name\":\"color\",\"column\":1,\"is_class\":false,\"center\":0,\"scale\":1},"
    "{\"name\":\"shape\",\"column\":2,\"is_class\":false,\"center\":0,\"scale\":1}]}";
/* Two channels of 1 × 2 pixels; and one. */
#define IMAGE_CODER(width_, shape_, centers_, scales_)                                                                                     \
  "{\"task\":\"regression\",\"reconstruction\":true,\"input_width\":" width_ ",\"output_width\":" width_ ",\"target_width\":" width_       \
  ",\"features\":[{\"name\":\"image\",\"kind\":\"image\",\"column\":0,\"offset\":0,\"width\":" width_ ",\"image\":{\"shape\":" shape_      \
  ",\"centers\":" centers_ ",\"scales\":" scales_ "}}],"                                                                                   \
  "\"targets\":[{\"name\":\"image\",\"column\":0,\"is_class\":false,\"center\":0,\"scale\":1}]}"
static const char two_channels_text[] = IMAGE_CODER("4", "[2,1,2]", "[0,100]", "[255,10]");
static const char gray_text[] = IMAGE_CODER("4", "[1,2,2]", "[0]", "[255]");

START_TEST(what_is_given_back_is_told_as_what_went_in) {
  static const float x[] = {0, 1, 0, 0, 1}, outputs[] = {0.5f, 0.25f, 0.75f, -0.5f, 1.25f};
  /* (1/4 + 9/16 + 9/16 + 1/4 + 1/16) / 5; what lies below 0 is no probability. */
  check_row(coder_text, x, outputs, 5,
            "{\"values\":{\"size\":11.0,\"color\":\"b,c\",\"shape\":\"round\"},\"probabilities\":{\"color\":{\"a\":0.25,\"b,c\":0.75,"
            "\"d\":0.0},\"shape\":{\"round\":1.0}},\"reconstruction_error\":0.3375}",
            "size,color,probability_color,shape,probability_shape,reconstruction_error\n11,\"b,c\",0.75,round,1,0.3375\n");
  check_row(coder_text, x, (const float[]){NAN, NAN, 0, 0, -1}, 5,
            "{\"values\":{\"size\":null,\"color\":null,\"shape\":\"round\"},\"probabilities\":{\"color\":{\"a\":0.0,\"b,c\":0.0,\"d\":0.0},"
            "\"shape\":{\"round\":0.0}},\"reconstruction_error\":null,\"non_finite\":true}",
            "size,color,probability_color,shape,probability_shape,reconstruction_error\n,,,round,0,\n");
}
END_TEST

START_TEST(an_image_is_given_back_in_the_form_it_is_taken) {
  static const float x[] = {0, 1, 0, 1}, outputs[] = {0, 1, 0.5f, -1};
  check_row(two_channels_text, x, outputs, 4, "{\"values\":{\"image\":[[[0.0,255.0]],[[105.0,90.0]]]},\"reconstruction_error\":1.0625}",
            "reconstruction_error\n1.0625\n");
  check_row(gray_text, x, outputs, 4, "{\"values\":{\"image\":[[0.0,255.0],[127.5,-255.0]]},\"reconstruction_error\":1.0625}",
            "reconstruction_error\n1.0625\n");
}
END_TEST

START_TEST(what_is_not_finite_is_null_and_flagged) {
  check_prediction(number_text, (const float[]){INFINITY}, "{\"value\":null,\"non_finite\":true}", "value\n\n");
  check_prediction(classifier_text, (const float[]){NAN, 0.5f, 0.25f},
                   "{\"class\":\"b,c\",\"probabilities\":{\"a\":null,\"b,c\":0.5,\"d\":0.25},\"non_finite\":true}",
                   "class,probability_a,\"probability_b,c\",probability_d\n\"b,c\",,0.5,0.25\n");
  check_prediction(classifier_text, (const float[]){NAN, NAN, NAN},
                   "{\"class\":null,\"probabilities\":{\"a\":null,\"b,c\":null,\"d\":null},\"non_finite\":true}",
                   "class,probability_a,\"probability_b,c\",probability_d\n,,,\n");
}
END_TEST

START_TEST(strings_are_escaped_as_jansson_escapes_them) {
  static const char *const strings[] = {"", "a\"b\\c/", "\b\f\n\r\t\x01\x1f\x7f", "\xc3\xa9\xe2\x82\xac"};
  for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
    struct prediction_text text = {0};
    prediction_text_append_string(&text, strings[i]);
    json_t *json = json_string(strings[i]);
    char *expected = json_dumps(json, JSON_ENCODE_ANY);
    ck_assert_uint_eq(text.count, strlen(expected));
    ck_assert_mem_eq(text.bytes, expected, text.count);
    free(expected);
    free(text.bytes);
    json_decref(json);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *test_case = suite_add_case(suite, "prediction_json");
  tcase_add_test(test_case, strings_are_escaped_as_jansson_escapes_them);
  tcase_add_test(test_case, a_preprocessor_survives_the_way_to_json_and_back);
  tcase_add_test(test_case, a_damaged_preprocessor_is_refused);
  tcase_add_test(test_case, every_task_has_its_form_of_prediction);
  tcase_add_test(test_case, steps_of_a_sequence_have_a_class_each_and_padded_ones_none);
  tcase_add_test(test_case, what_is_given_back_is_told_as_what_went_in);
  tcase_add_test(test_case, an_image_is_given_back_in_the_form_it_is_taken);
  tcase_add_test(test_case, what_is_not_finite_is_null_and_flagged);
}

int main(void) { return suite_main("prediction_json", add_cases); }
