/* GET /openapi.json: OpenAPI 3.1, made from the table of routes, the kinds' parameter tables and, for answers, the schemas below. */
#include <stdlib.h>
#include <string.h>

#include "engine/network.h"
#include "server/api/context.h"
#include "server/api/handlers.h"
#include "server/codec/gradient_check_json.h"
#include "server/codec/settings_json.h"
#include "server/codec/trace_json.h"
#include "server/data/format.h"
#include "server/jobs/job_spec.h"

/* Query parameters, each described once: name, JSON Schema, description. */
static const struct {
  const char *name, *schema, *description;
} query_params[] = {
    {"limit", "{\"type\":\"integer\",\"minimum\":1}", "At most so many."},
    {"cursor", "{\"type\":\"string\"}", "next_cursor of the page before."},
    {"offset", "{\"type\":\"integer\",\"minimum\":0,\"default\":0}", "Index of the first row."},
    {"where", "{\"type\":\"string\"}",
     "Only rows that fulfil all conditions: species = Adelie and body_mass_g >= 4000 and sex is present. Comparisons: =, !=, <, <=, >, >=, "
     "contains, is missing, is present; names and values with spaces stand in double quotes."},
    {"bins", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000}", "Bins of numbers or dates; left out: by how many values there are."},
    {"target", "{\"type\":\"string\"}", "The column that is to be predicted."},
    {"test_dataset", "{\"type\":\"string\"}", "Another dataset, whose rows should not be among this one's."},
    {"dry_run", "{\"type\":\"boolean\",\"default\":false}", "true: check and answer, but keep nothing."},
    {"name", "{\"type\":\"string\"}", "A unique name; one is made up if it is left out."},
    {"delimiter", "{\"type\":\"string\",\"default\":\"auto\"}", "auto, comma, semicolon, tab or pipe, or that character."},
    {"header", "{\"enum\":[\"auto\",\"true\",\"false\"],\"default\":\"auto\"}", "Whether the first line names the columns."},
    {"state", "{\"type\":\"string\"}", "Only jobs in these states, with commas between them."},
    {"after", "{\"type\":\"integer\",\"minimum\":0,\"default\":0}", "Only what came after this number."},
    {"max_points", "{\"type\":\"integer\",\"minimum\":6,\"maximum\":10000}",
     "Thin each series to so many points by min, max and last of each stretch; the best and non-finite ones stay. Left out: all points."},
    {"names", "{\"type\":\"string\"}", "Only these series, with commas between them; a name may end in *."},
    {"format", "{\"type\":\"string\"}",
     "Of metrics: json or csv. Of a model: safetensors or json. Of an upload, where Content-Type doesn't say: csv, tsv, idx, …"},
    {"column", "{\"type\":\"string\"}", "The column's name, or its position, from 0. Left out: the first of images."},
    {"size", "{\"type\":\"string\"}",
     "Of an upload of images: what all are brought to, width x height, as 28x28. Of an image of a row: its longer side in pixels. Left "
     "out: that of most "
     "images, up to 64."},
    {"width", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1024}",
     "Of an upload of images: their width; the height follows, if it isn't given."},
    {"height", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1024}",
     "Of an upload of images: their height; the width follows, if it isn't given."},
    {"channels", "{\"enum\":[1,3,4]}", "Of an upload of images: 1 grey, 3 RGB, 4 RGB and opacity. Left out: 1 if all are grey, else 3."},
};

