/* The hub: who waits for news of which job. notify runs under the hub's mutex, so that after jobs_unsubscribe none comes any more. */
#include <stdlib.h>
#include <string.h>

#include "server/jobs/run.h"

struct job_subscription {
  struct job_subscription *next;
  char job_id[STORE_ID_BYTES];
  void (*notify)(void *context);
  void *context;
};

enum error_code jobs_subscribe(struct jobs *jobs, const char *id, void (*notify)(void *context), void *context,
                               struct job_subscription **out_subscription, struct error *error) {
  struct job_subscription *subscription = calloc(1, sizeof *subscription);
  if (subscription == NULL) return error_set(error, ERROR_OUT_OF_MEMORY, "no memory to subscribe to job %s", id);
  size_t length = strnlen(id, sizeof subscription->job_id - 1);
  memcpy(subscription->job_id, id, length);
  subscription->notify = notify;
  subscription->context = context;
  pthread_mutex_lock(&jobs->hub.mutex);
  subscription->next = jobs->hub.subscriptions;
  jobs->hub.subscriptions = subscription;
  pthread_mutex_unlock(&jobs->hub.mutex);
  *out_subscription = subscription;
  return ERROR_NONE;
}

void jobs_unsubscribe(struct jobs *jobs, struct job_subscription *subscription) {
  if (subscription == NULL) return;
  pthread_mutex_lock(&jobs->hub.mutex);
  struct job_subscription **at = &jobs->hub.subscriptions;
  while (*at != subscription) at = &(*at)->next;
  *at = subscription->next;
  pthread_mutex_unlock(&jobs->hub.mutex);
  free(subscription);
}

void hub_notify(struct jobs *jobs, const char *job_id) {
  pthread_mutex_lock(&jobs->hub.mutex);
  for (struct job_subscription *at = jobs->hub.subscriptions; at != NULL; at = at->next)
    if (strcmp(at->job_id, job_id) == 0) at->notify(at->context);
  pthread_mutex_unlock(&jobs->hub.mutex);
}

void jobs_announce(struct jobs *jobs, const char *id) { hub_notify(jobs, id); }
