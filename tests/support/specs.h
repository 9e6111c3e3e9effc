/* Specs from short texts, so that a test's networks can be read at a glance. For trusted test input: what is wrong aborts the test.
 *
 *   spec      type key=value key=value …                    "dense units=4 activation=elu:alpha=0.5 bias=0"
 *   value     by the row's type: 3, 0.5, auto, a choice's name, kind:key=value:key=value, 2x3x4 for shapes, a,b,c for lists
 *   network   specs separated by ;                          "dense units=4 name=a; dense units=4 name=b inputs=input; add inputs=a,b"
 */
#ifndef TESTS_SUPPORT_SPECS_H
#define TESTS_SUPPORT_SPECS_H

#include "engine/network.h"

/* A spec of one of the table's kinds; free with spec_deinit. */
void spec_parse(struct spec *out_spec, const struct kind_table *kinds, const char *text);
/* Sets one parameter. */
void spec_set(struct spec *spec, const char *key, const char *value);
/* A network spec whose layers are named; `input` as a shape, "" for none. Free with network_spec_deinit. */
void network_spec_parse(struct network_spec *out_spec, const char *input, const char *layers);
/* The same before anything is checked or named. */
void network_spec_parse_unresolved(struct network_spec *out_spec, const char *input, const char *layers);
struct shape shape_parse(const char *text);

#endif
