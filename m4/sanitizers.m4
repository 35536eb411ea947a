# SPDX-License-Identifier: MIT

# REACTORD_TSAN_FLAGS: sets and substitutes TSAN_CFLAGS.  gcc warns of every fence, which ThreadSanitizer does not model: it may
# then report a race that is none.  Whoever writes a fence finds out by running it, and -Werror must not stop that.
AC_DEFUN([REACTORD_TSAN_FLAGS],
[TSAN_CFLAGS=-fsanitize=thread
REACTORD_TRY_FLAGS([-Wtsan], [], [TSAN_CFLAGS="$TSAN_CFLAGS -Wno-tsan"], [])
AC_SUBST([TSAN_CFLAGS])])

# REACTORD_CHECK_TSAN(IF-IT-RUNS, IF-NOT): whether a threaded program builds and runs under ThreadSanitizer.  It has to run
# many times: where the kernel spreads mappings wider than the sanitizer expects, some starts fail and some do not.
AC_DEFUN([REACTORD_CHECK_TSAN],
[AC_MSG_CHECKING([whether ThreadSanitizer runs here])
AS_IF([test "$cross_compiling" = yes], [reactord_tsan=no],
	[reactord_keep_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS -pthread -fsanitize=thread"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[
		#include <pthread.h>
		static void *run(void *arg) { return arg; }
		]], [[
		pthread_t thread;
		if (pthread_create(&thread, 0, run, 0))
			return 1;
		return pthread_join(thread, 0);
		]])],
		[reactord_tsan=yes
		for reactord_try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
			./conftest$EXEEXT >&AS_MESSAGE_LOG_FD 2>&1 || { reactord_tsan=no; break; }
		done],
		[reactord_tsan=no])
	CFLAGS=$reactord_keep_CFLAGS])
AC_MSG_RESULT([$reactord_tsan])
AS_IF([test "$reactord_tsan" = yes], [$1], [$2])])
