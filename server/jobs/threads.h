/* What every thread of jobs/ is: started with a small stack and with signals left to main; those that train
 * are nice to those that serve. */
#ifndef SERVER_JOBS_THREADS_H
#define SERVER_JOBS_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* False if the system gives no thread. */
bool thread_start(pthread_t *out_thread, void *(*function)(void *), void *context);
/* The calling thread, and only it, runs at nice +10: a request is answered at once while every core trains. */
void thread_lower_priority(void);

/* A condition that waits by the monotonic clock. */
void condition_init(pthread_cond_t *condition);
/* Returns when signalled, or at `until_ms` of clock_now_ms(). The mutex is held. */
void condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_ms);

/* Monotonic milliseconds: for intervals, not for dates. */
int64_t clock_now_ms(void);
int64_t clock_now_us(void);

#endif
