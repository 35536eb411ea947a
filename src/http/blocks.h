/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Blocks: what most of a head consists of, sixteen bytes at a time where the compiler's target has a way to ask which of
 * sixteen comparisons were true (SSE2 on x86-64, NEON on arm64: nothing newer, and nothing is asked at run time).  A block
 * only moves on over bytes that are surely right; the table of bytes.h has the last word, and all of it elsewhere.
 *
 * For the head that a browser sends it is a third less work, for the shortest heads a few per cent (callgrind).
 */
#include "http/bytes.h"

#if !defined HTTP_NO_BLOCKS && defined __SSE2__
#include <emmintrin.h>
#define HTTP_BLOCKS 1
#elif !defined HTTP_NO_BLOCKS && defined __AARCH64EL__ && defined __ARM_NEON
#include <arm_neon.h>
#define HTTP_BLOCKS 1
#else
#define HTTP_BLOCKS 0
#endif

enum { HTTP_BLOCK = 16 };

#if HTTP_BLOCKS

typedef unsigned char http_block __attribute__((vector_size(HTTP_BLOCK)));

static inline http_block http_block_at(const char *at)
{
	http_block block;

	memcpy(&block, at, sizeof block);
	return block;
}

/* How many bytes come before the first that is not zero. */
static inline unsigned http_block_zeros(http_block block)
{
#if defined __SSE2__
	/* Of what a comparison makes each byte is all ones or all zeros. */
	unsigned ones = (unsigned) _mm_movemask_epi8((__m128i) block);

	return ones ? (unsigned) __builtin_ctz(ones) : HTTP_BLOCK;
#else
	/* Four bits of each byte. */
	uint64_t ones = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8((uint8x16_t) block), 4)), 0);

	return ones ? (unsigned) __builtin_ctzll(ones) / 4 : HTTP_BLOCK;
#endif
}

#define HTTP_SKIP_BLOCKS(at, stop, block, stops_at) do { \
		unsigned n_ = HTTP_BLOCK; \
		while (n_ == HTTP_BLOCK && (stop) - (at) >= HTTP_BLOCK) { \
			http_block block = http_block_at(at); \
			n_ = http_block_zeros((http_block) (stops_at)); \
			(at) += n_; \
		} \
	} while (0)

#else
#define HTTP_SKIP_BLOCKS(at, stop, block, stops_at) do { } while (0)
#endif

/* http_skip() of HTTP_VALUE.  A block ends at a control byte, HTAB among them, and at DEL. */
static inline const char *http_skip_value(const char *at, const char *stop)
{
	HTTP_SKIP_BLOCKS(at, stop, block, (block < ' ') | (block == 0x7f));
	return http_skip(at, stop, HTTP_VALUE);
}

/* http_skip() of HTTP_TOKEN.  A block moves on over letters and '-', which is what names of fields are made of. */
static inline const char *http_skip_name(const char *at, const char *stop)
{
	HTTP_SKIP_BLOCKS(at, stop, block, ((block | 0x20) - 'a' > 'z' - 'a') & (block != '-'));
	return http_skip(at, stop, HTTP_TOKEN);
}
