/*
 * scratch.c: a directory of a server's own for what strace and the sanitizers
 * write. Each is locked by the probe that made it, and the kernel drops the
 * lock whichever way that one ends: so the next probe can clear up after one
 * that was killed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "probe_internal.h"

enum {
	ABANDONED_S = 60, /* a younger directory is left alone: its maker may not have locked it yet */
};

static const char PREFIX[] = "probe.";

static const char *parent_directory(void)
{
	const char *parent = getenv("PROBE_DIR");

	if (!parent)
		parent = getenv("TMPDIR");
	return parent ? parent : "/tmp";
}

static void remove_directory(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *entry;

	if (!d)
		return;
	while ((entry = readdir(d))) {
		if (entry->d_name[0] != '.')
			unlink(text("%s/%s", path, entry->d_name));
	}
	closedir(d);
	rmdir(path);
}

static bool is_abandoned(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	bool abandoned;

	if (fd < 0)
		return false;
	abandoned = flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
		    time(NULL) - st.st_mtime > ABANDONED_S;
	close(fd);
	return abandoned;
}

void scratch_clear(void)
{
	const char *parent = parent_directory();
	DIR *d = opendir(parent);
	const struct dirent *entry;

	while (d && (entry = readdir(d))) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name);
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 && is_abandoned(path))
			remove_directory(path);
	}
	if (d)
		closedir(d);
}

void scratch_make(struct server *s)
{
	snprintf(s->dir, sizeof(s->dir), "%s/%sXXXXXX", parent_directory(), PREFIX);
	if (!mkdtemp(s->dir))
		probe_fail("no temporary directory %s: %s", s->dir, strerror(errno));
	s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	flock(s->dir_fd, LOCK_EX | LOCK_NB);
}

void scratch_remove(struct server *s)
{
	remove_directory(s->dir);
	close(s->dir_fd);
	s->dir[0] = '\0';
}
