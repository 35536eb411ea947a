/* SPDX-License-Identifier: MIT */
/*
 * The ring is the channel's, with records for events and without a producer that waits.  The reader raises its flag, looks
 * once more, and waits on its eventfd; the fences order "my record, then your flag" against "my flag, then your
 * record", so a record is never left behind a sleeping reader, and a running one costs the worker no system call.
 */
#include "http/report.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Asked for only when something is told of the connection: one that nothing is told of costs no system call for it, and
 * carries no address along. */
void report_set_peer(struct report *report, int fd)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t length = sizeof peer;
	char text[INET6_ADDRSTRLEN] = "";

	if (getpeername(fd, (struct sockaddr *) &peer, &length) < 0)
		return;
	if (peer.ss_family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *) &peer;

		(void) inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
		(void) snprintf(report->peer, sizeof report->peer, "%s:%u", text, ntohs(in->sin_port));
	} else if (peer.ss_family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &peer;

		(void) inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
		(void) snprintf(report->peer, sizeof report->peer, "[%s]:%u", text, ntohs(in6->sin6_port));
	} else {
		(void) snprintf(report->peer, sizeof report->peer, "unix");
	}
}

void report_put(struct report_ring *ring, const struct report *report)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t one = 1;

	if (head - atomic_load_explicit(&ring->tail, memory_order_acquire) == REPORT_RING_LENGTH) {
		atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
		return;
	}
	ring->at[head % REPORT_RING_LENGTH] = *report;
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&ring->reader_sleeps, memory_order_relaxed) &&
	    atomic_exchange_explicit(&ring->reader_sleeps, false, memory_order_acquire))	/* with wake_fd */
		(void) !write(ring->wake_fd, &one, sizeof one);
}

bool report_take(struct report_ring *ring, struct report *ret)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	if (atomic_load_explicit(&ring->head, memory_order_acquire) == tail)
		return false;
	*ret = ring->at[tail % REPORT_RING_LENGTH];
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	return true;
}

/* Nobody is woken for it: the consumer has heard of the kind a moment ago, and looks again when that moment is over. */
void report_suppress(struct report_ring *ring, unsigned kind)
{
	atomic_fetch_add_explicit(&ring->suppressed[kind], 1, memory_order_relaxed);
}

uint64_t report_take_suppressed(struct report_ring *ring, unsigned kind)
{
	return atomic_exchange_explicit(&ring->suppressed[kind], 0, memory_order_relaxed);
}

uint64_t report_take_dropped(struct report_ring *ring)
{
	return atomic_exchange_explicit(&ring->dropped, 0, memory_order_relaxed);
}