/* Answers and small requests, as JSON Schema. */
static const struct {
  const char *name, *schema;
} plain_schemas[] = {
    {"Anything", "{\"type\":\"object\"}"},
    {"Health", "{\"type\":\"object\",\"required\":[\"status\"],\"properties\":{\"status\":{\"type\":\"string\"}}}"},
    {"Version", "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"version\":{\"type\":\"string\"},\"kernels\":{"
                "\"type\":\"string\"},"
                "\"workers\":{\"type\":\"integer\"},\"threads\":{\"type\":\"integer\"},"
                "\"limits\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}},"
                "\"jobs\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}},\"started_at\":{\"$ref\":\"#/components/"
                "schemas/Time\"}}}"},
    {"Schema", "{\"type\":\"object\",\"description\":\"Kinds by sort, each with its parameters; the forms network, job and dataset.\"}"},
    {"Time", "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"},
    {"Problem",
     "{\"type\":\"object\",\"required\":[\"type\",\"title\",\"status\",\"detail\",\"code\",\"request_id\",\"errors\"],\"properties\":{"
     "\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},"
     "\"code\":{\"type\":\"string\"},\"request_id\":{\"type\":\"string\"},\"errors_dropped\":{\"type\":\"integer\"},"
     "\"errors\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"pointer\":{\"type\":\"string\"},"
     "\"detail\":{\"type\":\"string\"}}}}}}"},
    {"Network", "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"},"
                "\"complete\":{\"type\":\"boolean\",\"description\":\"false while something waits for a dataset\"},"
                "\"spec\":{\"$ref\":\"#/components/schemas/NetworkSpec\"},"
                "\"summary\":{\"type\":[\"object\",\"null\"],\"description\":\"shapes, parameters, FLOPs and bytes\"},"
                "\"created_at\":{\"$ref\":\"#/components/schemas/Time\"}}}"},
    {"Dataset",
     "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"},\"rows\":{\"type\":\"integer\"},"
     "\"bytes\":{\"type\":\"integer\"},\"sha256\":{\"type\":\"string\"},\"delimiter\":{\"type\":\"string\"},\"header\":{\"type\":"
     "\"boolean\"},"
     "\"columns\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"
     "\"kind\":{\"enum\":[\"numeric\",\"categorical\",\"text\",\"image\",\"datetime\",\"sequence\"]},\"missing\":{\"type\":\"integer\"},"
     "\"min\":{\"type\":[\"number\",\"string\",\"null\"],\"description\":\"of dates a time in RFC 3339\"},"
     "\"max\":{\"type\":[\"number\",\"string\",\"null\"]},\"mean\":{\"type\":[\"number\",\"string\",\"null\"]},"
     "\"std\":{\"type\":[\"number\",\"null\"],\"description\":\"of dates in seconds\"},"
     "\"max_length\":{\"type\":\"integer\",\"description\":\"of lists of "
     "numbers\"},\"categories\":{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"string\"}},"
     "\"category_counts\":{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"integer\"}},"
     "\"first_word\":{\"type\":[\"object\",\"null\"],\"description\":\"the first cell that is no number, where nearly all others are\","
     "\"properties\":{\"line\":{\"type\":\"integer\"},\"value\":{\"type\":\"string\"}}},"
     "\"shape\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"description\":\"of a column of arrays; an image is [channels, "
     "height, width]\"},\"element\":{\"enum\":[\"uint8\",\"float32\"]}}}},"
     "\"part_column\":{\"type\":[\"string\",\"null\"],\"description\":\"made at upload of several parts: train, validation or test for "
     "each row\"},"
     "\"bad_row_count\":{\"type\":\"integer\",\"description\":\"in lists, in place of bad_rows\"},"
     "\"bad_rows\":{\"type\":\"object\",\"properties\":{\"count\":{\"type\":\"integer\"},\"first\":{\"type\":\"array\",\"items\":{"
     "\"type\":\"object\",\"properties\":{\"line\":{\"type\":\"integer\"},\"reason\":{\"type\":\"string\"}}}}}},"
     "\"created_at\":{\"$ref\":\"#/components/schemas/Time\"}}}"},
    {"UploadList",
     "{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
     "\"name\":{\"type\":[\"string\",\"null\"]},\"phase\":{\"enum\":[\"receiving\",\"reading\"],\"description\":\"reading: all of it has "
     "come\"},\"bytes_received\":{\"type\":\"integer\"},\"bytes_total\":{\"type\":[\"integer\",\"null\"],\"description\":\"null "
     "where the client doesn't say\"},\"fraction\":{\"type\":[\"number\",\"null\"]},\"rows\":{\"type\":\"integer\"},"
     "\"started_at\":{\"$ref\":\"#/components/schemas/Time\"}}}}}}"},
    {"DatasetChange",
     "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"name\":{\"type\":\"string\"},\"columns\":{\"anyOf\":["
     "{\"type\":\"object\",\"additionalProperties\":{\"enum\":[\"numeric\",\"categorical\",\"text\",\"datetime\",\"sequence\"]}},"
     "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"name\",\"kind\"],\"properties\":{\"name\":{\"type\":\"string\"},"
     "\"kind\":{\"enum\":[\"numeric\",\"categorical\",\"text\",\"datetime\",\"sequence\"]}}}}]}}}"},
    {"DatasetRows",
     "{\"type\":\"object\",\"properties\":{\"columns\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"rows\":{\"type\":\"array\","
     "\"items\":{\"type\":\"array\",\"items\":{\"type\":[\"number\",\"string\",\"array\",\"object\",\"null\"]}}},\"indices\":{\"type\":"
     "\"array\","
     "\"items\":{\"type\":\"integer\"}},\"offset\":{\"type\":\"integer\"},\"total\":{\"type\":\"integer\",\"description\":\"rows that "
     "fulfil the "
     "conditions\"}}}"},
    {"ColumnHistogram",
     "{\"type\":\"object\",\"properties\":{\"column\":{\"type\":\"string\"},\"kind\":{\"type\":\"string\"},\"of\":{\"enum\":[\"values\","
     "\"characters\",\"categories\"]},\"categories\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"edges\":{\"type\":\"array\","
     "\"items\":{\"type\":[\"number\",\"string\",\"null\"]},\"description\":\"one more than counts; bin i is [edges[i], edges[i + 1])\"},"
     "\"counts\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},\"missing\":{\"type\":\"integer\"}}}"},
    {"DatasetReport",
     "{\"type\":\"object\",\"properties\":{\"dataset\":{\"type\":\"string\"},\"rows\":{\"type\":\"integer\"},\"target\":{\"type\":["
     "\"object\","
     "\"null\"]},\"correlations\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"column\":{\"type\":\"string\"},"
     "\"kind\":{\"type\":\"string\"},\"measure\":{\"enum\":[\"pearson\",\"correlation_ratio\",\"cramers_v\"]},\"correlation\":{\"type\":"
     "[\"number\",\"null\"]},\"alone\":{\"type\":[\"object\",\"null\"],\"description\":\"accuracy of classes or R2 of numbers, predicted "
     "from this "
     "column alone, beside a constant answer's\"}}}},\"correlation_rows\":{\"type\":\"integer\",\"description\":\"rows they were computed "
     "on\"},"
     "\"duplicates\":{\"type\":\"object\"},\"shared_rows\":{\"type\":[\"object\",\"null\"],\"description\":\"of what is tested on, also in "
     "what is "
     "learned from; null without "
     "parts\"},\"is_estimate\":{\"type\":\"boolean\"},\"warnings\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
     "\"properties\":{\"code\":{\"enum\":[\"leakage\",\"row_number\",\"mostly_missing\",\"constant\",\"rare_classes\",\"class_imbalance\","
     "\"target_missing\",\"duplicate_rows\",\"shared_rows\"]},\"column\":{\"type\":[\"string\",\"null\"]},\"detail\":{\"type\":\"string\"}}"
     "}}}}"},
    {"Job",
     "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"},\"state\":{\"enum\":[\"queued\","
     "\"running\",\"pausing\",\"paused\",\"cancelling\",\"cancelled\",\"succeeded\",\"failed\"]},"
     "\"stop_reason\":{\"enum\":[\"completed\",\"early_stopping\",\"cancelled\",\"diverged\",\"error\",null]},"
     "\"queue_position\":{\"type\":[\"integer\",\"null\"]},\"priority\":{\"type\":\"integer\"},"
     "\"progress\":{\"type\":\"object\",\"properties\":{\"epoch\":{\"type\":\"integer\"},\"epochs\":{\"type\":\"integer\"},"
     "\"step\":{\"type\":\"integer\"},\"steps\":{\"type\":\"integer\"},\"fraction\":{\"type\":\"number\"},"
     "\"samples_per_second\":{\"type\":[\"number\",\"null\"]},\"eta_seconds\":{\"type\":[\"number\",\"null\"]}}},"
     "\"metrics\":{\"type\":\"object\",\"properties\":{\"latest\":{\"type\":\"object\"},\"best\":{\"type\":\"object\"},"
     "\"test\":{\"type\":\"object\"}}},\"diagnosis\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},"
     "\"model\":{\"type\":[\"string\",\"null\"]},\"error\":{\"type\":[\"object\",\"null\"]},\"dataset_id\":{\"type\":[\"string\",\"null\"]}"
     ","
     "\"init_from\":{\"type\":[\"object\",\"null\"],\"description\":\"the layers that started with the model's weights, and those that are "
     "new\",\"properties\":{\"model\":{\"type\":\"string\"},\"taken\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
     "\"new\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}},"
     "\"spec\":{\"$ref\":\"#/components/schemas/JobSpec\"},\"network_spec\":{\"$ref\":\"#/components/schemas/NetworkSpec\"},"
     "\"precision\":{\"enum\":[\"float32\",\"bfloat16\",null],\"description\":\"what it is really computed in; null before it starts\"},"
     "\"memory_bytes\":{\"type\":\"integer\"},\"kernels\":{\"type\":[\"string\",\"null\"]},\"weights_sha256\":{\"type\":[\"string\","
     "\"null\"]},"
     "\"created_at\":{\"$ref\":\"#/components/schemas/Time\"},\"started_at\":{\"$ref\":\"#/components/schemas/Time\"},"
     "\"finished_at\":{\"$ref\":\"#/components/schemas/Time\"}}}"},
    {"JobChange", "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"name\":{\"type\":\"string\"},"
                  "\"priority\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":100}}}"},
    {"MetricSeries",
     "{\"type\":\"object\",\"properties\":{\"series\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\",\"properties\":{"
     "\"step\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},\"epoch\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},"
     "\"value\":{\"type\":\"array\",\"items\":{\"type\":[\"number\",\"null\"]}},"
     "\"non_finite\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"description\":\"indices of values that are not finite\"}}}},"
     "\"next\":{\"type\":\"string\",\"description\":\"after= of the next request\"},\"more\":{\"type\":\"boolean\"}}}"},
    {"Model",
     "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"},\"job\":{\"type\":\"string\"},"
     "\"task\":{\"enum\":[\"classification\",\"multilabel\",\"regression\"]},\"inputs\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}"
     "},"
     "\"outputs\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},\"network\":{\"$ref\":\"#/components/schemas/NetworkSpec\"},"
     "\"preprocessing\":{\"type\":\"object\"},\"job_spec\":{\"$ref\":\"#/components/schemas/JobSpec\"},\"metrics\":{\"type\":\"object\"},"
     "\"parameters\":{\"type\":\"integer\"},\"weights_sha256\":{\"type\":\"string\"},\"created_at\":{\"$ref\":\"#/components/schemas/"
     "Time\"}}}"},
    {"PredictRequest", "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"rows\"],\"properties\":{\"rows\":{\"type\":"
                       "\"array\",\"minItems\":1,"
                       "\"items\":{\"anyOf\":[{\"type\":\"object\",\"description\":\"values by input; what is left out is missing\"},"
                       "{\"type\":\"array\",\"description\":\"one value per input, in "
                       "order\",\"items\":{\"type\":[\"number\",\"string\",\"boolean\",\"null\"]}}]}}}}"},
    {"Predictions",
     "{\"type\":\"object\",\"properties\":{\"model\":{\"type\":\"string\"},\"predictions\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"object\","
     "\"properties\":{\"class\":{\"type\":[\"string\",\"null\"]},\"probabilities\":{\"type\":\"object\"},\"labels\":{\"type\":\"object\"},"
     "\"classes\":{\"type\":\"object\",\"description\":\"of a class for each step, by target; null at padded steps\"},"
     "\"value\":{\"type\":[\"number\",\"null\"]},\"values\":{\"type\":\"object\",\"description\":\"of several targets; what an autoencoder "
     "gives back: numbers, categories, an image's pixels as [height][width] or [channels][height][width]\"},"
     "\"reconstruction_error\":{\"type\":[\"number\",\"null\"],\"description\":\"mean squared difference to what went in, as it was "
     "scaled\"},\"non_finite\":{\"type\":\"boolean\"}}}}}}"},
    {"Trace",
     "{\"type\":\"object\",\"properties\":{\"model\":{\"type\":\"string\"},\"network\":{\"type\":\"string\"},"
     "\"loss\":{\"type\":[\"number\",\"null\"]},\"penalty\":{\"type\":[\"number\",\"null\"]},"
     "\"gradient_norm\":{\"type\":[\"number\",\"null\"]},\"non_finite\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
     "\"losses\":{\"type\":\"array\",\"items\":{\"type\":[\"number\",\"null\"]},\"description\":\"before each step\"},"
     "\"steps\":{\"type\":\"integer\"},\"values_limit\":{\"type\":\"integer\",\"description\":\"tensors of up to so many values are told "
     "whole\"},\"loss_spec\":{\"type\":\"object\"},\"loss_formula\":{\"type\":\"string\"},\"optimizer\":{\"type\":\"object\"},"
     "\"optimizer_formula\":{\"type\":\"string\"},\"input\":{\"$ref\":\"#/components/schemas/Tensor\"},"
     "\"input_gradient\":{\"$ref\":\"#/components/schemas/Tensor\"},\"target\":{\"$ref\":\"#/components/schemas/Tensor\"},"
     "\"layers\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"type\":{\"type\":"
     "\"string\"},\"inputs\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"formula\":{\"type\":\"string\"},"
     "\"activation\":{\"type\":[\"object\",\"null\"]},\"activation_formula\":{\"type\":[\"string\",\"null\"]},"
     "\"delta_formula\":{\"type\":\"string\"},\"gradient_formula\":{\"type\":[\"string\",\"null\"]},"
     "\"input\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Tensor\"}},"
     "\"z\":{\"$ref\":\"#/components/schemas/Tensor\"},\"a\":{\"$ref\":\"#/components/schemas/Tensor\"},"
     "\"activation_derivative\":{\"$ref\":\"#/components/schemas/Tensor\"},\"activation_jacobian\":{\"$ref\":\"#/components/schemas/"
     "Tensor\"},\"a_gradient\":{\"$ref\":\"#/components/schemas/Tensor\"},\"delta\":{\"$ref\":\"#/components/schemas/Tensor\"},"
     "\"gradient_norm\":{\"type\":[\"number\",\"null\"]},\"tensors\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
     "\"properties\":{\"name\":{\"type\":\"string\"},\"value\":{\"$ref\":\"#/components/schemas/Tensor\"},"
     "\"gradient\":{\"$ref\":\"#/components/schemas/Tensor\"},\"step\":{\"$ref\":\"#/components/schemas/Tensor\"},"
     "\"after\":{\"$ref\":\"#/components/schemas/Tensor\"}}}}}}},"
     "\"windows\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},"
     "\"after\":{\"type\":\"object\",\"properties\":{\"loss\":{\"type\":[\"number\",\"null\"]},\"penalty\":{\"type\":[\"number\","
     "\"null\"]},\"non_finite\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"output\":{\"$ref\":\"#/components/schemas/"
     "Tensor\"}}}}}"},
    {"GradientCheck",
     "{\"type\":\"object\",\"properties\":{\"model\":{\"type\":\"string\"},\"network\":{\"type\":\"string\"},\"dataset\":{\"type\":"
     "\"string\"},"
     "\"passes\":{\"type\":\"boolean\"},\"tolerance\":{\"type\":\"number\"},\"loss\":{\"type\":[\"number\",\"null\"]},\"loss_spec\":{"
     "\"type\":"
     "\"object\"},\"rows\":{\"type\":\"integer\"},\"parameters\":{\"type\":\"integer\"},\"kinks\":{\"type\":\"integer\"},"
     "\"unresolved\":{\"type\":\"integer\"},\"largest_error\":{\"type\":[\"number\",\"null\"]},"
     "\"backprop\":{\"type\":\"object\",\"properties\":{\"seconds\":{\"type\":\"number\"},\"loss_evaluations\":{\"type\":\"integer\"}}},"
     "\"differences\":{\"type\":\"object\",\"properties\":{\"seconds\":{\"type\":\"number\"},\"loss_evaluations\":{\"type\":\"integer\"}}},"
     "\"tensors\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"layer\":{\"type\":\"string\"},\"name\":{\"type\":"
     "\"string\"},"
     "\"shape\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},\"count\":{\"type\":\"integer\"},\"kinks\":{\"type\":\"integer\"},"
     "\"unresolved\":{\"type\":\"integer\"},\"largest_error\":{\"type\":[\"number\",\"null\"]},\"mean_error\":{\"type\":[\"number\","
     "\"null\"]},"
     "\"worst\":{\"type\":\"object\",\"properties\":{\"index\":{\"type\":\"integer\"},\"position\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"integer\"}},\"backprop\":{\"type\":[\"number\",\"null\"]},\"difference\":{\"type\":[\"number\",\"null\"]}}},"
     "\"passes\":{\"type\":\"boolean\"},\"non_finite\":{\"type\":\"boolean\"}}}}}}"},
    {"EvaluateRequest",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"dataset\"],\"properties\":{\"dataset\":{\"type\":\"string\"}}}"},
    {"Evaluation", "{\"type\":\"object\",\"properties\":{\"model\":{\"type\":\"string\"},\"dataset\":{\"type\":\"string\"},\"rows\":{"
                   "\"type\":\"integer\"},"
                   "\"metrics\":{\"type\":\"object\"}}}"},
};

