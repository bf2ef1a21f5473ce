/* A clock that a test sets, for a process that loads this before libc: the time of day, and what waits for one.
   How far it is off stands in a file, in seconds, as an int64. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_UPTIME 1000000000 /* An instant below that is one of the monotonic clock. */

static volatile int64_t *off;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("CARILLON_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    off = page == MAP_FAILED ? NULL : page;
    close(file);
}

static int64_t shift(void) { return off ? *off : 0; }

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += shift();
    return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
    int failed = syscall(SYS_gettimeofday, at, zone);
    if (!failed)
        at->tv_sec += shift();
    return failed;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    static int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!wait)
        wait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2"); /* the first would be one of another age */
    if (!wait)
        wait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec really = *until;
    if (really.tv_sec > LONGEST_UPTIME)
        really.tv_sec -= shift();
    return wait(condition, mutex, &really);
}
