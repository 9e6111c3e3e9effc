/* Where the gradients of nodes are in a pass after which nobody looks at them (pass_options.joins). A node that hands δ on as it is, as a
 * residual sum does, has one array with those of its sources that it so gives their first gradient: nothing is copied, and along a chain of
 * residual sums all is added up in one place.
 *
 * Backward, the sources have their turns in reverse order. All but the one whose turn is last must find the array as it was: its own
 * activation, and what other layers add to its gradient, may change it only afterwards.
 */
#include "engine/network_private.h"

/* Which of the two nodes that come first in the network. NO_NODE, the greatest number: none. */
struct earliest {
  size_t first, second;
};

static struct earliest find_earliest(const struct node *node) {
  struct earliest found = {NO_NODE, NO_NODE};
  for (size_t input = 0; input < node->layer.input_count; input++) {
    const size_t source = node->sources[input];
    if (source < found.first) {
      found.second = found.first;
      found.first = source;
    } else if (source < found.second) {
      found.second = source;
    }
  }
  return found;
}

static bool is_source(const struct node *node, size_t index) {
  for (size_t input = 0; input < node->layer.input_count; input++)
    if (node->sources[input] == index) return true;
  return false;
}

/* Whether all sources get their first gradient from this node and have no part in anything that complicates matters. */
static bool are_simple(const struct network *network, const struct node *node, size_t first) {
  for (size_t input = 0; input < node->layer.input_count; input++) {
    const size_t at = node->sources[input];
    if (at == SOURCE_INPUT || node->adds[input]) return false;
    const struct node *source = &network->nodes[at];
    if (source->lengths_at != NO_LENGTHS || source->is_joined || (at != first && source->activation != NULL)) return false;
  }
  return true;
}

/* Whether what other nodes add to the gradients of its sources comes when only the first one's turn is left. At its own turn the second's δ
 * is still read, but what that adds, it adds afterwards. */
static bool do_others_wait(const struct network *network, const struct node *node, struct earliest earliest) {
  for (size_t i = 0; i < network->node_count; i++) {
    const struct node *other = &network->nodes[i];
    for (size_t input = 0; input < other->layer.input_count && other != node; input++) {
      const size_t taken = other->sources[input];
      if (taken == SOURCE_INPUT || !is_source(node, taken)) continue;
      if (taken != earliest.first || (earliest.second != NO_NODE && i > earliest.second)) return false;
    }
  }
  return true;
}

void network_place_deltas(struct network *network) {
  for (size_t i = network->node_count; i-- > 0;) {
    const struct node *node = &network->nodes[i];
    const struct earliest earliest = find_earliest(node);
    const bool hands_on = node->layer.kind->hands_delta_on && node->activation == NULL && node->lengths_at == NO_LENGTHS;
    if (!hands_on || node->is_delta_read_later || !are_simple(network, node, earliest.first) || !do_others_wait(network, node, earliest))
      continue;
    for (size_t input = 0; input < node->layer.input_count; input++) {
      struct node *source = &network->nodes[node->sources[input]];
      source->delta_at = node->delta_at;
      source->is_delta_read_later = node->sources[input] != earliest.first;
    }
  }
}
