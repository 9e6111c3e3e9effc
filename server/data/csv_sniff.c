/* Finding the delimiter: the one that cuts the most lines of a file's beginning into as many cells as its first line. */
#include "server/data/csv.h"

enum { SNIFF_LINES = 200 };

struct agreement {
  size_t lines;      /* looked at */
  size_t agreeing;   /* with as many delimiters as the first */
  size_t delimiters; /* in the first line */
};

/* A last line that may be cut off is left out, unless it is the only one. */
static struct agreement measure(const char *bytes, size_t byte_count, char delimiter) {
  struct agreement agreement = {0};
  size_t delimiters = 0;
  bool in_quotes = false, has_text = false;
  for (size_t i = 0; i <= byte_count && agreement.lines < SNIFF_LINES; i++) {
    bool at_end = i == byte_count;
    char byte = at_end ? '\n' : bytes[i];
    if (byte == '"') in_quotes = !in_quotes;
    if (byte == delimiter && !in_quotes) delimiters++;
    bool is_line_end = at_end || (!in_quotes && (byte == '\n' || byte == '\r'));
    if (!is_line_end) {
      has_text = true;
      continue;
    }
    if (has_text && (!at_end || agreement.lines == 0)) {
      if (agreement.lines == 0) agreement.delimiters = delimiters;
      agreement.lines++;
      agreement.agreeing += delimiters == agreement.delimiters;
    }
    delimiters = 0;
    has_text = false;
  }
  return agreement;
}

char csv_guess_delimiter(const char *bytes, size_t byte_count) {
  static const char candidates[] = {',', ';', '\t', '|'};
  char best = ',';
  double best_share = 0;
  size_t best_delimiters = 0;
  for (size_t i = 0; i < sizeof candidates; i++) {
    struct agreement agreement = measure(bytes, byte_count, candidates[i]);
    if (agreement.delimiters == 0) continue;
    double share = (double)agreement.agreeing / (double)agreement.lines;
    if (share > best_share || (share >= best_share && agreement.delimiters > best_delimiters)) {
      best = candidates[i];
      best_share = share;
      best_delimiters = agreement.delimiters;
    }
  }
  return best;
}
