# SPDX-License-Identifier: MIT
#
# Hardening flags, each only where it adds something: the compiler takes it, and neither the compiler's own defaults
# nor the builder's CFLAGS, CPPFLAGS and LDFLAGS have decided the matter.  The builder's word counts in both
# directions: -fno-stack-protector or -U_FORTIFY_SOURCE is as much of a decision as the opposite.
#
# What is on already is asked of the compiler, with the builder's flags, because a macro says what is in force
# whoever set it; a flag that leaves no macro behind can only be looked for in the builder's flags.  (A list of
# compilers and versions would be shorter, and wrong for the next one.)

# REACTORD_BUILDER_DECIDED(WORDS, IF-SO, IF-NOT): one of WORDS (an extended regular expression) is in the builder's flags.
AC_DEFUN([REACTORD_BUILDER_DECIDED],
[AS_IF([AS_ECHO([" $CPPFLAGS $CFLAGS $LDFLAGS "]) | grep -E -e '$1' >/dev/null], [$2], [$3])])

# REACTORD_MACRO_DEFINED(CONDITION, IF-SO, IF-NOT): CONDITION is what could stand behind #if.
AC_DEFUN([REACTORD_MACRO_DEFINED],
[AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#include <features.h>
#if !($1)
#error no
#endif
]])], [$2], [$3])])

# REACTORD_TRY_FLAGS(CFLAGS, LDFLAGS, IF-TAKEN, IF-NOT): a program builds with these and every warning is an error,
# so that a compiler that merely ignores a flag does not count.
AC_DEFUN([REACTORD_TRY_FLAGS],
[reactord_keep_CFLAGS=$CFLAGS
reactord_keep_LDFLAGS=$LDFLAGS
CFLAGS="$1 $CFLAGS -Werror"
LDFLAGS="$2 $LDFLAGS"
AC_LINK_IFELSE([AC_LANG_SOURCE([[
int main(int argc, char *argv[])
{
	char at[64] = "";

	for (int i = 0; i < argc && i < 64; i++)
		at[i] = argv[i][0];
	return at[63];
}
]])], [reactord_taken=yes], [reactord_taken=no])
CFLAGS=$reactord_keep_CFLAGS
LDFLAGS=$reactord_keep_LDFLAGS
AS_IF([test "$reactord_taken" = yes], [$3], [$4])])

# REACTORD_HARDEN(NAME, CFLAGS, LDFLAGS, WORDS, CONDITION): adds them, unless the builder used one of WORDS or CONDITION
# says that it is in force already.
AC_DEFUN([REACTORD_HARDEN],
[AC_MSG_CHECKING([whether to add $1])
REACTORD_BUILDER_DECIDED([$4], [reactord_answer="no, the builder decided"],
	[REACTORD_MACRO_DEFINED([$5], [reactord_answer="no, it is on already"],
		[REACTORD_TRY_FLAGS([$2], [$3],
			[reactord_answer=yes
			m4_ifval([$2], [AS_VAR_APPEND([HARDENING_CFLAGS], [" $2"])])
			m4_ifval([$3], [AS_VAR_APPEND([HARDENING_LDFLAGS], [" $3"])])],
			[reactord_answer="no, the compiler does not take it"])])])
AC_MSG_RESULT([$reactord_answer])])

# REACTORD_HARDENING: sets and substitutes HARDENING_CPPFLAGS, HARDENING_CFLAGS and HARDENING_LDFLAGS.
AC_DEFUN([REACTORD_HARDENING],
[REACTORD_HARDEN([-fPIE -pie], [-fPIE], [-pie],
	[[ ](-f(no-)?pi[ce]|-f(no-)?PI[CE]|-(no-)?pie|-static(-pie)?|-shared)[ ]],
	[defined __PIE__])
REACTORD_HARDEN([-fstack-protector-strong], [-fstack-protector-strong], [],
	[-f(no-)?stack-protector],
	[defined __SSP__ || defined __SSP_STRONG__ || defined __SSP_ALL__ || defined __SSP_EXPLICIT__])

# These two and -fstack-clash-protection leave no macro behind; to say them twice does nothing.
REACTORD_HARDEN([-fstack-clash-protection], [-fstack-clash-protection], [], [-f(no-)?stack-clash-protection], [0])
REACTORD_HARDEN([-z relro], [], [-Wl,-z,relro], [-z,?[ ]?(no)?relro], [0])
REACTORD_HARDEN([-z now], [], [-Wl,-z,now], [-z,?[ ]?(now|lazy)], [0])

REACTORD_MACRO_DEFINED([defined __x86_64__ || defined __i386__],
	[REACTORD_HARDEN([-fcf-protection=full], [-fcf-protection=full], [], [-fcf-protection], [defined __CET__])])
REACTORD_MACRO_DEFINED([defined __aarch64__],
	[REACTORD_HARDEN([-mbranch-protection=standard], [-mbranch-protection=standard], [], [-mbranch-protection],
		[defined __ARM_FEATURE_BTI_DEFAULT || defined __ARM_FEATURE_PAC_DEFAULT])])

# Without optimisation the C library warns instead of checking.  Level 3 needs both the compiler and the library.
AC_MSG_CHECKING([whether to add -D_FORTIFY_SOURCE])
REACTORD_BUILDER_DECIDED([_FORTIFY_SOURCE], [reactord_answer="no, the builder decided"],
	[REACTORD_MACRO_DEFINED([defined _FORTIFY_SOURCE], [reactord_answer="no, it is on already"],
		[REACTORD_MACRO_DEFINED([defined __OPTIMIZE__],
			[AC_LINK_IFELSE([AC_LANG_PROGRAM([[
				#include <features.h>
				#if !__GLIBC_PREREQ(2, 34)
				#error no
				#endif
				]], [[
				char at[8];
				return (int) __builtin_dynamic_object_size(at, 0) - 8;
				]])], [reactord_answer=3], [reactord_answer=2])
			HARDENING_CPPFLAGS=" -D_FORTIFY_SOURCE=$reactord_answer"],
			[reactord_answer="no, nothing is optimised"])])])
AC_MSG_RESULT([$reactord_answer])])
