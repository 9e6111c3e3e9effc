/* What a dataset becomes for a network: the plan of its data, with what the network's first and last layer
 * decide. Private to server/api. */
#ifndef SERVER_API_PLANNING_H
#define SERVER_API_PLANNING_H

#include "server/data/plan.h"

struct planning {
  const struct network_spec *network; /* not resolved yet */
  const struct dataset_row *dataset;
  const struct dataset_row *test_dataset; /* NULL: none */
  uint64_t seed;
};

/* Decides what is "auto" in `data`, as numbers and texts become what the network begins with, and makes the plan, with a single output for
 * two classes where the network ends so. *out_plan, which was zeroed, is to be deinited whatever the outcome. */
__attribute__((warn_unused_result)) enum error_code plan_for_network(const struct planning *planning, struct data_settings *data,
                                                                     struct data_plan *out_plan, struct error *error);

#endif
