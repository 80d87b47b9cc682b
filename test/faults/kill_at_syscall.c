// kill_at_syscall N COUNT_FILE PROGRAM ARGUMENT...
//
// Runs the program and kills it with SIGKILL when one of its threads is about to make the N-th call
// that can change anything outside the process (files, sockets, pipes; counted over all threads, from
// its start). Between two such calls the world cannot tell one instant from another, so all N
// together are "at any instruction". N = 0 only counts. COUNT_FILE holds the number of calls seen, as
// eight bytes that can be read at any time. Ends as the program ended (128 + signal).

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/ptrace.h>
#include <unistd.h>

static int changes_something(const struct __ptrace_syscall_info *info) {
  switch (info->entry.nr) {
    case SYS_write:
    case SYS_pwrite64:
    case SYS_writev:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_sync_file_range:
    case SYS_rename:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_unlink:
    case SYS_unlinkat:
    case SYS_mkdir:
    case SYS_mkdirat:
    case SYS_ftruncate:
    case SYS_fallocate:
    case SYS_flock:
    case SYS_bind:
    case SYS_connect:
    case SYS_shutdown:
      return 1;
    case SYS_openat:
      return (info->entry.args[2] & O_CREAT) != 0;
    default:
      return 0;
  }
}

static long long *shared_count(const char *path) {
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(long long)) != 0) return NULL;
  void *memory = mmap(NULL, sizeof(long long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return memory == MAP_FAILED ? NULL : memory;
}

static pid_t start(char **argv) {
  const pid_t child = fork();
  if (child != 0) return child;
  ptrace(PTRACE_TRACEME, 0, NULL, NULL);
  raise(SIGSTOP);
  execvp(argv[0], argv);
  _exit(127);
}

// Lets the thread run to its next call; `number` is delivered to it.
static void go_on(pid_t thread, int number) {
  ptrace(PTRACE_SYSCALL, thread, NULL, (void *)(long)number);
}

static int trace(pid_t child, long long kill_at, long long *count) {
  int status = 0;
  for (;;) {
    const pid_t thread = waitpid(-1, &status, __WALL);
    if (thread < 0) return errno == ECHILD ? 1 : 2;
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (thread != child) continue;
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    const int number = WSTOPSIG(status);
    if (number == (SIGTRAP | 0x80)) {
      struct __ptrace_syscall_info info;
      memset(&info, 0, sizeof info);
      ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info);
      if (info.op == PTRACE_SYSCALL_INFO_ENTRY && changes_something(&info) &&
          ++*count == kill_at) {
        kill(child, SIGKILL);
      }
      go_on(thread, 0);
    } else if (number == SIGTRAP || (number == SIGSTOP && thread != child)) {
      go_on(thread, 0);  // a new thread, or its first stop
    } else {
      go_on(thread, number);
    }
  }
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: kill_at_syscall N COUNT_FILE PROGRAM ARGUMENT...\n");
    return 2;
  }
  long long *count = shared_count(argv[2]);
  if (count == NULL) {
    fprintf(stderr, "kill_at_syscall: %s: %s\n", argv[2], strerror(errno));
    return 2;
  }
  const pid_t child = start(argv + 3);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return 2;
  ptrace(PTRACE_SETOPTIONS, child, NULL,
         (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL));
  go_on(child, 0);
  return trace(child, atoll(argv[1]), count);
}
