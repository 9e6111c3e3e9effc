/* The values of a metrics event, read from the text that the job translator wrote, without building JSON: a long run has a million of them,
 * and a chart wants a few. */
#ifndef SERVER_CODEC_REPORT_TEXT_H
#define SERVER_CODEC_REPORT_TEXT_H

#include <stddef.h>

#include "engine/error.h"

struct report_value {
  const char *name;
  const char *number; /* JSON: a number, or null where it was not finite */
};

/* All zeros at first; holds its memory from one event to the next. */
struct report_values {
  size_t count, capacity;
  struct report_value *items; /* in the order of the report; they point into the text */
};

/* Cuts `text` up: names become strings of their own. ERROR_INTERNAL if it is no such report. */
__attribute__((warn_unused_result)) enum error_code report_values_read(struct report_values *values, char *text, struct error *error);
void report_values_deinit(struct report_values *values);
/* NAN if it was not finite. */
double report_value_get(const struct report_value *value);
/* NULL if the report has none of that name. */
const struct report_value *report_values_find(const struct report_values *values, const char *name);

#endif
