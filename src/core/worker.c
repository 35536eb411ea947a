/* SPDX-License-Identifier: MIT */
#include "core/worker.h"

#include "core/cleanup.h"
#include "core/reactor.h"
#include "core/thread.h"

#include <sched.h>
#include <sys/eventfd.h>

enum { CHANNEL_CAPACITY = 1024 };

struct worker {
	enum worker_mode mode;
	struct poller poller;
	struct channel channel;
	struct reactor reactor;
	struct executor *executor;		/* owned */
	int ask_fd;				/* owned: an eventfd */
	interest_id ask_id;
	worker_fn *on_ask, *on_failure;
	void *arg;
	bool quit;
	int result, reactor_result;	/* of the two loops; to be read when their threads have ended */
	bool started;
	pthread_t thread, reactor_thread;
};

int worker_new(struct worker **ret, enum worker_mode mode, uint32_t slots, struct timer *timers)
{
	struct worker *w = calloc(1, sizeof *w);
	int r;

	if (!w)
		return -ENOMEM;
	w->mode = mode;
	w->poller.fd = w->ask_fd = -1;
	r = poller_init(&w->poller);
	if (r < 0)
		goto fail;
	r = channel_init(&w->channel, CHANNEL_CAPACITY, mode == WORKER_THREADED);
	if (r < 0)
		goto fail;
	r = reactor_init(&w->reactor, &w->poller, &w->channel);
	if (r < 0)
		goto fail;
	r = executor_new(&w->executor, &w->poller, &w->channel, slots, timers);
	if (r < 0)
		goto fail;
	w->ask_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->ask_fd < 0) {
		r = -errno;
		goto fail;
	}
	*ret = w;
	return 0;
fail:
	worker_free(w);
	return r;
}

struct worker *worker_free(struct worker *w)
{
	if (!w)
		return NULL;
	if (w->executor)
		executor_forget(w->executor, w->ask_id);
	close_fd(&w->ask_fd);
	executor_free(w->executor);
	reactor_deinit(&w->reactor);
	channel_deinit(&w->channel);
	poller_deinit(&w->poller);
	free(w);
	return NULL;
}

size_t worker_bytes(uint32_t slots)
{
	return sizeof(struct worker) + CHANNEL_CAPACITY * sizeof(struct event) + executor_bytes(slots);
}

struct executor *worker_executor(struct worker *w)
{
	return w->executor;
}

static void on_ask(void *arg, interest_id id, uint32_t ready)
{
	struct worker *w = arg;
	uint64_t count;

	(void) id;
	(void) ready;
	(void) !read(w->ask_fd, &count, sizeof count);	/* empty: asked once, told twice */
	w->on_ask(w->arg);
}

/* One thread waits, and runs what came. */
static int run_inline(struct worker *w)
{
	int r = 0;

	while (!w->quit && r >= 0) {
		r = reactor_turn(&w->reactor, executor_is_busy(w->executor) ? 0 : -1);
		if (r >= 0)
			(void) executor_turn(w->executor);
	}
	return r < 0 ? r : 0;
}

/* Two threads: this one sleeps on the channel. */
static int run_beside_reactor(struct worker *w)
{
	while (!w->quit && !channel_closed(&w->channel)) {
		if (!executor_is_busy(w->executor))
			channel_wait_events(&w->channel);
		(void) executor_turn(w->executor);
	}
	channel_close(&w->channel);
	reactor_wake(&w->reactor);
	(void) pthread_join(w->reactor_thread, NULL);
	return w->quit ? 0 : w->reactor_result;
}

/* Woken, it preempts nobody (sched(7)).  Else a client on the same CPU is interrupted after its first request, which is then
 * served alone, and the next; and many at a time are what makes serving them cheap.  Who gave us another policy knows why. */
static void be_patient(void)
{
	if (sched_getscheduler(0) == SCHED_OTHER)
		(void) sched_setscheduler(0, SCHED_BATCH, &(struct sched_param) { 0 });
}

static void *executor_thread(void *arg)
{
	struct worker *w = arg;

	be_patient();
	(void) executor_turn(w->executor);	/* timers may run already */
	w->result = w->mode == WORKER_INLINE ? run_inline(w) : run_beside_reactor(w);
	if (w->result < 0 && w->on_failure)
		w->on_failure(w->arg);
	return NULL;
}

static void *reactor_thread(void *arg)
{
	struct worker *w = arg;

	be_patient();
	w->reactor_result = reactor_run(&w->reactor);
	return NULL;
}

int worker_start(struct worker *w, const char *name, worker_fn *on_ask_fn, worker_fn *on_failure, void *arg)
{
	int r;

	w->on_ask = on_ask_fn;
	w->on_failure = on_failure;
	w->arg = arg;
	r = executor_watch(w->executor, w->ask_fd, REGISTRY_STANDING, &w->ask_id);
	if (r < 0)
		return r;
	r = executor_await_keep(w->executor, w->ask_id, POLLER_READ, on_ask, w);
	if (r < 0)
		return r;

	if (w->mode == WORKER_THREADED) {
		r = thread_start(&w->reactor_thread, "reactor", reactor_thread, w);
		if (r < 0)
			return r;
	}
	r = thread_start(&w->thread, name, executor_thread, w);
	if (r < 0 && w->mode == WORKER_THREADED) {
		channel_close(&w->channel);
		reactor_wake(&w->reactor);
		(void) pthread_join(w->reactor_thread, NULL);
	}
	w->started = r == 0;
	return r;
}

void worker_ask(struct worker *w)
{
	uint64_t one = 1;

	(void) !write(w->ask_fd, &one, sizeof one);	/* a full counter has been asked already */
}

void worker_quit(struct worker *w)
{
	w->quit = true;
}

int worker_join(struct worker *w)
{
	if (!w->started)
		return 0;
	w->started = false;
	(void) pthread_join(w->thread, NULL);
	return w->result;
}