/* What a tensor of a trace looks like, and what stands beside the parameters in requests that bring rows. */
static const char tensor_schema[] =
    "{\"type\":\"object\",\"properties\":{\"tensor\":{\"type\":\"string\",\"description\":\"its name, for windows\"},"
    "\"shape\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},\"count\":{\"type\":\"integer\"},"
    "\"non_finite\":{\"type\":\"integer\",\"description\":\"how many values are not finite; they are null\"},"
    "\"min\":{\"type\":[\"number\",\"null\"]},\"max\":{\"type\":[\"number\",\"null\"]},\"mean\":{\"type\":[\"number\",\"null\"]},"
    "\"std\":{\"type\":[\"number\",\"null\"]},\"norm\":{\"type\":[\"number\",\"null\"]},"
    "\"values\":{\"type\":\"array\",\"items\":{\"type\":[\"number\",\"null\"]},\"description\":\"of small tensors, row-major\"},"
    "\"quantiles\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"number\"}},"
    "\"histogram\":{\"type\":\"object\",\"properties\":{\"edges\":{\"type\":\"array\",\"items\":{\"type\":\"number\"}},"
    "\"counts\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}}}}}";

static const char rows_properties[] =
    "{\"rows\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":64,\"description\":\"of a model: raw, as predict takes them; of a network: "
    "numbers of its input's shape, nested or flat\",\"items\":{\"type\":[\"object\",\"array\",\"number\"]}},"
    "\"targets\":{\"type\":\"array\",\"description\":\"one for each row; of a model they may stand in the rows\","
    "\"items\":{\"type\":[\"object\",\"array\",\"number\",\"string\",\"boolean\"]}},"
    "\"weights\":{\"type\":[\"object\",\"null\"],\"description\":\"start values by \\\"layer.tensor\\\"; the others are the model's, or "
    "random by "
    "seed\",\"additionalProperties\":{\"type\":[\"array\",\"number\"]}}}";

