/* Dates and times as text: read, written, and turned into numbers for a network.
 *
 * Taken are, with spaces around them ignored,
 *   year first   2024-03-01, 2024/3/1, 2024.03.01                       (ISO 8601, RFC 3339)
 *   day first    01.03.2024, 1/3/2024, 01-03-2024 } only where a whole column tells which of both it is: DATETIME_DAY_FIRST
 *   month first  3/1/2024, 03-01-2024             } or DATETIME_MONTH_FIRST
 * each with an optional time behind a T or a space: 13:45, 13:45:10, 13:45:10.5, 1:45 PM; and an optional offset behind that: Z, UTC,
 * +02:00, +0200, +02. Days must exist (no 30 February); years are 0001 to 9999; second 60 counts as the next minute's 0. A time
 * without offset counts as UTC.
 *
 * As numbers: the instant, standardized like any number (a trend), and sine and cosine of how far the year, the week and, where the column
 * has times, the day has gone, by the clock and calendar that the cell is written in. So the end of a year lies beside its beginning.
 * Pure functions; any thread.
 */
#ifndef SERVER_DATA_DATETIME_H
#define SERVER_DATA_DATETIME_H

#include <stdbool.h>
#include <stddef.h>

enum datetime_order { DATETIME_YEAR_FIRST, DATETIME_DAY_FIRST, DATETIME_MONTH_FIRST };
extern const char *const datetime_order_names[4]; /* "year_first", "day_first", "month_first", NULL */

struct datetime {
  double instant; /* seconds since 1970-01-01T00:00:00Z */
  double clock;   /* what clock and calendar said there: the instant plus the offset */
  bool has_time, is_year_first;
};

/* Dates that begin with the year are taken whatever the order. False: the text is none of these. */
bool datetime_parse(const char *text, enum datetime_order order, struct datetime *out_datetime);

/* "2024-03-01T13:45:10.5Z", to the microsecond. */
enum { DATETIME_TEXT_BYTES = 40 };
const char *datetime_format(double instant, char text[DATETIME_TEXT_BYTES]);

/* How a column's dates are written; as a number for the store: 0 is no form at all. */
struct datetime_form {
  enum datetime_order order;
  bool has_times;
};
static inline int datetime_form_pack(struct datetime_form form) { return 1 + 2 * (int)form.order + form.has_times; }
static inline struct datetime_form datetime_form_unpack(int packed) {
  if (packed < 1 || packed > 6) return (struct datetime_form){0};
  return (struct datetime_form){.order = (enum datetime_order)((packed - 1) / 2), .has_times = (packed - 1) % 2 == 1};
}

/* What of a date goes to the network. */
enum datetime_part { DATETIME_INSTANT, DATETIME_YEAR, DATETIME_WEEK, DATETIME_DAY, DATETIME_PARTS };
extern const char *const datetime_part_names[DATETIME_PARTS + 1]; /* "time", "day_of_year", "day_of_week", "time_of_day", NULL */

/* The instant in seconds, or the share, 0 up to 1, of the year, week or day that has gone. The year's and the
 * week's are told by whole days. */
double datetime_get_part(const struct datetime *datetime, enum datetime_part part);

struct datetime_encoding {
  struct datetime_form form;
  bool is_used[DATETIME_PARTS]; /* fitted: it varies in the training part; else its numbers are 0 */
};
/* Numbers that a date becomes: one for the instant, two for each of the others; those of the day only with times. */
static inline size_t datetime_get_width(const struct datetime_encoding *encoding) { return encoding->form.has_times ? 7 : 5; }
/* x[datetime_get_width()]; the instant less `center`, divided by `scale`. */
void datetime_encode(const struct datetime_encoding *encoding, const struct datetime *datetime, double center, double scale, float *x);

/* Fitting: the encoding's is_used become what varies among the dates that are added; all zeros before the first,
 * and is_used then all false. */
struct datetime_fit {
  bool has_first;
  double firsts[DATETIME_PARTS];
};
void datetime_fit_add(struct datetime_fit *fit, struct datetime_encoding *encoding, const struct datetime *datetime);

/* Tells whether the cells of a column are all dates, and in which order; all zeros: no cell seen yet. */
struct datetime_evidence {
  bool is_refuted;
  bool is_not_day_first, is_not_month_first, is_year_last; /* of some cell */
  bool has_times;
};
/* out_datetimes: as day first and as month first; false if it was neither. */
bool datetime_evidence_add(struct datetime_evidence *evidence, const char *text, struct datetime out_datetimes[2]);
/* False if they aren't all dates, or nothing tells day from month. */
bool datetime_evidence_get_form(const struct datetime_evidence *evidence, struct datetime_form *out_form);

#endif
