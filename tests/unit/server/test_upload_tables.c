/* server/data/upload.h with tables that come as several parts: how columns are matched, what is refused, where bad rows are said to be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/allocations.h"
#include "tests/support/data_files.h"
#include "tests/support/suite.h"
#include "tests/support/whole_upload.h"

static char *data_dir;

static void set_up(void) { data_dir = data_dir_create(); }
static void tear_down(void) { data_dir_remove(data_dir); }

struct part {
  const char *name, *text;
};
enum { PARTS_MAX = 3 };

/* Every second part is packed. */
static struct bytes make_form(const struct part parts[PARTS_MAX]) {
  struct bytes body = {0};
  for (size_t i = 0; i < PARTS_MAX && parts[i].name != NULL; i++) {
    struct bytes packed = gzip_make(parts[i].text, strlen(parts[i].text));
    if (i % 2 == 1)
      body_add_file(&body, parts[i].name, packed.at, packed.count);
    else
      body_add_file(&body, parts[i].name, parts[i].text, strlen(parts[i].text));
    bytes_free(&packed);
  }
  body_end(&body);
  return body;
}

static struct upload_options make_options(const char *format) {
  return (struct upload_options){
      .data_dir = data_dir, .boundary = BODY_BOUNDARY, .format = format_find(format), .header = -1, .bytes_max = 1 << 26};
}

static enum error_code upload_form(const char *format, const struct bytes *body, size_t portion, struct dataset_row *out_row,
                                   struct error *error) {
  const struct upload_options options = make_options(format);
  return upload_whole(&options, body, portion, out_row, error);
}

static enum error_code upload_parts(const char *format, const struct part parts[PARTS_MAX], struct dataset_row *out_row,
                                    struct error *error) {
  struct bytes body = make_form(parts);
  enum error_code code = upload_form(format, &body, 7, out_row, error);
  bytes_free(&body);
  return code;
}

struct table_text {
  size_t column_count;
  char text[1000];
};

static enum error_code append_row(void *context, uint64_t row, const char *const *cells, struct error *error) {
  struct table_text *table = context;
  (void)row, (void)error;
  for (size_t i = 0; i < table->column_count; i++) {
    const size_t used = strlen(table->text);
    snprintf(table->text + used, sizeof table->text - used, "%s%s", cells[i], i + 1 < table->column_count ? "|" : "\n");
  }
  return ERROR_NONE;
}

static void check_table(struct dataset_row *row, const char *names, const char *expected) {
  struct error error = {0};
  struct table_text table = {.column_count = row->column_count}, header = {.column_count = row->column_count};
  const char *cells[16];
  for (size_t i = 0; i < row->column_count; i++) cells[i] = row->columns[i].name;
  ck_assert_int_eq(append_row(&header, 0, cells, &error), ERROR_NONE);
  ck_assert_str_eq(header.text, names);
  ck_assert_int_eq(dataset_read_rows(data_dir, row, 0, row->rows, append_row, &table, &error), ERROR_NONE);
  ck_assert_str_eq(table.text, expected);
}

static void finish_row(struct dataset_row *row) {
  import_remove_files(data_dir, row);
  dataset_row_deinit(row);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
}