static const char windows_property[] =
    "{\"windows\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"tensor\"],"
    "\"properties\":{\"tensor\":{\"type\":\"string\"},\"offset\":{\"type\":\"integer\",\"minimum\":0,\"default\":0},"
    "\"limit\":{\"type\":\"integer\",\"minimum\":1,\"default\":100}}}}}";

static const char subjects_properties[] =
    "{\"model\":{\"type\":[\"string\",\"null\"],\"description\":\"id or name of a model; or else:\"},\"network\":{\"description\":\"id or "
    "name of a "
    "network, or the network itself\",\"anyOf\":[{\"type\":[\"string\",\"null\"]},{\"$ref\":\"#/components/schemas/NetworkSpec\"}]}}";

static const char *const listed[] = {"Network", "Dataset", "Job", "Model"};

static json_t *schema_reference(const char *name) { return json_pack("{s:s+}", "$ref", "#/components/schemas/", name); }

static json_t *list_schema(const char *item) {
  return json_pack("{s:s, s:{s:{s:s, s:o}, s:{s:[s, s]}}}", "type", "object", "properties", "items", "type", "array", "items",
                   schema_reference(item), "next_cursor", "type", "string", "null");
}

/* The schema of a request with parameters, rows and `more`. */
static json_t *rows_schema(const struct param *params, size_t param_count, const char *more) {
  json_t *schema = settings_schema(params, param_count), *properties = json_object_get(schema, "properties");
  json_t *rows = json_loads(rows_properties, 0, NULL), *others = json_loads(more, 0, NULL);
  if (properties == NULL || json_object_update(properties, rows) != 0 || json_object_update(properties, others) != 0) {
    json_decref(schema);
    schema = NULL;
  }
  json_decref(rows);
  json_decref(others);
  return schema;
}

