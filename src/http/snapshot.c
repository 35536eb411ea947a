/* SPDX-License-Identifier: MIT */
/*
 * The image could be plain memory; it is a memfd so that it can travel with the connections that are still being
 * answered from it.  It is sealed against every change, so who receives it need not trust who made it.
 */
#include "http/snapshot.h"

#include "core/cleanup.h"
#include "http/variables.h"

#include <fcntl.h>
#include <sys/mman.h>

/* While an image is made: first only measured, then filled. */
struct image {
	char *bytes;			/* NULL: only measured */
	size_t length;
};

static void append(struct image *image, const char *bytes, size_t n, uint32_t *ret_at, uint32_t *ret_length)
{
	*ret_at = (uint32_t) image->length;
	*ret_length = (uint32_t) n;
	if (image->bytes && n > 0)
		memcpy(image->bytes + image->length, bytes, n);
	image->length += n;
}

static int prepare_head(struct prepared *ret, struct image *image, const struct route_answer *from)
{
	const struct http_answer *answer = &from->answer;
	char head[HTTP_HEAD_MAX];
	ssize_t n = 0;

	for (int i = 0; i < HTTP_PERSISTENCES; i++) {
		n = http_head_write(head, sizeof head, answer, (enum http_persistence) i, &ret->date);
		if (n < 0)
			return -E2BIG;
		append(image, head, (size_t) n, &ret->head[i], &ret->head_length[i]);
	}
	ret->status = (uint16_t) answer->status;
	ret->delay_ms = from->delay_ms;
	ret->variables = (uint16_t) http_variables_in((struct slice) { head, (size_t) n });
	return image->length <= HTTP_IMAGE_MAX ? 0 : -EFBIG;
}

static int by_body(const void *a_, const void *b_)
{
	const struct http_answer *a = &(*(const struct route_answer *const *) a_)->answer;
	const struct http_answer *b = &(*(const struct route_answer *const *) b_)->answer;

	if (a->body.at != b->body.at)
		return (uintptr_t) a->body.at < (uintptr_t) b->body.at ? -1 : 1;
	return (a->body.length > b->body.length) - (a->body.length < b->body.length);
}

/* A page may be that of many answers, and is there once. */
static int prepare_bodies(struct snapshot *s, struct image *image, const struct route_answer *answers)
{
	cleanup(free_pointer) const struct route_answer **sorted = calloc(s->n_answers, sizeof *sorted);
	const struct prepared *last = NULL;

	if (!sorted)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_answers; i++)
		sorted[i] = &answers[i];
	qsort(sorted, s->n_answers, sizeof *sorted, by_body);
	for (uint32_t i = 0; i < s->n_answers; i++) {
		struct prepared *prepared = &s->answers[sorted[i] - answers];
		struct slice body = sorted[i]->answer.body;

		if (last && by_body(&sorted[i - 1], &sorted[i]) == 0) {
			prepared->body = last->body;
			prepared->body_length = last->body_length;
		} else {
			append(image, body.at, body.length, &prepared->body, &prepared->body_length);
		}
		if (image->length > HTTP_IMAGE_MAX)
			return -EFBIG;
		last = prepared;
	}
	return 0;
}

static int prepare_all(struct snapshot *s, struct image *image, const struct route_answer *answers)
{
	int r = 0;

	for (uint32_t i = 0; i < s->n_answers && r == 0; i++)
		r = prepare_head(&s->answers[i], image, &answers[i]);
	return r < 0 ? r : prepare_bodies(s, image, answers);
}

/* Fills the memfd through a mapping, then seals it: sealing against writing needs that mapping gone. */
static int make_image(struct snapshot *s, const struct route_answer *answers)
{
	struct image measured = { 0 }, image = { 0 };
	int r;

	r = prepare_all(s, &measured, answers);
	if (r < 0)
		return r;
	s->image_length = measured.length;
	s->image_fd = memfd_create("reactord-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->image_fd < 0 || ftruncate(s->image_fd, (off_t) s->image_length) < 0)
		return -errno;
	image.bytes = mmap(NULL, s->image_length, PROT_READ | PROT_WRITE, MAP_SHARED, s->image_fd, 0);
	if (image.bytes == MAP_FAILED)
		return -errno;
	r = prepare_all(s, &image, answers);
	(void) munmap(image.bytes, s->image_length);
	if (r < 0)
		return r;
	if (fcntl(s->image_fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	return 0;
}

static int number_answers(struct snapshot *s, struct route_answer **ret_answers, const struct route_settings *settings,
			  size_t n_switches)
{
	int r;

	s->on = calloc(n_switches + 1, sizeof *s->on);
	if (!s->on)
		return -ENOMEM;
	r = routes_new(&s->routes, ret_answers, &s->n_answers, settings, s->on);
	if (r < 0)
		return r;
	s->answers = calloc(s->n_answers, sizeof *s->answers);
	return s->answers ? 0 : -ENOMEM;
}

static int fill(struct snapshot *s, const struct route_settings *settings, size_t n_switches)
{
	cleanup(free_pointer) struct route_answer *answers = NULL;
	void *image;
	int r;

	r = number_answers(s, &answers, settings, n_switches);
	if (r < 0)
		return r;
	r = make_image(s, answers);
	if (r < 0)
		return r;
	/* Private, though nobody writes: before Linux 6.7 what is sealed against writing cannot be mapped shared. */
	image = mmap(NULL, s->image_length, PROT_READ, MAP_PRIVATE, s->image_fd, 0);
	if (image == MAP_FAILED)
		return -errno;
	s->image = image;
	return 0;
}

int snapshot_new(struct snapshot **ret, uint64_t number, const struct http_limits *limits,
		 const struct route_settings *settings, size_t n_switches)
{
	struct snapshot *s = calloc(1, sizeof *s);
	int r;

	if (!s)
		return -ENOMEM;
	s->image_fd = -1;
	s->number = number;
	s->limits = *limits;
	r = fill(s, settings, n_switches);
	if (r < 0) {
		snapshot_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

size_t snapshot_heads_length(const struct snapshot *s)
{
	size_t length = 0;

	for (uint32_t i = 0; i < s->n_answers; i++)
		for (int p = 0; p < HTTP_PERSISTENCES; p++)
			length += s->answers[i].head_length[p];
	return length;
}

int snapshot_measure(struct snapshot_size *ret, const struct route_settings *settings, size_t n_switches)
{
	cleanup(free_pointer) struct route_answer *answers = NULL;
	struct snapshot *s = calloc(1, sizeof *s);
	struct image measured = { 0 };
	int r;

	if (!s)
		return -ENOMEM;
	s->image_fd = -1;
	r = number_answers(s, &answers, settings, n_switches);
	if (r == 0)
		r = prepare_all(s, &measured, answers);
	if (r == 0)
		*ret = (struct snapshot_size) {
			.bytes = sizeof *s + (n_switches + 1) * sizeof *s->on + s->n_answers * sizeof *s->answers +
				 routes_bytes(s->routes) + measured.length,
			.image_length = measured.length,
			.heads_length = snapshot_heads_length(s),
			.n_answers = s->n_answers,
		};
	snapshot_free(s);
	return r;
}

struct snapshot *snapshot_free(struct snapshot *s)
{
	if (!s)
		return NULL;
	if (s->image)
		(void) munmap((void *) s->image, s->image_length);
	close_fd(&s->image_fd);
	routes_free(s->routes);
	free(s->answers);
	free((void *) s->on);
	free(s);
	return NULL;
}