static const struct {
  const char *name, *format;
  struct part parts[PARTS_MAX];
  const char *names, *rows;
} tables[] = {
    {"columns in another order, parts as well",
     "csv",
     {{"test", "y,b,a\nno,4,3\n"}, {"train", "a,b,y\n1,2,yes\n5,6,no\n"}},
     "a|b|y|part\n",
     "1|2|yes|train\n5|6|no|train\n3|4|no|test\n"},
    {"three parts, other words for them",
     "csv",
     {{"Testing", "a,y\n3,u\n"}, {"train", "a,y\n1,v\n"}, {"val", "y,a\nw,2\n"}},
     "a|y|part\n",
     "1|v|train\n2|w|validation\n3|u|test\n"},
    {"each has its own delimiter, quotes and line ends",
     "csv",
     {{"train", "a;y\r\n\"1,5\";\"x \"\"q\"\"\r\nz\"\r\n"}, {"test", "y,a\n\"p,q\",\n"}},
     "a|y|part\n",
     "1.5|x \"q\"\r\nz|train\n|p,q|test\n"},
    {"without headers, by position",
     "csv",
     {{"train", "1,2,red\n3,4,blue\n5,6,red\n"}, {"test", "7,8,red\n"}},
     "column_1|column_2|column_3|part\n",
     "1|2|red|train\n3|4|blue|train\n5|6|red|train\n7|8|red|test\n"},
    {"a test file that alone would have no header, as its words come again",
     "csv",
     {{"train", "size,kind\n1,a\n2,b\n"}, {"test", "kind,size\nkind,size\nkind,size\n"}},
     "size|kind|part\n",
     "1|a|train\n2|b|train\nsize|kind|test\nsize|kind|test\n"},
    {"a byte order mark",
     "csv",
     {{"train", "\xEF\xBB\xBF"
                "a,y\n1,u\n"},
      {"test", "a,y\n2,v\n"}},
     "a|y|part\n",
     "1|u|train\n2|v|test\n"},
    {"a tab between cells", "tsv", {{"train", "a\ty\n1,2\tu\n"}, {"test", "y\ta\nv\t3\n"}}, "a|y|part\n", "1.2|u|train\n3|v|test\n"},
    {"objects",
     "ndjson",
     {{"train", "{\"a\":1,\"y\":\"u\"}\n{\"y\":\"v\"}\n"}, {"test", "{\"y\":\"w\",\"a\":null}"}},
     "a|y|part\n",
     "1|u|train\n|v|train\n|w|test\n"},
};

START_TEST(parts_become_one_table) {
  struct bytes body = make_form(tables[_i].parts);
  for (size_t portion = 1; portion < 400; portion += 133) {
    struct dataset_row row;
    struct error error = {0};
    enum error_code code = upload_form(tables[_i].format, &body, portion, &row, &error);
    ck_assert_msg(code == ERROR_NONE, "%s: %s", tables[_i].name, error.detail);
    check_table(&row, tables[_i].names, tables[_i].rows);
    ck_assert(row.columns[row.column_count - 1].says_part);
    ck_assert_uint_eq(row.bad_row_count, 0);
    finish_row(&row);
  }
  bytes_free(&body);
}
END_TEST

START_TEST(the_order_of_parts_changes_nothing) {
  struct dataset_row rows[2];
  struct error error = {0};
  const struct part train = {"train", "a,y\n1,u\n"}, test = {"test", "a,y\n2,v\n"};
  ck_assert_int_eq(upload_parts("csv", (struct part[PARTS_MAX]){train, test}, &rows[0], &error), ERROR_NONE);
  ck_assert_int_eq(upload_parts("csv", (struct part[PARTS_MAX]){test, train}, &rows[1], &error), ERROR_NONE);
  ck_assert_str_eq(rows[0].sha256, rows[1].sha256);
  ck_assert_uint_eq(rows[0].bytes, strlen(train.text) + strlen(test.text));
  for (size_t i = 0; i < 2; i++) {
    check_table(&rows[i], "a|y|part\n", "1|u|train\n2|v|test\n");
    import_remove_files(data_dir, &rows[i]);
    dataset_row_deinit(&rows[i]);
  }
}
END_TEST

