/* Every handler, by resource. Private to server/api; routes.c puts them into the table. */
#ifndef SERVER_API_HANDLERS_H
#define SERVER_API_HANDLERS_H

#include "server/api/api.h"

/* root.c */
route_handler root_get_page, root_get_asset, root_get_version, root_get_schema;
/* openapi.c */
route_handler openapi_get;
/* health.c */
route_handler health_get_live, health_get_ready, health_get_metrics;
/* networks.c */
route_handler networks_post, networks_get_list, networks_get_one, networks_delete_one;
/* datasets.c */
route_handler uploads_get_list;
route_handler datasets_post, datasets_get_list, datasets_get_one, datasets_patch, datasets_delete_one;
/* dataset_rows.c, dataset_image.c, dataset_histogram.c, dataset_report.c */
route_handler datasets_get_rows, datasets_get_image, datasets_get_histogram, datasets_get_report;
/* job_submission.c */
route_handler jobs_post;
/* jobs.c */
route_handler jobs_get_list, jobs_get_one, jobs_patch, jobs_delete_one, jobs_post_pause, jobs_post_resume, jobs_post_cancel;
/* job_metrics.c, job_events.c */
route_handler jobs_get_metrics, jobs_get_events, jobs_get_log;
/* gradient_checks.c */
route_handler gradient_checks_post;
/* trace.c */
route_handler models_trace, networks_trace;
/* models.c, export.c, predict.c, evaluate.c */
route_handler models_get_list, models_get_one, models_delete_one, models_export, models_predict, models_evaluate;

/* What a prediction's body may be: each Content-Type with who answers it (predict.c); NULL at the end. application/json comes
 * whole, the others are streamed. */
struct predict_type {
  const char *media_type, *summary;
  route_handler *handler;
};
extern const struct predict_type predict_types[];

#endif
