/* SPDX-License-Identifier: MIT */
/*
 * The image could be plain memory; it is a memfd so that it can travel with the connections that are still being
 * answered from it.  It is sealed against every change, so who receives it need not trust who made it.
 */
#include "http/snapshot.h"

#include "core/cleanup.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/mman.h>

/* Copies the bytes to the image's end, and says where they are. */
static void append(char *image, size_t *length, const char *bytes, size_t n, uint32_t *ret_at, uint32_t *ret_length)
{
	*ret_at = (uint32_t) *length;
	*ret_length = (uint32_t) n;
	if (n > 0)
		memcpy(image + *length, bytes, n);
	*length += n;
}

static int prepare(struct prepared *ret, char *image, size_t *length, const struct http_answer *answer)
{
	char head[HTTP_HEAD_MAX];

	for (int i = 0; i < HTTP_PERSISTENCES; i++) {
		ssize_t n = http_head_write(head, sizeof head, answer, (enum http_persistence) i, &ret->date);

		if (n < 0)
			return -E2BIG;
		append(image, length, head, (size_t) n, &ret->head[i], &ret->head_length[i]);
	}
	append(image, length, answer->body.at, answer->body.length, &ret->body, &ret->body_length);
	ret->status = answer->status;
	return 0;
}

static size_t size_at_most(const struct http_answer *answers, uint32_t n_answers)
{
	size_t size = 0;

	for (uint32_t i = 0; i < n_answers; i++)
		size += answers[i].body.length + (size_t) HTTP_PERSISTENCES * HTTP_HEAD_MAX;
	return size;
}

/* Fills the memfd through a mapping, then seals it: sealing against writing needs that mapping gone. */
static int make_image(struct snapshot *s, const struct http_answer *answers, size_t size)
{
	char *image;
	int r = 0;

	s->image_fd = memfd_create("reactord-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->image_fd < 0 || ftruncate(s->image_fd, (off_t) size) < 0)
		return -errno;
	image = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->image_fd, 0);
	if (image == MAP_FAILED)
		return -errno;
	for (uint32_t i = 0; i < s->n_answers && r == 0; i++)
		r = prepare(&s->answers[i], image, &s->image_length, &answers[i]);
	(void) munmap(image, size);
	if (r < 0)
		return r;
	if (ftruncate(s->image_fd, (off_t) s->image_length) < 0 ||
	    fcntl(s->image_fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	return 0;
}

int snapshot_new(struct snapshot **ret, uint64_t number, const struct http_limits *limits,
		 const struct http_answer *answers, uint32_t n_answers)
{
	size_t size = size_at_most(answers, n_answers);
	struct snapshot *s;
	void *image;
	int r;

	assert(n_answers <= ANSWERS_MAX);
	if (size > HTTP_IMAGE_MAX)
		return -E2BIG;
	s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->image_fd = -1;
	s->number = number;
	s->limits = *limits;
	s->n_answers = n_answers;
	r = make_image(s, answers, size);
	if (r < 0)
		goto fail;
	/* Private, though nobody writes: before Linux 6.7 what is sealed against writing cannot be mapped shared. */
	image = mmap(NULL, s->image_length, PROT_READ, MAP_PRIVATE, s->image_fd, 0);
	if (image == MAP_FAILED) {
		r = -errno;
		goto fail;
	}
	s->image = image;
	*ret = s;
	return 0;
fail:
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
	free(s);
	return NULL;
}