static json_t *make_schemas(void) {
  json_t *schemas = json_object();
  for (size_t i = 0; i < sizeof plain_schemas / sizeof plain_schemas[0]; i++) {
    json_put(&schemas, plain_schemas[i].name, json_loads(plain_schemas[i].schema, 0, NULL));
  }
  for (size_t i = 0; i < sizeof listed / sizeof listed[0]; i++) {
    char name[32];
    snprintf(name, sizeof name, "%sList", listed[i]);
    json_put(&schemas, name, list_schema(listed[i]));
  }
  json_put(&schemas, "Tensor", json_loads(tensor_schema, 0, NULL));
  json_put(&schemas, "TraceRequest", rows_schema(trace_params, PARAM_COUNT(trace_params), windows_property));
  json_put(&schemas, "GradientCheckRequest", rows_schema(gradient_check_params, PARAM_COUNT(gradient_check_params), subjects_properties));
  json_put(&schemas, "NetworkSpec", settings_schema(network_params, PARAM_COUNT(network_params)));
  json_t *job = settings_schema(job_params, job_param_count);
  json_t *properties = json_object_get(job, "properties");
  json_t *network = json_pack("{s:[{s:s}, o], s:s}", "anyOf", "type", "string", schema_reference("NetworkSpec"), "description",
                              "id or name of the network to train, or the network itself");
  if (properties != NULL && network != NULL) json_object_set_new(properties, "network", network);
  json_put(&schemas, "JobSpec", job);
  if (schemas == NULL || !settings_schema_components(network_params, PARAM_COUNT(network_params), schemas) ||
      !settings_schema_components(job_params, job_param_count, schemas) ||
      !settings_schema_components(trace_params, PARAM_COUNT(trace_params), schemas)) {
    json_decref(schemas);
    return NULL;
  }
  return schemas;
}

