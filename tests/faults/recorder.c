/* LD_PRELOAD: tells tests/faults/power.py of every call that makes something durable or moves a name, and waits. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

static void tell(const char *operation, long number) {
    const char *path = getenv("FAULTS_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char line[128], answer;
    int channel = path ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (channel < 0) return;
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (connect(channel, (struct sockaddr *)&address, sizeof address) == 0) {
        int length = snprintf(line, sizeof line, "%d %s %ld\n", getpid(), operation, number);
        if (write(channel, line, length) == length) (void)!read(channel, &answer, 1);
    }
    close(channel);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int fd) { int r = REAL(fsync)(fd); if (!r) tell("sync", fd); return r; }
int fdatasync(int fd) { int r = REAL(fdatasync)(fd); if (!r) tell("sync", fd); return r; }
int msync(void *at, size_t size, int flags) {
    int r = REAL(msync)(at, size, flags);
    if (!r && (flags & MS_SYNC)) tell("map", (long)at);
    return r;
}
int rename(const char *a, const char *b) { int r = REAL(rename)(a, b); if (!r) tell("name", 0); return r; }
int renameat(int d, const char *a, int e, const char *b) {
    int r = REAL(renameat)(d, a, e, b); if (!r) tell("name", 0); return r;
}
int unlink(const char *a) { int r = REAL(unlink)(a); if (!r) tell("name", 0); return r; }
int unlinkat(int d, const char *a, int flags) { int r = REAL(unlinkat)(d, a, flags); if (!r) tell("name", 0); return r; }
int rmdir(const char *a) { int r = REAL(rmdir)(a); if (!r) tell("name", 0); return r; }