/* A part alone is the file that it would be without its name, a column `part` of its own included. */
START_TEST(one_part_is_the_file_itself) {
  static const char *const formats_of[] = {"csv", "ndjson"}, *const texts[] = {"a;part\n1;test\n", "{\"a\":1,\"part\":\"test\"}\n"};
  for (size_t i = 0; i < 2; i++) {
    struct dataset_row row, plain;
    struct error error = {0};
    ck_assert_int_eq(upload_parts(formats_of[i], (struct part[PARTS_MAX]){{"train", texts[i]}}, &row, &error), ERROR_NONE);
    ck_assert_int_eq(upload_parts(formats_of[i], (struct part[PARTS_MAX]){{"file", texts[i]}}, &plain, &error), ERROR_NONE);
    check_table(&row, "a|part\n", "1|test\n");
    ck_assert(!row.columns[1].says_part);
    ck_assert_str_eq(row.sha256, plain.sha256);
    ck_assert_uint_eq(row.bytes, plain.bytes);
    ck_assert_int_eq(row.delimiter, plain.delimiter);
    import_remove_files(data_dir, &plain);
    dataset_row_deinit(&plain);
    finish_row(&row);
  }
}
END_TEST

START_TEST(bad_rows_are_told_with_their_file_and_line) {
  static const struct {
    const char *format;
    struct part parts[PARTS_MAX];
    const char *reasons[2];
  } cases[] = {
      {"csv",
       {{"test", "y,a\nu,1\n\nv\nw,3\n"}, {"train", "a,y\n1,u\n2,v,7\n"}},
       {"of part \"train\" has 3 cells, the header has 2", "of part \"test\" has 1 cell, the header has 2"}},
      {"ndjson",
       {{"test", "{\"y\":1}\n\n\n{\"y\":2,\"y\":3}\n"}, {"train", "{\"y\":1}\n\n[]\n"}},
       {"of part \"train\" ", "of part \"test\" has the key \"y\" twice"}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct dataset_row row;
    struct error error = {0};
    enum error_code code = upload_parts(cases[i].format, cases[i].parts, &row, &error);
    ck_assert_msg(code == ERROR_NONE, "%s", error.detail);
    ck_assert_uint_eq(row.bad_row_count, 2);
    for (size_t k = 0; k < 2; k++) {
      ck_assert_uint_eq(row.bad_rows[k].line, 3 + k);
      ck_assert_msg(strncmp(row.bad_rows[k].reason, cases[i].reasons[k], strlen(cases[i].reasons[k])) == 0, "%s", row.bad_rows[k].reason);
    }
    finish_row(&row);
  }
}
END_TEST

static const struct {
  const char *format;
  struct part parts[PARTS_MAX];
  const char *words;
} refusals[] = {
    {"csv",
     {{"train", "a,b,y\n1,2,u\n"}, {"test", "a,b\n1,2\n"}},
     "part \"test\" has no column \"y\", which part \"train\" has; the first line"},
    {"csv", {{"train", "a,y\n1,u\n"}, {"test", "a,y,z\n1,2,3\n"}}, "part \"test\" has a column \"z\", which part \"train\" has not"},
    {"csv", {{"train", "a,y\n1,u\n"}, {"test", "a,z\n1,2\n"}}, "part \"test\" has no column \"y\""},
    {"csv", {{"train", "a,y\n1,u\n"}, {"val", "1,u\n"}}, "part \"val\" has no column \"a\""},
    {"csv", {{"train", "1,2,3\n4,5,6\n"}, {"test", "1,2\n"}}, "part \"test\" has 2 columns, part \"train\" has 3; without headers"},
    {"csv", {{"train", "1,2\n4,5\n"}, {"test", "a,b\n1,2\n"}}, "part \"test\" seems to begin with a header"},
    {"csv", {{"train", "a,part\n1,train\n"}, {"test", "a,part\n1,test\n"}}, "part \"train\" has a column \"part\" already"},
    {"csv", {{"train", "a,y\n1,u\n"}, {"test", "a,a\n1,2\n"}}, "part \"test\": line 1, the header: columns 1 and 2 are both named \"a\""},
    {"csv", {{"train", "a,y\n1,u\n"}, {"test", "a,y\n"}}, "part \"test\" has no row that can be used"},
    {"csv", {{"train", "a,y\n1,u\n"}, {"test", ""}}, "part \"test\" is empty"},
    {"csv",
     {{"train", "a,y\n1,u\n"},
      {"test", "\xFF\xFE"
               "a"}},
     "part \"test\" is UTF-16"},
    {"csv", {{"train", "a,y\n1,u\n"}, {"test", "a,\xFF\n1,2\n"}}, "part \"test\": line 1, the header, "},
    {"csv", {{"validation", "a,y\n1,u\n"}, {"test", "a,y\n1,u\n"}}, "the upload has no part \"train\""},
    {"csv",
     {{"train", "a,y\n1,u\n"}, {"test", "a,y\n1,u\n"}, {"testing", "a,y\n1,u\n"}},
     "\"test\" and \"testing\" are both the part \"test\""},
    {"csv",
     {{"train", "a,y\n1,u\n"}, {"tset", "a,y\n1,u\n"}},
     "no part is called \"tset\"; of format csv there are train, validation, test"},
    {"csv", {{"data", "a,y\n1,u\n"}, {"test", "a,y\n1,u\n"}}, "no part is called \"data\""},
    {"csv", {{"train", "a,y\n1,u\n"}, {"train", "a,y\n1,u\n"}}, "two parts are called \"train\""},
    {"ndjson",
     {{"train", "{\"a\":1,\"y\":2}"}, {"test", "{\"a\":1}"}},
     "part \"test\" has no column \"y\", which part \"train\" has; the objects"},
    {"ndjson", {{"train", "{\"a\":1,\"part\":2}"}, {"test", "{\"a\":1}"}}, "part \"train\" has a column \"part\" already"},
};

START_TEST(parts_that_do_not_fit_are_refused) {
  struct dataset_row row;
  struct error error = {0};
  ck_assert_int_eq(upload_parts(refusals[_i].format, refusals[_i].parts, &row, &error), ERROR_INVALID);
  ck_assert_msg(strstr(error.detail, refusals[_i].words) != NULL, "\"%s\" lacks \"%s\"", error.detail, refusals[_i].words);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
}
END_TEST

START_TEST(parts_are_of_one_format) {
  struct dataset_row row;
  struct error error = {0};
  struct bytes body = {0}, labels = idx_make_labels(3);
  body_add_file(&body, "train", "{\"a\":1}\n", 8);
  body_add_file(&body, "test", labels.at, labels.count);
  body_end(&body);
  ck_assert_int_eq(upload_form("", &body, 100, &row, &error), ERROR_INVALID);
  ck_assert_msg(strstr(error.detail, "parts \"train\" (ndjson) and \"test\" (idx); all must be of one format") != NULL, "%s", error.detail);
  ck_assert_uint_eq(data_dir_count_files(data_dir), 0);
  bytes_free(&labels);
  bytes_free(&body);
}
END_TEST

START_TEST(running_out_of_memory_leaves_nothing_behind) {
  if (!allocations_can_count()) return;
  static const size_t of_tables[] = {0, 7}; /* CSV; NDJSON */
  for (size_t i = 0; i < 2; i++) {
    struct bytes body = make_form(tables[of_tables[i]].parts);
    const struct upload_options options = make_options(tables[of_tables[i]].format);
    upload_whole_without_memory(&options, &body, 50);
    bytes_free(&body);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *taken = suite_add_case(suite, "taken");
  tcase_add_checked_fixture(taken, set_up, tear_down);
  tcase_add_loop_test(taken, parts_become_one_table, 0, sizeof tables / sizeof tables[0]);
  tcase_add_test(taken, the_order_of_parts_changes_nothing);
  tcase_add_test(taken, one_part_is_the_file_itself);
  tcase_add_test(taken, bad_rows_are_told_with_their_file_and_line);
  TCase *refused = suite_add_case(suite, "refused");
  tcase_add_checked_fixture(refused, set_up, tear_down);
  tcase_add_loop_test(refused, parts_that_do_not_fit_are_refused, 0, sizeof refusals / sizeof refusals[0]);
  tcase_add_test(refused, parts_are_of_one_format);
  tcase_add_test(refused, running_out_of_memory_leaves_nothing_behind);
}

int main(void) { return suite_main("upload_tables", add_cases); }