static json_t *parameter(const char *name, const char *place, bool is_required, json_t *schema, const char *description) {
  return json_pack("{s:s, s:s, s:b, s:o, s:s}", "name", name, "in", place, "required", (int)is_required, "schema", schema, "description",
                   description);
}

static json_t *string_schema(void) { return json_pack("{s:s}", "type", "string"); }

static void add_query(json_t **parameters, const char *names) {
  for (size_t i = 0; i < sizeof query_params / sizeof query_params[0]; i++) {
    const char *name = query_params[i].name;
    size_t length = strlen(name);
    for (const char *at = names; at != NULL && *at != '\0';) {
      size_t word = strcspn(at, " ");
      if (word == length && strncmp(at, name, length) == 0) {
        json_append(parameters, parameter(name, "query", false, json_loads(query_params[i].schema, 0, NULL), query_params[i].description));
      }
      at += word;
      at += strspn(at, " ");
    }
  }
}

static json_t *make_parameters(const struct route *route) {
  json_t *parameters = json_array();
  if (strstr(route->path, "{id}") != NULL) {
    json_append(&parameters, parameter("id", "path", true, string_schema(), "The resource's id or its name."));
  }
  if (strstr(route->path, "{column}") != NULL) {
    json_append(&parameters, parameter("column", "path", true, string_schema(), "The column's name, or its position, from 0."));
  }
  if (strstr(route->path, "{row}") != NULL) {
    json_append(&parameters, parameter("row", "path", true, string_schema(), "The row's number, from 0."));
  }
  if (strstr(route->path, "{file}") != NULL) {
    json_append(&parameters, parameter("file", "path", true, string_schema(), "Path of a file below web/."));
  }
  add_query(&parameters, route->query);
  if ((route->flags & ROUTE_IDEMPOTENCY) != 0) {
    json_append(&parameters, parameter("Idempotency-Key", "header", false, string_schema(),
                                       "The same key and body get the first answer again, and create nothing."));
  }
  if ((route->flags & ROUTE_ETAG) != 0) {
    json_append(&parameters, parameter("If-None-Match", "header", false, string_schema(), "An ETag; 304 if nothing has changed since."));
  }
  if (strstr(route->path, "/events") != NULL) {
    json_append(&parameters, parameter("Last-Event-ID", "header", false, string_schema(), "The last event that was seen."));
  }
  return parameters;
}

