/*
 * Preloaded into tfw: ends it by SIGKILL right after the n-th entry of a migration's journal is on
 * disk. No timing could hit that place every time, and tfw has no switch for it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_journal(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strstr(path, "/backups/") && strstr(path, "/journal.jsonl");
}

int fdatasync(int fd) {
    static int (*real)(int);
    static int seen;
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int result = real(fd);
    const char *at = getenv("TFW_TEST_KILL_AFTER_ENTRY");
    if (at && is_journal(fd) && ++seen == atoi(at))
        kill(getpid(), SIGKILL);
    return result;
}
