/* Threads and the clock they wait by. */
#include "server/jobs/threads.h"

#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { STACK_BYTES = 1 << 20, TRAINING_NICE = 10 };

bool thread_start(pthread_t *out_thread, void *(*function)(void *), void *context) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  /* A signal must reach main's sigwait, never a thread that happens to run. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool is_started =
      pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0 && pthread_create(out_thread, &attributes, function, context) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return is_started;
}

void thread_lower_priority(void) { (void)setpriority(PRIO_PROCESS, (id_t)gettid(), TRAINING_NICE); }

void condition_init(pthread_cond_t *condition) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(condition, &attributes);
  pthread_condattr_destroy(&attributes);
}

void condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_ms) {
  struct timespec until = {.tv_sec = (time_t)(until_ms / 1000), .tv_nsec = (long)(until_ms % 1000) * 1000000};
  (void)pthread_cond_timedwait(condition, mutex, &until);
}

int64_t clock_now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_now_ms(void) { return clock_now_us() / 1000; }