/* {type: {"schema": …}} */
static json_t *content(const char *type, json_t *schema) { return json_pack("{s:{s:o}}", type, "schema", schema); }

static json_t *upload_schema(const struct format *format) {
  return json_pack("{s:s, s:s}", "type", "string", "description", format->summary);
}

static json_t *make_request_body(const struct route *route) {
  if (route->request_schema == NULL && (route->flags & ROUTE_STREAMS_BODY) == 0) return NULL;
  json_t *types = json_object();
  if (route->request_schema != NULL)
    json_put(&types, "application/json", json_pack("{s:o}", "schema", schema_reference(route->request_schema)));
  for (const struct predict_type *type = predict_types; route->handler == models_predict && type->media_type != NULL; type++) {
    if (strcmp(type->media_type, "application/json") != 0)
      json_put(&types, type->media_type, json_pack("{s:{s:s, s:s}}", "schema", "type", "string", "description", type->summary));
  }
  if ((route->flags & ROUTE_STREAMS_BODY) != 0 && route->request_schema == NULL) {
    for (size_t i = 0; formats[i] != NULL; i++) {
      char type[64];
      snprintf(type, sizeof type, "%.*s", (int)strcspn(formats[i]->media_types, " "), formats[i]->media_types);
      json_put(&types, type, json_pack("{s:o}", "schema", upload_schema(formats[i])));
    }
    json_put(&types, "multipart/form-data",
             json_pack("{s:{s:s, s:s}}", "schema", "type", "object", "description",
                       "several files that are one dataset: tables as train, test and validation, or arrays as images, labels, "
                       "test_images, …"));
  }
  return json_pack("{s:b, s:o}", "required", 1, "content", types);
}

static json_t *make_answer(const struct route *route) {
  json_t *answer = json_pack("{s:s}", "description", route->summary);
  if (route->response_schema != NULL) {
    json_put(&answer, "content", content("application/json", schema_reference(route->response_schema)));
  } else if (route->response_type != NULL) {
    json_put(&answer, "content", content(route->response_type, string_schema()));
  }
  if (route->handler == models_predict) {
    json_t *picture = json_pack("{s:{s:s, s:s, s:s}}", "schema", "type", "string", "format", "binary", "description",
                                "the image that an autoencoder gives back of one, where Accept names image/png");
    json_t *types = json_object_get(answer, "content");
    json_put(&types, "image/png", picture);
  }
  if (route->success_status == 201 || strcmp(route->name, "createJob") == 0) {
    json_put(&answer, "headers",
             json_pack("{s:{s:s, s:o}}", "Location", "description", "Path of what was created.", "schema", string_schema()));
  }
  return answer;
}

