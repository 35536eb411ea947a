/* SPDX-License-Identifier: MIT */
/*
 * For the watchdog's test, to be preloaded: whoever receives "GET /spin" never returns from it.  So a callback of the real
 * daemon hangs, and the daemon has no code for it.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t recv(int fd, void *to, size_t length, int flags)
{
	static const char word[] = "GET /spin";
	ssize_t n = syscall(SYS_recvfrom, fd, to, length, flags, NULL, NULL);
	volatile int spin = n >= (ssize_t) strlen(word) && !(flags & MSG_TRUNC) && memcmp(to, word, strlen(word)) == 0;

	while (spin)
		;
	return n;
}