static bool has_query(const struct route *route, const char *name) { return route->query != NULL && strstr(route->query, name) != NULL; }

static json_t *make_answers(const struct route *route) {
  json_t *answers = json_object();
  char status[8];
  snprintf(status, sizeof status, "%d", route->success_status);
  json_put(&answers, status, make_answer(route));
  if (has_query(route, "dry_run")) {
    json_put(&answers, "200",
             json_pack("{s:s, s:o}", "description", "Of a dry run: what would have been made of it.", "content",
                       content("application/json", schema_reference("Anything"))));
  }
  if ((route->flags & ROUTE_ETAG) != 0) json_put(&answers, "304", json_pack("{s:s}", "description", "Nothing has changed."));
  static const char *const classes[] = {"4XX", "5XX"};
  for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
    json_put(&answers, classes[i], json_pack("{s:s+}", "$ref", "#/components/responses/", "Problem"));
  }
  return answers;
}

/* "jobs" of "/v1/jobs/{id}"; the rest is the server's own. */
static const char *find_tag(const struct route *route) {
  static const char *const tags[] = {"networks", "datasets", "uploads", "jobs", "models", "gradient-checks"};
  for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
    if (strncmp(route->path, "/v1/", 4) == 0 && strncmp(route->path + 4, tags[i], strlen(tags[i])) == 0) return tags[i];
  }
  return "server";
}

static json_t *make_operation(const struct route *route) {
  json_t *operation = json_pack("{s:s, s:s, s:[s], s:o}", "operationId", route->name, "summary", route->summary, "tags", find_tag(route),
                                "responses", make_answers(route));
  json_t *parameters = make_parameters(route);
  if (json_array_size(parameters) > 0)
    json_put(&operation, "parameters", parameters);
  else
    json_decref(parameters);
  json_t *body = make_request_body(route);
  if (body != NULL) json_put(&operation, "requestBody", body);
  if ((route->flags & ROUTE_PUBLIC) != 0) json_put(&operation, "security", json_array());
  return operation;
}

static json_t *make_paths(void) {
  json_t *paths = json_object();
  for (size_t i = 0; i < route_count; i++) {
    char method[8];
    size_t length = 0;
    for (const char *at = routes[i].method; *at != '\0' && length + 1 < sizeof method; at++) method[length++] = (char)(*at | 0x20);
    method[length] = '\0';
    if (json_object_get(paths, routes[i].path) == NULL) json_put(&paths, routes[i].path, json_object());
    json_t *path = json_object_get(paths, routes[i].path);
    json_t *operation = make_operation(&routes[i]);
    if (path == NULL || operation == NULL || json_object_set_new(path, method, operation) != 0) {
      json_decref(paths);
      return NULL;
    }
  }
  return paths;
}

static json_t *make_tags(void) {
  static const char *const tags[][2] = {
      {"server", "The server itself"},           {"networks", "Network specs, checked and kept"},
      {"datasets", "Uploaded tables"},           {"jobs", "Training"},
      {"models", "What training leaves behind"}, {"gradient-checks", "Gradients compared with differences"}};
  json_t *array = json_array();
  for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
    json_append(&array, json_pack("{s:s, s:s}", "name", tags[i][0], "description", tags[i][1]));
  }
  return array;
}

static json_t *make_document(const struct api *api) {
  json_t *problem = json_pack("{s:s, s:o}", "description", "What went wrong, and where in the request (RFC 9457).", "content",
                              content("application/problem+json", schema_reference("Problem")));
  json_t *token = json_pack("{s:s, s:s, s:s}", "type", "http", "scheme", "bearer", "description",
                            "Needed if the server was started with --token-file.");
  json_t *components =
      json_pack("{s:o, s:{s:o}, s:{s:o}}", "schemas", make_schemas(), "responses", "Problem", problem, "securitySchemes", "token", token);
  return json_pack("{s:s, s:{s:s, s:s, s:s}, s:[{s:s}], s:o, s:[{}, {s:[]}], s:o, s:o}", "openapi", "3.1.0", "info", "title", "backpropd",
                   "version", api->options.version, "description", "Train neural networks over HTTP and serve them.", "servers", "url", "/",
                   "tags", make_tags(), "security", "token", "paths", make_paths(), "components", components);
}

enum error_code openapi_get(struct api *api, const struct request *request, struct response *response, struct error *error) {
  (void)request;
  return respond_json(response, 200, make_document(api), error);
}
